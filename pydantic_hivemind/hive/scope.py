"""`Scope`: a named, isolated, writable tree over its parents."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from pydantic_hivemind.base.promotion_words import check_on_conflict
from pydantic_hivemind.base.values import ConversationInfo, OnConflict, PromotionReport, ScopeInfo
from pydantic_hivemind.errors import InvalidOption, InvalidScope, ScopeGone, ScopeNotFound
from pydantic_hivemind.hive.handle import KEEP, Keep, ScopeHandle, database_of, row_of
from pydantic_hivemind.hive.writer import ScopeWriter
from pydantic_hivemind.ledger import conversation_records, overlay, promotion_records, scope_listing, scopes
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.messages.checkpoints import Checkpoints
from pydantic_hivemind.messages.conversations import Conversation
from pydantic_hivemind.promotion import apply, proposals, revert
from pydantic_hivemind.promotion.plan import Rules
from pydantic_hivemind.promotion.proposals import Proposal
from pydantic_hivemind.promotion.selection import Selection

if TYPE_CHECKING:
    from pydantic_ai.workspaces import WorkspaceBackend


class Scope(ScopeWriter):
    """A handle of a scope: cheap to keep, and safe to use from any thread. Made by `Hivemind.scope` and `spawn`.

    Every operation raises `ScopeGone` once the scope is destroyed or its ttl has passed, `StoreClosed` once the hive is
    closed, and `StoreBusy` or `StoreUnreachable` if the database does not answer in time. Every change can also raise
    `StoreFull` or `StoreReadOnly`.

    Every change takes `operation_id`: a retry with the same id returns the first outcome instead of repeating the
    change, and the same id with other arguments raises `OperationConflict`. A change of one path takes
    `expected_version`: the change is made only if that is the visible version (0 means "no file").
    """

    __slots__ = ()

    @property
    def parent(self) -> Scope | None:
        """The scope that this one reads through to; `None` for a root."""
        if len(self._names) == 1:
            return None
        above = self._row.chain[1:]
        return self._handle(ScopeRow(above[0], self._names[1], above), self._names[1:])

    @property
    def children(self) -> tuple[Scope, ...]:
        """The scopes whose parent is this one, sorted by name."""
        with self._database.snapshot() as tx:
            overlay.check_alive(tx, self._row.chain)
            rows = scopes.children(tx, self._row.id)
        return tuple(self._child(row) for row in rows)

    def info(self) -> ScopeInfo:
        """Return what is known of the scope itself: its name, parent and lifetime.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.read() as tx:
            found = scope_listing.info(tx, self._row.id)
        if found is None:
            raise ScopeGone("the scope was destroyed or its ttl has run out")
        return found

    # -- its own life --------------------------------------------------------------------------

    def spawn(self, name: str | None = None, *, ttl: float | None = None, attach: bool = False) -> Scope:
        """Make a session: an ephemeral scope under this one.

        Args:
            name: Name of the session in the hive; generated if omitted.
            ttl: Seconds after which the session is removed. If omitted, it stays until `destroy`, even after a crash.
            attach: Return the session of that name if this scope has one already, and renew its ttl.

        Raises:
            InvalidScope: The name or the ttl is not valid, or the chain would be too long.
            ScopeExists: A scope of that name exists already.
        """
        name = f"run-{uuid.uuid4().hex}" if name is None else name
        scopes.check_name(name)
        with self._database.write(self._row.chain) as tx:
            row, purged = scopes.find_session(tx, self._row.id, name) if attach else None, []
            if row is None:
                row, purged = scopes.make(tx, name, self._row.chain, session=True, ttl=ttl)
            else:
                scopes.renew(tx, row, ttl)
        self._search_service.forget(purged)
        return self._child(row)

    def session(self, name: str) -> Scope:
        """Return the session of that name directly under this scope.

        Raises:
            ScopeNotFound: This scope has no such session.
        """
        with self._database.read() as tx:
            row = scopes.find_session(tx, self._row.id, name)
        if row is None:
            raise ScopeNotFound(f"this scope has no session {name!r}; make one with scope.spawn(name)")
        return self._child(row)

    def renew(self, ttl: float | None) -> float | None:
        """Set the remaining lifetime of the scope, and return when it would have expired before.

        A scope never outlives its parent.

        Args:
            ttl: Seconds from now; `None` removes the limit.

        Returns:
            The previous expiry in seconds since the epoch, or `None` if there was no limit.

        Raises:
            InvalidScope: The ttl is not valid.
        """
        with self._database.write(self._row.chain) as tx:
            return scopes.renew(tx, self._row, ttl)

    def move(self, *, name: str | None = None, parent: ScopeHandle | str | Keep | None = KEEP) -> None:
        """Rename the scope, or give it another parent; with everything in it and the scopes under it.

        Files, their history, conversations, checkpoints and tokens stay. This handle goes on; others of the scope, and
        of those under it, raise `ScopeGone` once the parent is another one: ask the hive for them again.

        Args:
            name: The new name; if omitted, it stays.
            parent: The scope to read through from now on, or its name; `None` makes the scope a root. If omitted, the
                parent stays.

        Raises:
            InvalidOption: Neither is given.
            ScopeExists: A scope of the new name exists already.
            ScopeNotFound: The parent does not exist.
            InvalidScope: The name is not valid, the parent is the scope itself, under it, or in another hive, or the
                chain would be too long.
        """
        if name is None and parent is KEEP:
            raise InvalidOption("pass the new name=, the new parent=, or both")
        if name is not None:
            scopes.check_name(name)
        if isinstance(parent, ScopeHandle) and database_of(parent) != self._database:
            raise InvalidScope(f"{parent.name!r} is a scope of another hive; pass one of this hive, or its name")
        # Moves go one after the other, or two could wait for each other's trees.
        with self._database.write() as tx:
            tx.join(self._row.chain)
            overlay.check_alive(tx, self._row.chain)
            above = self._above(tx, parent)
            tx.join(above)
            row, purged = scopes.move(tx, self._row, self.name if name is None else name, above)
            names = scopes.names(tx, row.chain)
        self._row, self._names = row, names
        self._search_service.forget(purged)

    def destroy(self, *, cascade: bool = False) -> None:
        """Remove the scope and everything in it permanently.

        Args:
            cascade: Whether to remove the scopes under it too.

        Raises:
            ScopeHasChildren: Other scopes read through it, and `cascade` is false.
        """
        with self._database.write(self._row.chain) as tx:
            destroyed = scopes.destroy(tx, self._row, cascade=cascade)
        self._search_service.forget(destroyed)

    # -- promotion -----------------------------------------------------------------------------

    def promote(
        self,
        to: ScopeHandle | str | None = None,
        *,
        tags: str | Sequence[str] | None = None,
        paths: str | Sequence[str] | None = None,
        also: str | Sequence[str] | None = None,
        on_conflict: OnConflict = "fail",
        dry_run: bool = False,
        operation_id: str | None = None,
        strategy: None = None,
    ) -> PromotionReport:
        """Merge this scope's own changes into its parent or another ancestor, all of them or none.

        Afterwards this scope reads the promoted paths through from the parent. The plan is computed without holding a
        lock, and a dry run never delays writes.

        What is under a mount with `promotes=False` (uploads, evicted tool results) stays in this scope, whatever `tags`
        and `paths` say, and the report names it; `also` takes it along. Operation logs of memory never travel.

        Args:
            to: The ancestor or its name; if omitted, the parent.
            tags: Promote only files that have one of these tags.
            paths: Promote only paths that match one of these globs, or are in one of these directories.
            also: Files and directories to take along of what a mount leaves behind, with everything in them. No globs.
            on_conflict: What to do where both sides changed the same lines: `fail` promotes nothing, `keep_target`
                keeps the ancestor's side, and `take_source` takes this scope's side.
            dry_run: Return the report and change nothing.
            operation_id: Makes a retry return the first report.
            strategy: Name of `on_conflict` in earlier versions; refused.

        Raises:
            PromotionConflict: Both sides changed the same lines and `on_conflict` is `fail`.
            ScopeNotFound: The scope has no parent, or `to` is not one of its ancestors.
            InvalidOption: `on_conflict` is not one of its values, or `strategy` is passed.
            InvalidTag: A tag is not text, or a merged file would have too many tags.
            InvalidPattern: One of `paths` is not a valid glob.
            InvalidPath: One of `also` is not a valid path.
            FileTooLarge: A merged file would exceed `MAX_FILE_BYTES`.
            OperationConflict: The operation id was used for something else.
        """
        check_on_conflict(on_conflict, strategy)
        level = self._level_of(to)
        rules = Rules(self._mounts, on_conflict, Selection.of(tags, paths, also))
        # Not the operation id: another scope may use the same one for its promotion.
        promotion = apply.Promotion(uuid.uuid4().hex, self._row, level, self._names[level], rules)
        if dry_run:
            return apply.preview(self._database, promotion)
        report = apply.promote(self._database, promotion, operation_id)
        self._search_service.touched(self._row.chain)
        self._search_service.touched(self._row.chain[level:])
        return report

    def propose(
        self,
        to: ScopeHandle | str | None = None,
        *,
        note: str | None = None,
        tags: str | Sequence[str] | None = None,
        paths: str | Sequence[str] | None = None,
        also: str | Sequence[str] | None = None,
        on_conflict: OnConflict = "fail",
        operation_id: str | None = None,
    ) -> Proposal:
        """Propose a promotion, which waits until somebody approves or rejects it; see `proposals`.

        Nothing is promoted yet, and this scope has to stay until then. A proposal may have conflicts: they are settled
        when it is approved.

        Args:
            to: The ancestor or its name; if omitted, the parent.
            note: What whoever decides should know.
            tags: As for `promote`.
            paths: As for `promote`.
            also: As for `promote`.
            on_conflict: As for `promote`; whoever approves it may choose otherwise.
            operation_id: Makes a retry return the first proposal.

        Raises:
            ScopeNotFound: The scope has no parent, or `to` is not one of its ancestors.
            ProposalConflict: Too many proposals of this scope are waiting.
            InvalidOption: `on_conflict` is not one of its values, or the note is too long.
            InvalidTag: A tag is not text.
            InvalidPattern: One of `paths` is not a valid glob.
            InvalidPath: One of `also` is not a valid path.
            OperationConflict: The operation id was used for something else.
        """
        check_on_conflict(on_conflict)
        level = self._level_of(to)
        rules = Rules(self._mounts, on_conflict, Selection.of(tags, paths, also))
        promotion = apply.Promotion(uuid.uuid4().hex, self._row, level, self._names[level], rules)
        return proposals.propose(self._proposals_place(), promotion, note, operation_id)

    def proposals(self, *, sent: bool = False, decided: bool = False, limit: int = 50) -> list[Proposal]:
        """Return the proposals to this scope that wait, newest first.

        Args:
            sent: Those that this scope made, instead of those to it.
            decided: Whether to return those that were decided on too.
            limit: Maximum number of proposals.

        Raises:
            InvalidOption: `limit` is less than 1.
        """
        if limit < 1:
            raise InvalidOption(f"`limit` must be a number of proposals, 1 or more, not {limit!r}")
        place = self._proposals_place()
        return proposals.listing(place, self._row, sent=sent, waiting=not decided, limit=min(limit, 2**31))

    def proposal(self, id: str) -> Proposal:
        """Return a proposal that was made to this scope, or that it made.

        Raises:
            ProposalNotFound: There is none of that id.
        """
        return proposals.find(self._proposals_place(), self._row, id)

    def revert(self, promotion_id: str, *, operation_id: str | None = None) -> list[str]:
        """Undo what a promotion did to this scope, all of it or nothing, and return the paths.

        A directory that the promotion created is kept while it has other content. A promotion that this scope made is
        undone in the ancestor that received it.

        Args:
            promotion_id: Id of the promotion, as in its report and in `history`.
            operation_id: Makes a retry safe.

        Raises:
            VersionNotFound: This scope received no such promotion, or not all of its versions are still kept.
            VersionConflict: One of the paths was changed since, or another entry is at its place.
            NotADirectory: A parent of one of the paths is a file now.
            OperationConflict: The operation id was used for something else.
        """

        def take_back(tx: Transaction) -> list[str]:
            overlay.check_alive(tx, self._row.chain)
            target = promotion_records.target_of(tx, self._row.id, promotion_id)
            level = self._row.chain.index(target) if target in self._row.chain else 0
            return revert.revert(tx, self._row.chain[level:], promotion_id)

        paths = self._change(take_back, operation_id, "revert", promotion_id)
        for level in range(1, len(self._row.chain)):
            self._search_service.touched(self._row.chain[level:])
        return paths

    # -- what it opens -------------------------------------------------------------------------

    def conversation(self, id: str) -> Conversation:
        """Return a message history of this scope; an unknown id is an empty one.

        Raises:
            CheckpointError: The id contains NUL or a lone surrogate.
        """
        return Conversation(self._database, self._row, id)

    def conversations(self) -> list[ConversationInfo]:
        """Return this scope's message histories that have messages or a title, sorted by id.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            rows = conversation_records.infos(tx, self._row.id)
        return [
            ConversationInfo(
                row.id, row.title, row.messages, row.updated_at, row.archived_at is not None, row.created_at
            )
            for row in rows
        ]

    def checkpoints(self, conversation: str | None = None) -> Checkpoints:
        """Return the saved states of a conversation in this scope; without an id, those that belong to none.

        Raises:
            CheckpointError: The id is empty, or contains NUL or a lone surrogate.
        """
        return Checkpoints(self._database, self._row, conversation)

    def workspace(self) -> WorkspaceBackend:
        """Return this scope as a pydantic-ai workspace backend.

        Raises:
            ImportError: pydantic-ai has no workspaces; install pydantic-deep 0.3.45 or later.
        """
        # By name, since the adapter stands on this module: users need not know where it lives.
        adapter = import_module("pydantic_hivemind.adapters.pydantic_ai.scope_workspace")
        return cast("WorkspaceBackend", adapter.ScopeWorkspace(self))

    # -- helpers -------------------------------------------------------------------------------

    def _above(self, tx: Transaction, parent: ScopeHandle | str | Keep | None) -> Chain:
        """Return the chain of the parent that the scope is to have."""
        if parent is KEEP:
            return self._row.chain[1:]
        if parent is None:
            return ()
        if isinstance(parent, ScopeHandle):
            return row_of(parent).chain
        row = scopes.find(tx, parent)
        if row is None:
            raise ScopeNotFound(f"scope {parent!r} does not exist; create it with hive.scope(name)")
        return row.chain

    def _proposals_place(self) -> proposals.Place:
        return proposals.Place(self._database, self._mounts, self._search_service.touched)

    def _child(self, row: ScopeRow) -> Scope:
        return self._handle(row, (row.name, *self._names))

    def _handle(self, row: ScopeRow, names: tuple[str, ...]) -> Scope:
        return Scope(self._database, self._mounts, self._search_service, row, names)
