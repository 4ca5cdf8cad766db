"""Taking a scope's own files back to a moment, and copying them as they were then, all of it or nothing."""

from __future__ import annotations

from pydantic_hivemind.ledger import history, layer, layer_states, merge_bases
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.promotion.revert import Change, undo_all


def rewind(tx: Transaction, chain: Chain, moment: int) -> list[str]:
    """Make a scope's own files what they were; the files that changed, in order.

    Raises:
        VersionNotFound: What a file was is not kept any more. Nothing was changed.
        VersionConflict: Something is in the way of a file. Nothing was changed.
    """
    # All of them first: what cannot be done leaves everything as it is.
    changes = [
        Change(path, *layer_states.states(tx, chain[0], path, moment))
        for path in layer_states.changed(tx, chain[0], moment)
    ]
    changes = [change for change in changes if _differs(change)]
    undo_all(tx, chain, changes)
    return [change.path for change in changes if Kind.FILE in (change.kind_before, change.kind_now)]


def copy(tx: Transaction, chain: Chain, moment: int, to: Chain) -> None:
    """Give an empty scope with the same parent what a scope had itself at a moment.

    Raises:
        VersionNotFound: What a file was is not kept any more.
    """
    for path in layer_states.changed(tx, chain[0], 0):
        _, before = layer_states.states(tx, chain[0], path, moment)
        if before is None or before.kind is None:
            continue
        found = history.one(tx, chain[:1], before.version) if before.kind == Kind.FILE else None
        head = layer.new_head(
            to[0],
            path,
            before.kind,
            opaque=before.opaque,
            origin=before.origin,
            tags=before.tags,
            size=before.size,
        )
        cause = Cause("delete" if before.kind == Kind.WHITEOUT else "write")
        layer.store(tx, head, None, cause, None if found is None else found[1])
        made_of = history.origins(tx, chain[1:], path, before.origin)
        merge_bases.store(tx, to[0], [MergeBase(path, path, version) for version in made_of])


def _differs(change: Change) -> bool:
    """Whether the path was not brought back already."""
    return change.before is None or change.before.version != change.now.version
