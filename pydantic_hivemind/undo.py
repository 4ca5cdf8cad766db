"""Taking back what was done to files: a last change, or everything that a promotion did."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic_hivemind.errors import VersionConflict, VersionNotFound
from pydantic_hivemind.ledger import files, history, tree
from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.files import Cause
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.tree import Chain


@dataclass(frozen=True)
class _Change:
    """What a scope did to a path, from the first change to take back to the last, and what it had before."""

    path: str
    first: Past
    last: Past
    before: Past | None

    @property
    def inherited(self) -> bool:
        """Whether the scope had nothing of its own there before, and saw what an ancestor has."""
        return self.first.origin is not None and (self.before is None or self.first.origin > self.before.version)

    @property
    def was_file(self) -> bool:
        """Whether the scope had a file of its own there before."""
        return not self.inherited and self.before is not None and self.before.action != "delete"


def undo(tx: Transaction, chain: Chain, path: str) -> None:
    """Put back what a scope had at a path before its own last change there.

    Raises:
        VersionNotFound: The scope never changed it.
        VersionConflict: There is a directory now, with files in it.
    """
    kept = history.of_path(tx, chain[:1], path)
    if not kept:
        raise VersionNotFound(f"this scope has not changed {path!r}")
    _put_back(tx, chain, _Change(path, kept[0], kept[0], kept[1] if len(kept) > 1 else None))


def revert(tx: Transaction, chain: Chain, promotion: str) -> list[str]:
    """Undo what a promotion did to the files of a scope; their paths, in order. Empty directories stay.

    Raises:
        VersionNotFound: The scope received no such promotion, or it is no longer kept.
        VersionConflict: One of its paths was changed since.
    """
    paths = {past.path for past in history.of_promotion(tx, chain[0], promotion)}
    if not paths:
        raise VersionNotFound(f"this scope has no promotion {promotion!r}, or it is no longer kept")
    changes = [_promoted(tx, chain, path, promotion) for path in sorted(paths, reverse=True)]
    # What is in the way goes first, and what is in a directory before the directory.
    for change in sorted(changes, key=lambda change: change.was_file):
        _put_back(tx, chain, change)
    return sorted(paths)


def _promoted(tx: Transaction, chain: Chain, path: str, promotion: str) -> _Change:
    """What a promotion did to a path. Raises `VersionConflict` if that is not the last that was done."""
    kept = history.of_path(tx, chain[:1], path)
    made = [past for past in kept if past.promotion == promotion]
    own = tree.entry(tx, chain, path).own.get(path)
    now = kept[0].version if own is None or own.kind == Kind.DIRECTORY else own.version
    gone = own is None and kept[0].action != "delete"
    if now != made[0].version or kept[0] != made[0] or gone:
        raise VersionConflict(
            f"{path!r} was changed after the promotion; restore it by itself",
            expected=made[0].version,
            actual=0 if gone else now,
        )
    return _Change(path, made[-1], made[0], kept[len(made)] if len(kept) > len(made) else None)


def _put_back(tx: Transaction, chain: Chain, change: _Change) -> None:
    path = change.path
    cause = Cause("restore")
    _clear_directory(tx, chain, change)
    view = tree.entry(tx, chain, path)
    if change.was_file and change.before is not None:
        found = history.one(tx, chain, change.before.version)
        data = found[1] if found is not None else None
        assert data is not None  # The newest versions of a path are never pruned.
        files.put(tx, chain, view, path, data, cause, tags=json.loads(change.before.tags))
    elif change.inherited:
        files.drop_own(tx, chain[0], path)
    elif view.find(path) is not None:
        files.remove(tx, chain, path, cause)


def _clear_directory(tx: Transaction, chain: Chain, change: _Change) -> None:
    """Remove an empty directory that stands where a file is to be put back."""
    view = tree.subtree(tx, chain, change.path)
    head = view.find(change.path)
    if head is None or head.kind != Kind.DIRECTORY:
        return
    if any(inside.kind == Kind.FILE for inside in view.inside(change.path)):
        raise VersionConflict(
            f"{change.path!r} is a directory now; remove it first", expected=change.last.version, actual=0
        )
    files.remove(tx, chain, change.path, Cause("restore"))
