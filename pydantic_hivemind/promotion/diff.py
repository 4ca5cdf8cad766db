"""What a promotion would change in an ancestor, found by reading alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.values import Change
from pydantic_hivemind.ledger import overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.overlay import Chain, Head
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.merging.three_way import merge_tags
from pydantic_hivemind.promotion.promote import Filter, Promotion

EVERYTHING = Filter(None, None)


def changes(tx: Transaction, source: ScopeRow, target: Chain, mounts: MountTable) -> Iterator[Change]:
    """What promoting all of a scope would change in an ancestor, by path."""
    return _Preview(tx, source, target, id="", mounts=mounts, strategy="merge", wanted=EVERYTHING).changes()


class _Preview(Promotion):
    """A promotion that is not carried out: it asks the same of each change, and writes nothing."""

    def changes(self) -> Iterator[Change]:
        own = overlay.own(self._tx, self._source.id)
        for head in own:
            if head.kind == Kind.FILE:
                yield from self._of_file(head)
            elif head.kind == Kind.WHITEOUT:
                yield from self._of_whiteout(head)
            else:
                yield from self._of_directory(head, overlay.within(own, head.path))

    def _of_file(self, head: Head) -> Iterator[Change]:
        path = head.path
        view, before = overlay.file(self._tx, self._target, path)
        seen = view.find(path)
        after = overlay.content(self._tx, head)
        base = self._origins.base(head, seen)
        blocker = self._file_above(view, path)
        blocked = blocker is not None and not self._was_removed(blocker)
        if seen is not None and seen.kind == Kind.DIRECTORY:
            # What is around it may be a directory that the source removed too, which has told what goes.
            removed = max((above.origin or 0 for above in self._remade(path)[1]), default=None)
            if blocked or base is not None or self._newer(path, max(head.origin or 0, removed or 0)):
                blocked = True
            elif removed is None:
                yield from self._inside(path, head.origin, frozenset())
            seen = None
        if blocked:
            yield Change(path, "added", None, after, head.tag_list(), "conflict")
            return
        outcome = self._merge(path, None if base is None else base[1], before, after)
        tags = head.tag_list()
        if seen is not None and not outcome.conflict:
            tags = merge_tags(overlay.decode_tags(base[0].tags) if base is not None else (), seen.tag_list(), tags)
        kind = "added" if before is None else "modified"
        if outcome.conflict:
            yield Change(path, kind, before, after, tags, "conflict")
        elif outcome.data is not None and (seen is None or outcome.data != before or tags != seen.tag_list()):
            yield Change(path, kind, before, outcome.data, tags, "applied" if outcome.data == after else "merged")

    def _of_whiteout(self, head: Head) -> Iterator[Change]:
        view, before = overlay.file(self._tx, self._target, head.path)
        seen = None if self._file_above(view, head.path) else view.find(head.path)
        base = self._origins.base(head, seen)
        if seen is not None and before is not None:
            unchanged = self._origins.is_unchanged(base, seen)
            yield Change(head.path, "deleted", before, None, (), "applied" if unchanged else "conflict")
        elif seen is not None and base is None:
            yield from self._inside(head.path, head.origin, frozenset())

    def _of_directory(self, head: Head, inside: Sequence[Head]) -> Iterator[Change]:
        path = head.path
        view = overlay.entry(self._tx, self._target, path)
        seen = view.find(path)
        obstacle = self._file_above(view, path) or seen
        if obstacle is not None and obstacle.kind == Kind.FILE:
            if self._was_removed(obstacle):
                seen = None
                if obstacle.path == path:
                    yield Change(path, "deleted", overlay.content(self._tx, obstacle), None)
            elif any(other.kind == Kind.FILE for other in inside):
                return  # Each file in it meets the same obstacle and says so.
            else:
                yield Change(path, "directory", None, None, (), "conflict")
                return
        if head.opaque and seen is not None:
            yield from self._inside(path, head.origin, {path, *(other.path for other in inside)})
        if seen is None:
            yield Change(path, "directory", None, None)

    def _inside(self, directory: str, since: int | None, mine: set[str] | frozenset[str]) -> Iterator[Change]:
        """The files of the target that the source removed with their directory."""
        found = sorted(overlay.subtree(self._tx, self._target, directory).inside(directory), key=lambda head: head.path)
        gone = [head for head in found if head.kind == Kind.FILE and head.path not in mine]
        for head, data in overlay.contents(self._tx, gone):
            changed = self._origins.has_changed(head, since)
            yield Change(head.path, "deleted", data, None, (), "conflict" if changed else "applied")
