"""Promotion: what a scope changed, merged into an ancestor in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic_hivemind.errors import PromotionConflict, VersionConflict, VersionNotFound
from pydantic_hivemind.ledger import files, history, tree
from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.files import Cause
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.ledger.tree import Chain, Head, View
from pydantic_hivemind.merge import Merged, merge, merge_tags
from pydantic_hivemind.model import Change, ChangeKind, Conflict, PromotionReport, Strategy
from pydantic_hivemind.mounts import MountTable
from pydantic_hivemind.paths import ancestors_of, below, is_below


@dataclass(frozen=True)
class Filter:
    """Which changes to promote: files with one of the tags, if any are named, at paths that match."""

    tags: frozenset[str] | None
    matches: Callable[[str], bool] | None

    def takes(self, head: Head) -> bool:
        """Whether a change is to be promoted."""
        return (self.tags is None or not self.tags.isdisjoint(head.tag_list())) and (
            self.matches is None or self.matches(head.path)
        )


EVERYTHING = Filter(None, None)


@dataclass
class _Tally:
    """The lists of a report while they grow."""

    applied: list[str] = field(default_factory=list[str])
    merged: list[str] = field(default_factory=list[str])
    deleted: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    conflicts: list[Conflict] = field(default_factory=list[Conflict])


class Promotion:
    """One promotion, inside the transaction that carries it out.

    `target` is the part of the source's chain that starts with the receiving scope.
    """

    def __init__(
        self,
        tx: Transaction,
        source: ScopeRow,
        target: Chain,
        *,
        id: str,
        mounts: MountTable,
        strategy: Strategy,
        wanted: Filter,
    ) -> None:
        self._tx = tx
        self._source = source
        self._target = target
        self._id = id
        self._mounts = mounts
        self._strategy: Strategy = strategy
        self._wanted = wanted
        self._cause = Cause("promote", source.name, id)
        self._tally = _Tally()

    def run(self, target_name: str, *, dry_run: bool) -> PromotionReport:
        """Promote everything that is wanted.

        Raises:
            PromotionConflict: The strategy is `merge`, it is no dry run, and both sides changed a path.
                The caller's transaction must be rolled back.
        """
        own = tree.own(self._tx, self._source.id)
        settled: set[str] = set()
        for head in own:
            if not self._wanted.takes(head):
                if head.kind != Kind.DIRECTORY:
                    self._tally.skipped.append(head.path)
                continue
            if head.kind == Kind.FILE:
                self._promote_file(head)
            elif head.kind == Kind.WHITEOUT:
                self._promote_whiteout(head)
            else:
                self._promote_directory(head, own)
            settled.add(head.path)
        tally = self._tally
        report = PromotionReport(
            id=self._id,
            source=self._source.name,
            target=target_name,
            dry_run=dry_run,
            applied=tuple(tally.applied),
            merged=tuple(tally.merged),
            deleted=tuple(tally.deleted),
            skipped=tuple(tally.skipped),
            conflicts=tuple(tally.conflicts),
        )
        if tally.conflicts and self._strategy == "merge" and not dry_run:
            count = len(tally.conflicts)
            raise PromotionConflict(
                f"{count} path(s) changed on both sides, the first is {tally.conflicts[0].path!r}; nothing was "
                "promoted. Settle them and promote again, or choose the strategy 'ours' or 'theirs'",
                report,
            )
        self._let_go(own, settled)
        return report

    # -- one change ----------------------------------------------------------------------------

    def _promote_file(self, head: Head) -> None:
        path = head.path
        view = tree.entry(self._tx, self._target, path)
        seen = view.find(path)
        theirs = tree.content(self._tx, head)
        base = self._base(head)
        blocker = self._file_above(view, path)
        if blocker is not None or (seen is not None and seen.kind == Kind.DIRECTORY):
            # A file on one side stands where the other has a directory.
            self._settle_kind(head, blocker or path, base, theirs)
            return
        if seen is not None and base is not None and seen.version == base[0].version:
            outcome = Merged(theirs, conflict=False)
            ours: bytes | None = None
        else:
            ours = None if seen is None else tree.content(self._tx, seen)
            outcome = self._merge(path, None if base is None else base[1], ours, theirs)
        if outcome.conflict:
            self._conflict(path, base, ours, theirs)
            if self._strategy == "merge":
                return
        tags = merge_tags(
            _tags(base[0].tags) if base is not None else (),
            seen.tag_list() if seen is not None else (),
            head.tag_list(),
        )
        if seen is not None and outcome.data == ours and tags == seen.tag_list():
            self._tally.skipped.append(path)
        elif outcome.data is None:
            # The strategy kept the target's deletion.
            self._tally.skipped.append(path)
        else:
            files.put(self._tx, self._target, view, path, outcome.data, self._cause, tags=tags)
            (self._tally.applied if outcome.data == theirs else self._tally.merged).append(path)

    def _promote_whiteout(self, head: Head) -> None:
        path = head.path
        view = tree.entry(self._tx, self._target, path)
        seen = None if self._file_above(view, path) else view.find(path)
        base = self._base(head)
        if seen is None or (seen.kind == Kind.DIRECTORY and base is not None):
            # Gone already; or the file that was removed is now a directory that nobody here has seen.
            self._tally.skipped.append(path)
        elif seen.kind == Kind.DIRECTORY:
            self._delete_directory(path, head.origin or 0)
        else:
            ours = tree.content(self._tx, seen)
            unchanged = base is not None and (seen.version == base[0].version or base[1] == ours)
            if not unchanged:
                self._conflict(path, base, ours, None)
            if unchanged or self._strategy == "theirs":
                self._remove(path)

    def _promote_directory(self, head: Head, own: Sequence[Head]) -> None:
        path = head.path
        view = tree.entry(self._tx, self._target, path)
        blocker = self._file_above(view, path)
        seen = view.find(path) if blocker is None else None
        if blocker is not None or (seen is not None and seen.kind == Kind.FILE):
            if any(is_below(other.path, path) and other.kind == Kind.FILE for other in own):
                return  # Each file in it meets the same obstacle and reports it.
            self._settle_kind(head, blocker or path, None, None)
            return
        if head.opaque and seen is not None:
            mine = {other.path for other in own if is_below(other.path, path)}
            self._delete_inside(path, head.origin or 0, spare=mine)
        if seen is None:
            files.make_dir(self._tx, self._target, view, path)
            if not any(other.path != path and is_below(other.path, path) for other in own):
                self._tally.applied.append(path)

    # -- parts of it ---------------------------------------------------------------------------

    def _merge(self, path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
        return merge(base, ours, theirs, union=self._mounts.of(path).union, strategy=self._strategy)

    def _conflict(self, path: str, base: tuple[Past, bytes] | None, ours: bytes | None, theirs: bytes | None) -> None:
        self._tally.conflicts.append(Conflict(path, base[1] if base is not None else None, ours, theirs))

    def _settle_kind(self, head: Head, obstacle: str, base: tuple[Past, bytes] | None, theirs: bytes | None) -> None:
        """A file meets a directory: there is nothing to merge, only one side to choose."""
        view, ours = tree.file(self._tx, self._target, obstacle)
        self._conflict(head.path, base, ours, theirs)
        if self._strategy != "theirs":
            return
        self._remove(obstacle)
        view = tree.entry(self._tx, self._target, head.path)
        if head.kind == Kind.DIRECTORY:
            files.make_dir(self._tx, self._target, view, head.path)
        elif theirs is not None:
            files.put(self._tx, self._target, view, head.path, theirs, self._cause, tags=head.tag_list())
        self._tally.applied.append(head.path)

    def _delete_directory(self, path: str, since: int) -> None:
        """Remove a directory of the target, unless something in it is newer than its removal in the source."""
        if self._delete_inside(path, since, spare=frozenset()):
            self._remove(path)

    def _delete_inside(self, directory: str, since: int, *, spare: set[str] | frozenset[str]) -> bool:
        """Remove what the target has in a directory but for some paths; whether all of that could go."""
        view = tree.subtree(self._tx, self._target, directory)
        inside = sorted((head for head in view.inside(directory) if head.path not in spare), key=lambda head: head.path)
        changed = [head for head in inside if head.kind == Kind.FILE and head.version > since]
        for head in changed:
            self._conflict(head.path, None, tree.content(self._tx, head), None)
        kept = [head.path for head in changed] if self._strategy != "theirs" else []
        gone: list[str] = []
        for head in inside:
            holds = any(is_below(path, head.path) for path in (*kept, *spare))
            if not holds and not any(is_below(head.path, path) for path in gone):
                gone.append(head.path)
                if spare or kept:
                    self._remove(head.path)
        return not kept

    def _remove(self, path: str) -> None:
        files.remove(self._tx, self._target, path, self._cause)
        self._tally.deleted.append(path)

    def _file_above(self, view: View, path: str) -> str | None:
        """The parent of a path that is a file in the target."""
        for parent in ancestors_of(path):
            head = view.find(parent)
            if head is None:
                return None
            if head.kind == Kind.FILE:
                return parent
        return None

    def _base(self, head: Head) -> tuple[Past, bytes] | None:
        """The version that both sides share: the origin, followed up to the target's own chain."""
        version = head.origin
        while version is not None:
            past, data = history.one(self._tx, self._source.chain, version) or (None, None)
            if past is None or data is None or past.path != head.path:
                return None
            if past.scope_id in self._target:
                return past, data
            version = past.origin
        return None

    # -- afterwards ----------------------------------------------------------------------------

    def _let_go(self, own: Sequence[Head], settled: set[str]) -> None:
        """What was promoted to the parent shows through from there; a copy would hide its later changes.

        Scopes between the source and a farther target may hide it, so there the copy stays, as a change of
        what was promoted.
        """
        if self._target[0] != self._source.chain[1]:
            for head in own:
                if head.path in settled and head.kind == Kind.FILE:
                    seen = tree.entry(self._tx, self._target, head.path).find(head.path)
                    if seen is not None and seen.kind == Kind.FILE:
                        files.set_origin(self._tx, self._source.id, head.path, seen.version)
            return
        needed: set[str] = set()
        for head in reversed(own):
            holds = head.path in needed
            if head.path in settled and not (head.kind == Kind.DIRECTORY and holds):
                files.drop_own(self._tx, self._source.id, head.path)
            elif head.kind == Kind.DIRECTORY and not holds and not head.opaque and self._is_there(head.path):
                files.drop_own(self._tx, self._source.id, head.path)
            else:
                needed.update(ancestors_of(head.path))

    def _is_there(self, path: str) -> bool:
        """Whether the target has a directory of its own or inherited at the path."""
        seen = tree.entry(self._tx, self._target, path).find(path)
        return seen is not None and seen.kind == Kind.DIRECTORY


