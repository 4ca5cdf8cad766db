"""`Scope`: a named, isolated, writable tree over its parents."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Edited, File, PromotionReport, Stat, Strategy
from pydantic_hivemind.errors import MergeConflict, ScopeNotFound, VersionNotFound
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.reader import ScopeReader, encoded
from pydantic_hivemind.hive.text_edits import replaced
from pydantic_hivemind.ledger import conversation_records, files, history, idempotency, overlay, scopes
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.idempotency import Result
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.overlay import View
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.merging.three_way import Merged, merge
from pydantic_hivemind.messages.checkpoints import Checkpoints
from pydantic_hivemind.messages.conversations import Conversation
from pydantic_hivemind.promotion import promote as promotion
from pydantic_hivemind.promotion import revert

if TYPE_CHECKING:
    from pydantic_ai.workspaces import WorkspaceBackend


class Scope(ScopeReader):
    """A handle of a scope. Cheap to keep, safe to use from any thread; made by `Hivemind.scope` and `spawn`.

    Every operation raises `ScopeGone` once the scope was destroyed or its ttl ran out. Every change takes
    `operation_id`, which makes a retry return the first outcome instead of doing it again. A change of one path
    takes `expected_version`, which must be its visible version (0 for "no file") or nothing is changed.
    """

    __slots__ = ()

    @property
    def parent(self) -> Scope | None:
        """The scope it reads through to."""
        if len(self._names) == 1:
            return None
        above = self._row.chain[1:]
        return self._handle(ScopeRow(above[0], self._names[1], above), self._names[1:])

    @property
    def children(self) -> tuple[Scope, ...]:
        """The scopes that read through to it directly, by name."""
        with self._database.snapshot() as tx:
            overlay.check_alive(tx, self._row.chain)
            rows = scopes.children(tx, self._row.id)
        return tuple(self._child(row) for row in rows)

    # -- its own life --------------------------------------------------------------------------

    def spawn(self, name: str | None = None, *, ttl: float | None = None, attach: bool = False) -> Scope:
        """A new session under this scope.

        Args:
            name: Its name in the hive; made up if not given.
            ttl: Seconds after which it is removed. Without, it stays until `destroy`, even if the process crashes.
            attach: Take the session of that name if this scope has it already, and renew it.
        """
        name = f"run-{uuid.uuid4().hex}" if name is None else name
        scopes.check_name(name)
        with self._database.write(self._row.chain) as tx:
            row, purged = scopes.find_session(tx, self._row.id, name) if attach else None, []
            if row is None:
                row, purged = scopes.make(tx, name, self._row.chain, session=True, ttl=ttl)
            else:
                scopes.renew(tx, row, ttl)
        self._finder.forget(purged)
        return self._child(row)

    def watched(self, used: Callable[[], None]) -> Scope:
        """The same scope as a handle that calls `used` before each operation, of what it opens too."""
        return Scope(self._database.watched(used), self._mounts, self._finder, self._row, self._names)

    def session(self, name: str) -> Scope:
        """The session of that name directly under this scope.

        Raises:
            ScopeNotFound: There is none; other scopes' sessions do not count.
        """
        with self._database.read() as tx:
            row = scopes.find_session(tx, self._row.id, name)
        if row is None:
            raise ScopeNotFound(f"there is no session {name!r} here")
        return self._child(row)

    def renew(self, ttl: float | None) -> float | None:
        """Let the scope live `ttl` seconds from now on, or as long as its parent; when it was to end before."""
        with self._database.write(self._row.chain) as tx:
            return scopes.renew(tx, self._row, ttl)

    def destroy(self, *, cascade: bool = False) -> None:
        """Remove the scope and everything in it, for good; with `cascade` also the scopes under it."""
        with self._database.write(self._row.chain) as tx:
            destroyed = scopes.destroy(tx, self._row, cascade=cascade)
        self._finder.forget(destroyed)

    # -- changing ------------------------------------------------------------------------------

    def write_bytes(
        self,
        path: str,
        data: bytes | bytearray | memoryview,
        *,
        tags: str | Sequence[str] | None = None,
        expected_version: int | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Write a file, making the directories above it. Without `tags` it keeps those it has."""
        path = normalize(path)
        # Text would be stored as text, and come back as such where bytes are expected.
        data = data if type(data) is bytes else memoryview(data).tobytes()

        def write(tx: Transaction) -> Stat:
            return self._put(tx, path, data, Cause("write"), tags=tags, expected_version=expected_version)

        return self._change(write, operation_id, "write", path, data, tags and files.tag_list(tags))

    def write_text(
        self,
        path: str,
        text: str,
        *,
        tags: str | Sequence[str] | None = None,
        expected_version: int | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Write a file of UTF-8 text; line ends stay as they are."""
        return self.write_bytes(
            path, encoded(text), tags=tags, expected_version=expected_version, operation_id=operation_id
        )

    def edit(
        self,
        path: str,
        old: str,
        new: str,
        *,
        replace_all: bool = False,
        expected_version: int | None = None,
        operation_id: str | None = None,
    ) -> Edited:
        """Replace text in a file, in one transaction: of two edits at once both land.

        Raises:
            EditError: `old` is not there, or is there more than once and `replace_all` is false.
            FileTooLarge: With all the new text in it, the file would be larger than the store takes.
        """
        path = normalize(path)

        def edit(tx: Transaction) -> Edited:
            view, data = overlay.file(tx, self._row.chain, path)
            if data is None:
                raise self._no_file(view, path)
            changed, count = replaced(path, data, old, new, everywhere=replace_all)
            stat = self._put(tx, path, changed, Cause("edit"), view=view, expected_version=expected_version)
            return Edited(stat, count)

        return self._change(edit, operation_id, "edit", path, old, new, replace_all)

    def merge(self, path: str, data: bytes, *, base: File | None, operation_id: str | None = None) -> Stat:
        """Write what was made from `base`, keeping what others wrote since then.

        Args:
            path: The file.
            data: The new content.
            base: The file as it was read, `None` if there was none.
            operation_id: Makes a retry safe.

        Raises:
            MergeConflict: Both changed the same lines, outside a mount that keeps the additions of both; or so many
                lines that comparing them would take too long.
        """
        path = normalize(path)
        before, union = base.data if base else None, self._mounts.of(path).union

        @lru_cache(maxsize=1)
        def merged_into(now: bytes | None) -> Merged:
            return merge(path, before, now, data, union=union)

        # Here nobody has to wait for it; in the transaction it is done again only if the file has changed meanwhile.
        with self._database.read() as tx:
            _, found = overlay.file(tx, self._row.chain, path)
        merged_into(found)

        def write(tx: Transaction) -> Stat:
            view, now = overlay.file(tx, self._row.chain, path)
            merged = merged_into(now)
            if merged.conflict or merged.data is None:
                where = "in the same place" if merged.compared else "in too many places to be merged"
                raise MergeConflict(f"{path!r} changed {where} since it was read; read it again")
            return self._put(tx, path, merged.data, Cause("write" if merged.data == data else "merge"), view=view)

        return self._change(write, operation_id, "merge", path, data, base and base.stat.version)

    def make_dir(self, path: str, *, expected_version: int | None = None, operation_id: str | None = None) -> None:
        """Make a directory and those above it; fine if it is there."""
        path = normalize(path)

        def make(tx: Transaction) -> None:
            view = overlay.entry(tx, self._row.chain, path)
            files.make_dir(tx, self._row.chain, view, path, expected_version=expected_version)

        self._change(make, operation_id, "make_dir", path)

    def remove(self, path: str, *, expected_version: int | None = None, operation_id: str | None = None) -> None:
        """Remove a file, or a directory and everything in it; what ancestors have there is hidden."""
        path = normalize(path)

        def remove(tx: Transaction) -> None:
            files.remove(tx, self._row.chain, path, Cause("delete"), expected_version=expected_version)

        self._change(remove, operation_id, "remove", path)

    def tag(
        self,
        path: str,
        tags: str | Sequence[str],
        *,
        expected_version: int | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Give a file these tags in place of those it has; a new version with the same bytes."""
        path = normalize(path)

        def retag(tx: Transaction) -> Stat:
            view, data = overlay.file(tx, self._row.chain, path)
            if data is None:
                raise self._no_file(view, path)
            return self._put(tx, path, data, Cause("tag"), view=view, tags=tags, expected_version=expected_version)

        return self._change(retag, operation_id, "tag", path, files.tag_list(tags))

    def restore(
        self,
        path: str,
        version: int | None = None,
        *,
        expected_version: int | None = None,
        operation_id: str | None = None,
    ) -> Stat | None:
        """Bring back a version of a file, or without one what was there before the last change.

        Returns the stat, or `None` where that means that there is no file.

        Raises:
            VersionNotFound: There is no such version, or nothing was changed.
            IsADirectory: Without a version: the scope made a directory there, or removed one of its own.
            VersionConflict: There is a directory now, or another version than expected.
        """
        path = normalize(path)

        def restore(tx: Transaction) -> Stat | None:
            view = overlay.entry(tx, self._row.chain, path)
            files.check_version(view.find(path), expected_version, path)
            if version is None:
                revert.undo(tx, self._row.chain, path)
            else:
                found = history.one(tx, self._row.chain, version)
                if found is None or found[0].path != path:
                    raise VersionNotFound(f"{path!r} has no version {version}, or it is no longer kept")
                past, data = found
                if data is None:
                    if view.find(path) is not None:
                        files.remove(tx, self._row.chain, path, Cause("restore"))
                else:
                    self._put(tx, path, data, Cause("restore"), view=view, tags=overlay.decode_tags(past.tags))
            head = overlay.entry(tx, self._row.chain, path).find(path)
            return None if head is None or head.kind == Kind.DIRECTORY else self._stat_of(head)

        return self._change(restore, operation_id, "restore", path, version)

    # -- promotion -----------------------------------------------------------------------------

    def promote(
        self,
        to: ScopeHandle | str | None = None,
        *,
        tags: str | Sequence[str] | None = None,
        paths: str | Sequence[str] | None = None,
        strategy: Strategy = "merge",
        dry_run: bool = False,
        operation_id: str | None = None,
    ) -> PromotionReport:
        """Merge this scope's own changes into its parent, or another ancestor: all of them or nothing.

        What was promoted to the parent is read through from there afterwards.

        Args:
            to: The ancestor or its name.
            tags: Only files that have one of these.
            paths: Only paths that match one of these globs, or are in one of these directories.
            strategy: What to do where both sides changed the same: fail, keep `ours` (the ancestor's), or
                take `theirs` (this scope's).
            dry_run: Report the same and change nothing.
            operation_id: Makes a retry return the first report.

        Raises:
            PromotionConflict: Both sides changed the same and the strategy is `merge`.
            ScopeNotFound: `to` is no ancestor.
        """
        promotion.check_strategy(strategy)
        level = self._level_of(to)
        target = self._row.chain[level:]
        wanted = promotion.Filter.of(tags, paths)
        # Not the operation id: another scope may use the same one for its promotion.
        identity = uuid.uuid4().hex

        def promote(tx: Transaction) -> PromotionReport:
            run = promotion.Promotion(
                tx, self._row, target, id=identity, mounts=self._mounts, strategy=strategy, wanted=wanted
            )
            report = run.run(self._names[level], dry_run=dry_run)
            if dry_run:
                tx.abandon()
            return report

        arguments = ("promote", self._names[level], tags and files.tag_list(tags), paths, strategy)
        report = self._change(promote, None if dry_run else operation_id, *arguments)
        self._finder.touched(target)
        return report

    def revert(self, promotion_id: str, *, operation_id: str | None = None) -> list[str]:
        """Undo what a promotion did to this scope, all or nothing; the paths.

        A directory that was made stays while there is something else in it.

        Raises:
            VersionNotFound: There was no such promotion, or not all of what it did is still kept.
            VersionConflict: One of the paths was changed since, or something is in the way.
        """

        def take_back(tx: Transaction) -> list[str]:
            return revert.revert(tx, self._row.chain, promotion_id)

        return self._change(take_back, operation_id, "revert", promotion_id)

    # -- what it opens -------------------------------------------------------------------------

    def conversation(self, id: str) -> Conversation:
        """A message history kept in this scope."""
        return Conversation(self._database, self._row, id)

    def conversations(self) -> list[str]:
        """The ids of the message histories kept in this scope, in order; empty ones are not kept."""
        with self._database.snapshot() as tx:
            overlay.check_alive(tx, self._row.chain)
            return conversation_records.ids(tx, self._row.id)

    def checkpoints(self) -> Checkpoints:
        """The states of conversations that agents saved in this scope."""
        return Checkpoints(self._database, self._row)

    def workspace(self) -> WorkspaceBackend:
        """This scope as a pydantic-ai workspace backend (pydantic-deep 0.3.45 and later)."""
        # By name, since the adapter stands on this module: users need not know where it lives.
        adapter = import_module("pydantic_hivemind.adapters.pydantic_ai.scope_workspace")
        return cast("WorkspaceBackend", adapter.ScopeWorkspace(self))

    # -- helpers -------------------------------------------------------------------------------

    def _child(self, row: ScopeRow) -> Scope:
        return self._handle(row, (row.name, *self._names))

    def _handle(self, row: ScopeRow, names: tuple[str, ...]) -> Scope:
        return Scope(self._database, self._mounts, self._finder, row, names)

    def _change(self, work: Callable[[Transaction], Result], operation_id: str | None, *arguments: object) -> Result:
        """Do some work in one transaction, or return what its operation id did before."""
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            outcome = idempotency.once(tx, self._row.id, operation_id, arguments, lambda: work(tx))
        self._finder.touched(self._row.chain)
        return outcome

    def _put(
        self,
        tx: Transaction,
        path: str,
        data: bytes,
        cause: Cause,
        *,
        view: View | None = None,
        tags: str | Sequence[str] | None = None,
        expected_version: int | None = None,
    ) -> Stat:
        view = view or overlay.entry(tx, self._row.chain, path)
        head = files.put(tx, self._row.chain, view, path, data, cause, tags=tags, expected_version=expected_version)
        return self._stat_of(head)
