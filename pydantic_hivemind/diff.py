"""What a scope's own changes make different from an ancestor."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_hivemind.ledger import tree
from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.ledger.tree import Chain, Head
from pydantic_hivemind.model import Change, ChangeKind


def changes(tx: Transaction, source: ScopeRow, target: Chain) -> Iterator[Change]:
    """What a scope's own layer makes different from an ancestor, by path."""
    for head in tree.own(tx, source.id):
        view, before = tree.file(tx, target, head.path)
        seen = view.find(head.path)
        if head.kind == Kind.FILE:
            after = tree.content(tx, head)
            if before != after or seen is None or seen.tag_list() != head.tag_list():
                kind: ChangeKind = "added" if before is None else "modified"
                yield Change(head.path, kind, before, after, head.tag_list())
        elif head.kind == Kind.DIRECTORY and not head.opaque:
            if seen is None:
                yield Change(head.path, "directory", None, None)
        elif before is not None:
            yield Change(head.path, "deleted", before, None)
        elif seen is not None:
            yield from _hidden(tx, source, target, head)


def _hidden(tx: Transaction, source: ScopeRow, target: Chain, head: Head) -> Iterator[Change]:
    """The files of the target that the source removed with their directory."""
    mine = {own.path for own in tree.within(tree.own(tx, source.id), head.path)}
    inside = sorted(tree.subtree(tx, target, head.path).inside(head.path), key=lambda other: other.path)
    gone = [other for other in inside if other.kind == Kind.FILE and other.path not in mine]
    for other, data in tree.contents(tx, gone):
        yield Change(other.path, "deleted", data, None)
