"""Promotion: what a scope changed, merged into an ancestor in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from pydantic_hivemind.base.matching.globs import any_path
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import ancestors_of, is_below
from pydantic_hivemind.base.values import Conflict, PromotionReport, Strategy
from pydantic_hivemind.errors import InvalidOption, PromotionConflict
from pydantic_hivemind.ledger import files, history, layer, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.overlay import Chain, Head, View
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.merging.three_way import Merged, merge, merge_tags
from pydantic_hivemind.promotion.merge_base import Origins

PROMOTED = Cause("promote")
"""Why a scope lets go of what its ancestor has now."""


def check_strategy(strategy: str) -> None:
    """Refuse what is no strategy.

    Raises:
        InvalidOption: It is none.
    """
    if strategy not in get_args(Strategy):
        raise InvalidOption(f"there is no strategy {strategy!r}; choose one of {', '.join(get_args(Strategy))}")


@dataclass(frozen=True)
class Filter:
    """Which changes to promote: files with one of the tags, if any are named, at paths that match."""

    tags: frozenset[str] | None
    matches: Callable[[str], bool] | None

    @classmethod
    def of(cls, tags: str | Sequence[str] | None, paths: str | Sequence[str] | None) -> Filter:
        """The filter that a caller asks for."""
        return cls(
            None if tags is None else frozenset(files.tag_list(tags)), None if paths is None else any_path(paths)
        )

    def takes(self, head: Head) -> bool:
        """Whether a change is to be promoted."""
        return (self.tags is None or not self.tags.isdisjoint(head.tag_list())) and (
            self.matches is None or self.matches(head.path)
        )


@dataclass
class _Tally:
    """The lists of a report while they grow."""

    applied: list[str] = field(default_factory=list[str])
    merged: list[str] = field(default_factory=list[str])
    deleted: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    conflicts: list[Conflict] = field(default_factory=list[Conflict])
    uncompared: list[str] = field(default_factory=list[str])


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
        self._origins = Origins(tx, source.chain, target)
        self._tally = _Tally()

    def run(self, target_name: str, *, dry_run: bool) -> PromotionReport:
        """Promote everything that is wanted.

        Raises:
            PromotionConflict: The strategy is `merge`, it is no dry run, and both sides changed a path.
                The caller's transaction must be rolled back.
        """
        before = history.newest(self._tx)
        own = overlay.own(self._tx, self._source.id)
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
                self._promote_directory(head, overlay.within(own, head.path))
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
            first = f"{len(tally.conflicts)} path(s) changed on both sides, the first is {tally.conflicts[0].path!r}"
            if tally.uncompared:
                first += f"; {tally.uncompared[0]!r} differs in too many places to be merged"
            raise PromotionConflict(
                f"{first}; nothing was promoted. Settle them and promote again, or choose the strategy 'ours' or "
                "'theirs'",
                report,
            )
        history.seal(self._tx, self._id, before)
        self._let_go(own, settled)
        return report

    # -- one change ----------------------------------------------------------------------------

    def _promote_file(self, head: Head) -> None:
        path = head.path
        view = overlay.entry(self._tx, self._target, path)
        seen = view.find(path)
        theirs = overlay.content(self._tx, head)
        base = self._origins.base(head, seen)
        blocker = self._file_above(view, path)
        if blocker is not None and self._was_removed(blocker):
            self._remove(blocker.path)
            view, blocker = overlay.entry(self._tx, self._target, path), None
        elif seen is not None and seen.kind == Kind.DIRECTORY and base is None and not self._newer(path, head.origin):
            # The directory that the source removed, as it was then.
            self._remove(path)
            view, seen = overlay.entry(self._tx, self._target, path), None
        if blocker is not None or (seen is not None and seen.kind == Kind.DIRECTORY):
            # A file on one side stands where the other has a directory.
            self._settle_kind(head, path if blocker is None else blocker.path, base, theirs)
            return
        if seen is not None and base is not None and seen.version == base[0].version:
            ours: bytes | None = base[1]
        else:
            ours = None if seen is None else overlay.content(self._tx, seen)
        outcome = self._merge(path, None if base is None else base[1], ours, theirs)
        if outcome.conflict:
            self._conflict(path, base, ours, theirs)
            if not outcome.compared:
                self._tally.uncompared.append(path)
            if self._strategy == "merge":
                return
        tags = head.tag_list()
        if seen is not None:
            tags = merge_tags(overlay.decode_tags(base[0].tags) if base is not None else (), seen.tag_list(), tags)
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
        view = overlay.entry(self._tx, self._target, path)
        seen = None if self._file_above(view, path) else view.find(path)
        base = self._origins.base(head, seen)
        if seen is None or (seen.kind == Kind.DIRECTORY and base is not None):
            # Gone already; or the file that was removed is now a directory that nobody here has seen.
            self._tally.skipped.append(path)
        elif seen.kind == Kind.DIRECTORY:
            self._delete_directory(path, head.origin)
        else:
            unchanged = self._origins.is_unchanged(base, seen)
            if not unchanged:
                self._conflict(path, base, overlay.content(self._tx, seen), None)
            if unchanged or self._strategy == "theirs":
                self._remove(path)

    def _promote_directory(self, head: Head, inside: Sequence[Head]) -> None:
        path = head.path
        view = overlay.entry(self._tx, self._target, path)
        obstacle = self._file_above(view, path) or view.find(path)
        if obstacle is not None and obstacle.kind == Kind.FILE:
            if self._was_removed(obstacle):
                self._remove(obstacle.path)
                view = overlay.entry(self._tx, self._target, path)
            elif any(other.kind == Kind.FILE for other in inside):
                return  # Each file in it meets the same obstacle and reports it.
            else:
                self._settle_kind(head, obstacle.path, None, None)
                return
        seen = view.find(path)
        if head.opaque and seen is not None:
            mine = {path, *(other.path for other in inside)}
            self._delete_inside(path, head.origin, spare=mine)
        if seen is None:
            files.make_dir(self._tx, self._target, view, path, self._cause)
            if not inside:
                self._tally.applied.append(path)

    # -- parts of it ---------------------------------------------------------------------------

    def _merge(self, path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None) -> Merged:
        return merge(path, base, ours, theirs, union=self._mounts.of(path).union, strategy=self._strategy)

    def _conflict(self, path: str, base: tuple[Past, bytes] | None, ours: bytes | None, theirs: bytes | None) -> None:
        self._tally.conflicts.append(Conflict(path, base[1] if base is not None else None, ours, theirs))

    def _settle_kind(self, head: Head, obstacle: str, base: tuple[Past, bytes] | None, theirs: bytes | None) -> None:
        """A file meets a directory: there is nothing to merge, only one side to choose."""
        view, ours = overlay.file(self._tx, self._target, obstacle)
        self._conflict(head.path, base, ours, theirs)
        if self._strategy != "theirs":
            return
        self._remove(obstacle)
        view = overlay.entry(self._tx, self._target, head.path)
        if head.kind == Kind.DIRECTORY:
            files.make_dir(self._tx, self._target, view, head.path, self._cause)
        elif theirs is not None:
            files.put(self._tx, self._target, view, head.path, theirs, self._cause, tags=head.tag_list())
        self._tally.applied.append(head.path)

    def _delete_directory(self, path: str, since: int | None) -> None:
        """Remove a directory of the target, unless something in it is newer than its removal in the source."""
        if self._delete_inside(path, since, spare=frozenset()):
            self._remove(path)

    def _delete_inside(self, directory: str, since: int | None, *, spare: set[str] | frozenset[str]) -> bool:
        """Remove what the target has in a directory but for some paths; whether all of that could go."""
        view = overlay.subtree(self._tx, self._target, directory)
        inside = sorted((head for head in view.inside(directory) if head.path not in spare), key=lambda head: head.path)
        changed = [head for head in inside if head.kind == Kind.FILE and self._origins.has_changed(head, since)]
        for head in changed:
            self._conflict(head.path, None, overlay.content(self._tx, head), None)
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

    def _file_above(self, view: View, path: str) -> Head | None:
        """The parent of a path that is a file in the target."""
        for parent in ancestors_of(path):
            head = view.find(parent)
            if head is None:
                return None
            if head.kind == Kind.FILE:
                return head
        return None

    def _was_removed(self, seen: Head) -> bool:
        """Whether the source removed a file that the target still has as it was then, by itself or with a directory."""
        instead, above = self._remade(seen.path)
        if instead is not None and self._origins.is_unchanged(self._origins.base(instead, seen), seen):
            return True
        return any(not self._origins.has_changed(seen, head.origin) for head in above)

    def _remade(self, path: str) -> tuple[Head | None, list[Head]]:
        """The directories that the source made where it had removed something: at a path, and above it."""
        own = overlay.entry(self._tx, self._source.chain[:1], path).own
        made = {head.path: head for head in own.values() if head.opaque}
        return made.pop(path, None), list(made.values())

    def _newer(self, directory: str, since: int | None) -> bool:
        """Whether a directory of the target has files that the source had not seen when it removed it."""
        inside = overlay.subtree(self._tx, self._target, directory).inside(directory)
        return any(head.kind == Kind.FILE and self._origins.has_changed(head, since) for head in inside)

    # -- afterwards ----------------------------------------------------------------------------

    def _let_go(self, own: Sequence[Head], settled: set[str]) -> None:
        """What was promoted shows through from the target; a copy would hide its later changes."""
        level = self._source.chain.index(self._target[0])
        # A directory that hides lower ones must stay while it holds something of its own, and with it what is in it.
        hiding = [
            head.path
            for head in own
            if head.opaque
            and (level > 1 or any(other.path not in settled for other in (head, *overlay.within(own, head.path))))
        ]
        needed: set[str] = set()
        for head in reversed(own):
            holds = head.kind == Kind.DIRECTORY and head.path in needed
            hidden = any(is_below(head.path, directory) for directory in hiding)
            if head.path in settled and not holds and not hidden and self._shows_through(head, level):
                layer.drop(self._tx, head, PROMOTED)
            elif head.kind == Kind.DIRECTORY and not holds and not hidden and self._is_below(head.path):
                layer.drop(self._tx, head, PROMOTED)
            else:
                needed.update(ancestors_of(head.path))
                if head.path in settled and head.kind == Kind.FILE:
                    self._follow(head)

    def _shows_through(self, head: Head, level: int) -> bool:
        """Whether the source would see what the target has if it had nothing of its own."""
        if level == 1:
            return True
        view = overlay.entry(self._tx, self._source.chain, head.path)
        seen, received = view.find(head.path, above=1), view.find(head.path, above=level)
        both = seen is not None and received is not None and seen.kind == received.kind == Kind.DIRECTORY
        return seen == received or (both and head.kind == Kind.DIRECTORY)

    def _follow(self, head: Head) -> None:
        """Make the source's file what the target has now, and a change of that."""
        received, data = overlay.file(self._tx, self._target, head.path)
        seen = received.find(head.path)
        if seen is None or data is None:
            return
        now = layer.new_head(self._source.id, head.path, Kind.FILE, origin=seen.version, tags=seen.tags, size=len(data))
        layer.store(self._tx, now, head, Cause("merge"), data)

    def _is_below(self, path: str) -> bool:
        """Whether the source would see a directory at the path if it had nothing of its own."""
        seen = overlay.entry(self._tx, self._source.chain, path).find(path, above=1)
        return seen is not None and seen.kind == Kind.DIRECTORY
