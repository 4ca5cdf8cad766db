"""Taking back what was done to a scope's own layer: a last change, or everything that a promotion did.

What is put back is what the scope had itself, by the log of its layer. Where it had nothing, its ancestors show
through, with all that they changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.errors import IsADirectory, VersionConflict, VersionNotFound
from pydantic_hivemind.ledger import history, layer, merge_bases, overlay, promotion_records
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.overlay import Chain, Overlay
from pydantic_hivemind.ledger.schema import Kind


@dataclass(frozen=True)
class Change:
    """What a path is in a scope's own layer, and what it is to be again."""

    path: str
    now: Past
    before: Past | None

    @property
    def kind_now(self) -> Kind | None:
        """What the scope itself has at the path."""
        return self.now.kind

    @property
    def kind_before(self) -> Kind | None:
        """What it had there."""
        return None if self.before is None else self.before.kind

    def conflict(self, tx: Transaction, why: str) -> VersionConflict:
        """What stands in the way."""
        expected = tx.version_names.name(self.now.version)
        return VersionConflict(f"{self.path!r} cannot be put back: {why}", expected=expected, actual=0)


def undo(tx: Transaction, chain: Chain, path: str) -> None:
    """Put back what a scope had at a path before its own last change there.

    Raises:
        VersionNotFound: The scope never changed it.
        IsADirectory: It is a directory that the scope made, or was one when it removed it.
        VersionConflict: There is a directory now, or a file where its directory was.
    """
    kept = history.states(tx, chain[:1], path)
    if not kept:
        raise VersionNotFound(f"this scope has not changed {path!r}, so there is no change to undo")
    change = Change(path, kept[0], kept[1] if len(kept) > 1 else None)
    if Kind.DIRECTORY in (change.kind_now, change.kind_before):
        # What was in it is not the change of one path.
        raise IsADirectory(f"{path!r} is or was a directory of this scope; restore the files in it one by one")
    seen = overlay.entry(tx, chain, path).find(path)
    if seen is not None and seen.kind == Kind.DIRECTORY and change.kind_before is not None:
        raise change.conflict(tx, "the path is a directory now; remove it first")
    if change.kind_before is None:
        let_go(tx, chain, change)
    elif change.kind_before == Kind.FILE or seen is not None:
        put_back(tx, chain, change)


def revert(tx: Transaction, chain: Chain, promotion: str) -> list[str]:
    """Undo what a promotion did to a scope; the paths, in order, without directories made only for what is in them.

    A directory that the promotion made stays while there is something else in it.

    Raises:
        VersionNotFound: The scope received no such promotion, or it is no longer kept.
        VersionConflict: One of its paths was changed since.
    """
    paths = sorted({past.path for past in history.of_promotion(tx, chain[0], promotion)})
    if not paths:
        raise VersionNotFound(
            f"this scope received no promotion {promotion!r}, or its versions are no longer kept; see the history"
        )
    changes = [_promoted(tx, chain, path, promotion) for path in paths]
    undo_all(tx, chain, changes)
    promotion_records.mark_reverted(tx, chain[0], promotion)
    plain = {change.path for change in changes if (change.kind_before, change.kind_now) == (None, Kind.DIRECTORY)}
    holding = {parent for path in paths for parent in ancestors_of(path)}
    return [path for path in paths if path not in plain & holding]


def undo_all(tx: Transaction, chain: Chain, changes: Sequence[Change]) -> None:
    """Make all paths what they were before some changes, which are in the order of their paths.

    Raises:
        VersionNotFound: What a file was is not kept any more.
        VersionConflict: Something is in the way of a file.
    """
    # What is in a directory goes before the directory, and comes back after it.
    for change in reversed(changes):
        if change.kind_before is None:
            let_go(tx, chain, change)
    for change in changes:
        if change.kind_before is not None:
            if any(_is_obstacle(tx, chain, parent) for parent in ancestors_of(change.path)):
                raise change.conflict(tx, "its parent directory was removed or replaced by a file; restore that first")
            put_back(tx, chain, change)