def _tags(encoded: str) -> tuple[str, ...]:
    return tuple(json.loads(encoded))


def revert(tx: Transaction, chain: Chain, promotion: str) -> list[str]:
    """Undo what a promotion did to a scope; the paths, in order.

    Raises:
        VersionNotFound: The scope received no such promotion, or it is no longer kept.
        VersionConflict: One of its paths was changed since.
    """
    made = history.of_promotion(tx, chain[0], promotion)
    if not made:
        raise VersionNotFound(f"this scope has no promotion {promotion!r}")
    for past in reversed(made):
        newest = history.of_path(tx, chain[:1], past.path)
        if newest[0].version != past.version:
            raise VersionConflict(
                f"{past.path!r} was changed after the promotion; restore it by itself",
                expected=past.version,
                actual=newest[0].version,
            )
        undo(tx, chain, past.path)
    return sorted({past.path for past in made})


def undo(tx: Transaction, chain: Chain, path: str) -> None:
    """Put back what a scope had at a path before its own last change there.

    Raises:
        VersionNotFound: The scope never changed it, or what was before is no longer kept.
    """
    kept = history.of_path(tx, chain[:1], path)
    if not kept:
        raise VersionNotFound(f"this scope has not changed {path!r}")
    before = kept[1] if len(kept) > 1 else None
    cause = Cause("restore")
    if before is None and len(kept) >= files.KEPT_VERSIONS:
        raise VersionNotFound(f"what {path!r} was before is no longer kept")
    _, data = (history.one(tx, chain, before.version) if before is not None else None) or (None, None)
    if before is not None and data is not None:
        view = tree.entry(tx, chain, path)
        files.put(tx, chain, view, path, data, cause, tags=_tags(before.tags))
    elif before is None and kept[0].origin is not None:
        files.drop_own(tx, chain[0], path)
    elif tree.entry(tx, chain, path).find(path) is not None:
        files.remove(tx, chain, path, cause)


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
    low, high = below(head.path)
    mine = {own.path for own in tree.own(tx, source.id) if low <= own.path < high}
    inside = sorted(tree.subtree(tx, target, head.path).inside(head.path), key=lambda other: other.path)
    gone = [other for other in inside if other.kind == Kind.FILE and other.path not in mine]
    for other, data in tree.contents(tx, gone):
        yield Change(other.path, "deleted", data, None)
