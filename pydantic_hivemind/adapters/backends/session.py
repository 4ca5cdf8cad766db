"""`Session`: the backend of one run, an ephemeral scope that ends by promote or discard; and that of a user, kept."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Literal, TypedDict

from typing_extensions import Self, Unpack

from pydantic_hivemind.adapters.backends.run_reads import RunReads
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.scope_names import session_name
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.values import OnConflict, PromotionReport, ScopeInfo
from pydantic_hivemind.errors import ScopeExists, ScopeGone, StoreError
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import complete, perform
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.internals import watched
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import IDLE_SECONDS

OnEnd = Literal["keep", "promote", "discard"]
"""What becomes of a session's files when it ends: they stay, are merged into the parent, or are deleted."""

RENEWAL = 0.25
"""Fraction of the idle timeout after which a use is written to the ledger, so that few operations pay for it.

The ttl is longer by the same fraction: no session expires before it was idle for the whole timeout."""


class PromoteOptions(TypedDict, total=False):
    """The keyword arguments of `Scope.promote`."""

    tags: Sequence[str] | None
    paths: str | Sequence[str] | None
    also: str | Sequence[str] | None
    on_conflict: OnConflict
    dry_run: bool
    operation_id: str | None


class Session(HivemindBackend):
    """The backend of one run: a session under `parent`, ended by promote or discard.

    As a context manager, synchronous or not, it is discarded when the block ends; what was promoted stays in the
    parent. If a promotion left files behind, such as uploads, the session is not discarded but kept until its ttl has
    passed. After a crash it is removed when its ttl has passed; every use renews the ttl.

    Args:
        parent: The scope that it reads through to.
        session_id: Id of the session; generated if omitted. Two sessions of the same id and parent are the same
            session, in all processes.
        idle_timeout: Seconds without use after which it expires.
        on_end: What `end` and the end of a block do: `discard`, or `promote` unless the block raised.
    """

    def __init__(
        self,
        parent: Scope | AsyncScope,
        session_id: str | None = None,
        *,
        idle_timeout: int = IDLE_SECONDS,
        on_end: Literal["promote", "discard"] = "discard",
    ) -> None:
        self.session_id = uuid.uuid4().hex if session_id is None else session_id
        self.idle_timeout = idle_timeout
        self.ttl = idle_timeout * (1 + RENEWAL)
        self.last_activity = time.time()
        self.on_end: OnEnd = on_end
        self.report: PromotionReport | None = None
        """What the last promotion did."""
        self._parent = sync_scope(parent)
        self._is_made_here = False
        self._attached_at = 0.0
        self._renew_at = 0.0
        # Between these it ends, by what was last written here; without it another process wrote after that.
        self._ends = (0.0, 0.0)
        self._started: RunReads | None = None
        self._starting = Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r})"

    @property
    def name(self) -> str:
        """Name of the session's scope."""
        return session_name(self._parent.name, self.session_id)

    @property
    def is_made_here(self) -> bool:
        """Whether this object made its scope; if not it was there, as one that another process made."""
        return self._is_made_here

    def start(self) -> None:
        """Create the scope, or attach to it if another process has created it. The first use does so too.

        Raises:
            InvalidScope: The session id is not a valid name, or the chain would be too long.
            ScopeExists: A scope of that name exists that is not a session of the parent.
            ScopeGone: The parent was destroyed.
            StoreError: The store failed.
        """
        with self._starting:
            self._start()

    def stop(self) -> None:
        """Discard the session; does nothing if it was discarded already.

        Raises:
            StoreError: The store failed.
        """
        if self._started is not None:
            with suppress(ScopeGone):
                self.scope.destroy(cascade=True)

    def end(self, *, failed: bool = False) -> None:
        """End the session as `on_end` says; does nothing if it was not started or has ended.

        Where a promotion left files behind, the session is kept until its ttl has passed.

        Args:
            failed: Whether to discard it in any case.

        Raises:
            PromotionConflict: It is to be promoted, and both sides changed the same lines. The session goes on.
            StoreError: The store failed. The session goes on.
        """
        if self._started is None:
            return
        if not failed:
            with suppress(ScopeGone):
                if self.on_end == "promote":
                    self.promote()
                # Asked again, for there may be an upload since then.
                if self.report is not None and self.scope.diff().left_behind:
                    return
        self.stop()

    def is_alive(self) -> bool:
        """Return whether it was started and still exists. This counts as a use.

        Raises:
            StoreError: The store failed.
        """
        try:
            return self._started is not None and self.scope.stat("/").is_dir
        except ScopeGone:
            return False

    def touch(self, at: float | None = None) -> None:
        """Record a use, without waiting for the store.

        Args:
            at: Time of the use, in seconds since the epoch; if omitted, now.
        """
        self.last_activity = max(self.last_activity, time.time() if at is None else at)

    def note(self, info: ScopeInfo) -> None:
        """Update the time of the last use from what other processes wrote to the ledger.

        Args:
            info: The scope as listed by `Hivemind.scopes`.
        """
        if info.created_at < self._attached_at:
            self._touch_elsewhere(self._attached_at)
        self._note_end(info.expires_at)

    def promote(self, to: ScopeHandle | str | None = None, **options: Unpack[PromoteOptions]) -> PromotionReport:
        """Merge the session's changes into the parent, as `Scope.promote` does. The session stays open.

        Args:
            to: Another ancestor or its name; if omitted, the parent.
            options: The keyword arguments of `Scope.promote`.

        Raises:
            PromotionConflict: Both sides changed the same lines and `on_conflict` is `fail`.
            ScopeNotFound: `to` is not one of its ancestors.
            ScopeGone: The session was discarded, or its ttl has passed.
            StoreError: The store failed.
        """
        report = self.scope.promote(to, **options)
        if not report.dry_run:
            self.report = report
        return report

    def renew(self) -> None:
        """Record a use in the store, so that the session does not expire while nobody reads or writes in it.

        Raises:
            ScopeGone: The session was discarded, or its ttl has passed.
            StoreError: The store failed.
        """
        self.scope.renew(self.ttl)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(failed=kind is not None)

    async def __aenter__(self) -> Self:
        await perform(self.start, undo=lambda _: self.undo_start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await complete(partial(self.end, failed=kind is not None))

    @property
    def _files(self) -> RunReads:
        if self._started is None:
            with self._starting:
                return self._started or self._start()
        return self._started

    def _start(self) -> RunReads:
        begun = self._attached_at = time.time()
        scope = self._make()
        self._wrote_since(begun)
        self._renew_at = time.time() + self.idle_timeout * RENEWAL
        self._started = RunReads(watched(scope, partial(self._used, scope)))
        return self._started

    def _make(self) -> Scope:
        try:
            scope = self._parent.spawn(self.name, ttl=self.ttl)
            self._is_made_here = True
        except ScopeExists:
            scope = self._parent.spawn(self.name, ttl=self.ttl, attach=True)
        return scope

    def undo_start(self) -> None:
        """End a session that nobody got, unless it is that of another process.

        Raises:
            StoreError: The store failed.
        """
        if self._is_made_here:
            self.stop()

    def _used(self, scope: Scope) -> None:
        now = time.time()
        self.last_activity = now
        if now >= self._renew_at:
            self._renew_at = now + self.idle_timeout * RENEWAL
            # On a thread, for it is a write, and the caller may be a read on the event loop.
            Thread(target=self._renew, args=(scope,), name=f"renew {self.name}", daemon=True).start()

    def _renew(self, scope: Scope) -> None:
        # If it fails, a later use tries again, or finds the session gone and says so itself.
        with suppress(StoreError, ScopeGone):
            begun = time.time()
            self._note_end(scope.renew(self.ttl))
            self._wrote_since(begun)

    def _wrote_since(self, begun: float) -> None:
        self._ends = (begun + self.ttl, time.time() + self.ttl)

    def _note_end(self, expires_at: float | None) -> None:
        earliest, latest = self._ends
        if expires_at is not None and not earliest <= expires_at <= latest:
            self._touch_elsewhere(expires_at - self.ttl)

    def _touch_elsewhere(self, written: float) -> None:
        """Another process has written a use: it may have gone on until the next one would have been written."""
        self.touch(written + self.idle_timeout * RENEWAL)


class KeptSession(Session):
    """The backend of one user: a lasting scope under `parent`. It ends, but its files stay, whatever happens.

    `SessionManager` makes it. After `stop` the next use opens it again, so that who holds it can go on.

    Args:
        parent: The scope that it reads through to.
        session_id: Id of the session, such as the user's.
        lasting: Returns the lasting scope of a name under the parent, and makes it if needed.
        idle_timeout: Seconds without use after which a manager closes it.
    """

    def __init__(
        self,
        parent: Scope | AsyncScope,
        session_id: str,
        lasting: Callable[[str], Scope],
        *,
        idle_timeout: int = IDLE_SECONDS,
    ) -> None:
        super().__init__(parent, session_id, idle_timeout=idle_timeout)
        self.on_end = "keep"
        self._lasting = lasting

    def stop(self) -> None:
        """Close the session. Its files stay, and the next use opens it again."""
        self._started = None

    def end(self, *, failed: bool = False) -> None:  # noqa: ARG002 - what failed for one moment does not end a user
        """Close the session, as `stop` does.

        Args:
            failed: Makes no difference here.
        """
        self.stop()

    def renew(self) -> None:
        """Record a use. There is no ttl to renew."""
        self.touch()

    def note(self, info: ScopeInfo) -> None:
        """Do nothing: what other processes do with the user's files is unharmed when this one closes them.

        Args:
            info: The scope as listed by `Hivemind.scopes`.
        """

    def undo_start(self) -> None:
        """Close a session that nobody got."""
        self.stop()

    def _make(self) -> Scope:
        scope = self._lasting(self.name)
        if scope.info().expires_at is not None:
            # It was one that ends, of an earlier release or of another manager.
            scope.renew(None)
        return scope

    def _used(self, scope: Scope) -> None:  # noqa: ARG002 - it needs no renewal
        self.last_activity = time.time()
