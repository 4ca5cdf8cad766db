"""What the source of a promotion lets go of: what was promoted shows through from the target."""

from __future__ import annotations

from collections.abc import Sequence, Set

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.ledger import overlay
from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.overlay import Head, Overlay
from pydantic_hivemind.ledger.promotion_facts import Facts
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.promotion.contents import Contents
from pydantic_hivemind.promotion.draft import Draft
from pydantic_hivemind.promotion.merge_base import Ancestry
from pydantic_hivemind.promotion.steps import Follow


def release(
    facts: Facts, level: int, draft: Draft, contents: Contents, settled: Set[str]
) -> tuple[tuple[Head, ...], tuple[Follow, ...]]:
    """Return what the source drops, and what it keeps as a change of what the target has then.

    A copy would hide the target's later changes. Past the parent, where a scope between shows something else, the
    source keeps its own.

    Raises:
        PlanOutdated: A version that is needed was pruned meanwhile.
    """
    own = facts.own
    above = Overlay((*facts.layers[1:level], *draft.layers))
    hiding = _still_hiding(own, settled, past_parent=level > 1)
    needed: set[str] = set()
    dropped: list[Head] = []
    followed: list[Follow] = []
    for head in reversed(own):
        holds = head.kind == Kind.DIRECTORY and head.path in needed
        if not holds and not _is_in(head.path, hiding):
            seen = above.find(head.path)
            is_there = level == 1 or _shows_through(head, seen, draft.find(head.path))
            if (head.path in settled and is_there) or (
                head.kind == Kind.DIRECTORY and seen is not None and seen.kind == Kind.DIRECTORY
            ):
                dropped.append(head)
                continue
        needed.update(ancestors_of(head.path))
        if head.path in settled and head.kind == Kind.FILE:
            received = draft.find(head.path)
            if received is not None and received.kind == Kind.FILE:
                made_of = _nearer_bases(facts, level, contents, head) | draft.made_of(received)
                bases = (MergeBase(head.path, head.path, version) for version in made_of - {received.version})
                followed.append(Follow(head.path, received.scope_id, tuple(sorted(bases))))
    return tuple(dropped), tuple(followed)


def _still_hiding(own: Sequence[Head], settled: Set[str], *, past_parent: bool) -> set[str]:
    """The directories that hide lower ones: they stay while they hold something of their own, and what is in them."""
    return {
        head.path
        for head in own
        if head.opaque
        and (past_parent or any(other.path not in settled for other in (head, *overlay.within(own, head.path))))
    }


def _is_in(path: str, directories: Set[str]) -> bool:
    return bool(directories) and any(above in directories for above in (path, *ancestors_of(path)))


def _shows_through(head: Head, seen: Head | None, received: Head | None) -> bool:
    """Whether the source would see what the target has if it had nothing of its own."""
    both = seen is not None and received is not None and seen.kind == received.kind == Kind.DIRECTORY
    return seen == received or (both and head.kind == Kind.DIRECTORY)


def _nearer_bases(facts: Facts, level: int, contents: Contents, head: Head) -> set[int]:
    """What a file that goes past some scopes is made of for these, which did not get it."""
    found: set[int] = set()
    for nearer in range(1, level):
        view = Overlay(facts.layers[nearer:])
        ancestry = Ancestry(facts, nearer, view, contents)
        base = ancestry.base(head, view.find(head.path))
        if base is not None and base.version in ancestry.made_of(head):
            found.add(base.version)
    return found