def _promoted(tx: Transaction, chain: Chain, path: str, promotion: str) -> Change:
    """What a promotion did to a path. Raises `VersionConflict` if that is not the last that was done."""
    kept = history.states(tx, chain[:1], path)
    made = [past for past in kept if past.promotion == promotion]
    if kept[: len(made)] != made:
        raise VersionConflict(
            f"{path!r} was changed after the promotion; restore it separately",
            expected=tx.version_names.name(made[0].version),
            actual=tx.version_names.name(kept[0].version) if kept[0].kind == Kind.FILE else 0,
        )
    return Change(path, made[0], kept[len(made)] if len(kept) > len(made) else None)


def _is_obstacle(tx: Transaction, chain: Chain, parent: str) -> bool:
    """Whether a directory cannot be where one has to be again."""
    view = overlay.entry(tx, chain, parent)
    head = view.own.get(parent) or view.find(parent)
    return head is not None and head.kind != Kind.DIRECTORY


def let_go(tx: Transaction, chain: Chain, change: Change) -> None:
    """Leave the path to the scope's ancestors again."""
    view = overlay.subtree(tx, chain, change.path)
    own = view.own.get(change.path)
    if own is None:
        return
    if own.kind == Kind.DIRECTORY and _holds(view, change.path):
        if own.opaque:
            layer.store(tx, layer.new_head(chain[0], change.path, Kind.DIRECTORY, origin=None), own, Cause("restore"))
        return
    below = view.find(change.path, above=1)
    layer.drop(tx, own, Cause("delete" if below is None else "restore"))


def put_back(tx: Transaction, chain: Chain, change: Change) -> None:
    """Make the path what it was."""
    before = change.before
    assert before is not None
    assert before.kind is not None
    path = change.path
    view = overlay.subtree(tx, chain, path)
    own = view.own.get(path)
    if own is not None and own.kind == Kind.DIRECTORY != before.kind and _holds(view, path):
        raise change.conflict(tx, "the path is a directory now and is not empty; remove it first")
    # The newest states of a path are never pruned.
    found = history.one(tx, chain[:1], before.version) if before.kind == Kind.FILE else None
    cause = Cause("delete" if before.kind == Kind.WHITEOUT else "restore")
    view.check_parents(path)
    layer.make_parents(tx, chain[0], view, path, cause)
    origin = _kept_origin(tx, chain, before)
    head = layer.new_head(
        chain[0], path, before.kind, opaque=before.opaque, origin=origin, tags=before.tags, size=before.size
    )
    layer.store(tx, head, own, cause, None if found is None else found[1])
    if own is None:
        _put_back_bases(tx, chain, view, before, origin)


def _kept_origin(tx: Transaction, chain: Chain, before: Past) -> int | None:
    """The merge base that a state had, if it is still kept."""
    found = None if before.origin is None else history.one(tx, chain[1:], before.origin)
    is_file = found is not None and found[0].path == before.path and found[1] is not None
    return before.origin if is_file else None


def _put_back_bases(tx: Transaction, chain: Chain, view: Overlay, before: Past, origin: int | None) -> None:
    """Note again what a head is made of or hides, which went when it was let go of."""
    path = before.path
    made_of = [MergeBase(path, path, version) for version in history.origins(tx, chain[1:], path, origin)]
    if before.blocks and before.kind != Kind.FILE:
        # What is there since then has not been seen.
        hidden = merge_bases.hidden_by(tx, chain, view, path)
        made_of += [row for row in hidden if row.path != path and row.version < before.version]
    merge_bases.store(tx, chain[0], made_of)


def _holds(view: Overlay, directory: str) -> bool:
    """Whether the scope has anything itself in a directory."""
    return any(directory in ancestors_of(path) for path in view.own)
