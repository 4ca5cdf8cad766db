"""`Session` and `SessionManager`: ephemeral scopes with the lifecycle of pydantic-ai-backends' sandboxes."""

from __future__ import annotations

import asyncio
import time
import uuid
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Any, TypedDict, cast

import pydantic_ai_backends
from pydantic_ai_backends.backends.docker.session import SessionLimitExceeded
from typing_extensions import Self, Unpack

from pydantic_hivemind.adapters.backends.run_reads import RunReads
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.scope_names import session_name
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.values import OnConflict, PromotionReport, ScopeInfo
from pydantic_hivemind.errors import ScopeExists, ScopeGone, ScopeNotFound, StoreError
from pydantic_hivemind.hive.async_hivemind import AsyncHivemind, sync_hive
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import finish, on_thread, perform
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.hivemind import Hivemind, remove_expired
from pydantic_hivemind.hive.internals import watched
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import IDLE_SECONDS

__all__ = ["Session", "SessionLimitExceeded", "SessionManager"]

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
    parent. After a crash it is removed when its ttl has passed; every use renews the ttl.

    Args:
        parent: The scope that it reads through to.
        session_id: Id of the session; generated if omitted. Two sessions of the same id and parent are the same
            session, in all processes.
        idle_timeout: Seconds without use after which it expires.
    """

    def __init__(
        self, parent: Scope | AsyncScope, session_id: str | None = None, *, idle_timeout: int = IDLE_SECONDS
    ) -> None:
        self.session_id = uuid.uuid4().hex if session_id is None else session_id
        self.idle_timeout = idle_timeout
        self.ttl = idle_timeout * (1 + RENEWAL)
        self.last_activity = time.time()
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
        return self.scope.promote(to, **options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await perform(self.start, undo=lambda _: self._undo_start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await finish(on_thread(self.stop))

    @property
    def _files(self) -> RunReads:
        if self._started is None:
            with self._starting:
                return self._started or self._start()
        return self._started

    def _start(self) -> RunReads:
        begun = self._attached_at = time.time()
        try:
            scope = self._parent.spawn(self.name, ttl=self.ttl)
            self._is_made_here = True
        except ScopeExists:
            scope = self._parent.spawn(self.name, ttl=self.ttl, attach=True)
        self._wrote_since(begun)
        self._renew_at = time.time() + self.idle_timeout * RENEWAL
        self._started = RunReads(watched(scope, partial(self._used, scope)))
        return self._started

    def _undo_start(self) -> None:
        """Nobody has it: end it, unless it is that of another process."""
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


class SessionManager(pydantic_ai_backends.SessionManager):
    """Creates, reuses and expires sessions under one scope, as pydantic-ai-backends' manager does with sandboxes.

    Args:
        hive: The store.
        parent: The scope, or its name, under which sessions are created and to which they are promoted.
        default_idle_timeout: Seconds without use after which a session expires.
        max_sessions: Maximum number of open sessions in this process; `get_or_create` raises `SessionLimitExceeded`
            beyond it.
        on_release: Called with the id of a session that was stopped.

    Raises:
        InvalidScope: The name of the parent is not valid.
        StoreError: The store failed.
    """

    def __init__(
        self,
        hive: Hivemind | AsyncHivemind,
        parent: Scope | AsyncScope | str,
        *,
        default_idle_timeout: int = IDLE_SECONDS,
        max_sessions: int | None = None,
        on_release: Callable[[str], None] | None = None,
    ) -> None:
        self._hive = sync_hive(hive)
        above = self._hive.scope(parent) if isinstance(parent, str) else sync_scope(parent)
        super().__init__(
            sandbox_factory=lambda session_id: Session(above, session_id, idle_timeout=default_idle_timeout),
            default_idle_timeout=default_idle_timeout,
            max_sessions=max_sessions,
            on_release=on_release,
        )
        # Calls under way by session, and the sessions that a call has returned.
        self._asking: Counter[str] = Counter()
        self._returned: weakref.WeakSet[Session] = weakref.WeakSet()

    async def get_or_create(self, session_id: str, runtime: Any = None) -> Session:
        """Return the session of that id: the one open here, one that another process created, or a new one.

        A task that is cancelled meanwhile leaves no session that was created for it.

        Args:
            session_id: Id of the session.
            runtime: Ignored; an argument of pydantic-ai-backends' manager.

        Raises:
            SessionLimitExceeded: Too many sessions are open in this process.
            InvalidScope: The session id is not a valid name, or the chain would be too long.
            ScopeExists: A scope of that name exists that is not a session of the parent.
            ScopeGone: The parent was destroyed.
            StoreError: The store failed.
        """
        try:
            session: Session = await self._counted(session_id, super().get_or_create(session_id, runtime))
        except asyncio.CancelledError:
            await finish(self._abandon(session_id))
            raise
        self._returned.add(session)
        return session

    async def _counted(self, session_id: str, call: Coroutine[Any, Any, Any]) -> Any:
        self._asking[session_id] += 1
        try:
            return await finish(call)
        finally:
            self._asking[session_id] -= 1
            self._asking += Counter()  # Without those of which there is none.

    async def _abandon(self, session_id: str) -> None:
        """Release a session that nobody has, and that nobody is about to get."""
        session: Session | None = self.sessions.get(session_id)
        if session is None or session in self._returned or self._asking[session_id] > 0:
            return
        if session.is_made_here:
            await self.release(session_id)
        else:
            # Private, as `release` would end what others use. Without it the session stays until it is idle.
            cast(dict[str, Any], getattr(self, "_sessions", {})).pop(session_id, None)

    @asynccontextmanager
    async def session(self, session_id: str | None = None) -> AsyncGenerator[Session]:
        """Open a session that is released when the block ends.

        Args:
            session_id: Id of the session; generated if omitted.

        Raises:
            SessionLimitExceeded: Too many sessions are open in this process.
            InvalidScope: The session id is not a valid name, or the chain would be too long.
            ScopeExists: A scope of that name exists that is not a session of the parent.
            ScopeGone: The parent was destroyed.
            StoreError: The store failed.
        """
        session = await self.get_or_create(uuid.uuid4().hex if session_id is None else session_id)
        try:
            yield session
        finally:
            await finish(self.release(session.session_id))

    async def promote(
        self, session_id: str, to: ScopeHandle | str | None = None, **options: Unpack[PromoteOptions]
    ) -> PromotionReport:
        """Promote an open session, as `Session.promote` does.

        Args:
            session_id: Id of the session.
            to: Another ancestor or its name; if omitted, the parent.
            options: The keyword arguments of `Scope.promote`.

        Raises:
            ScopeNotFound: No session of that id is open here, or `to` is not one of its ancestors.
            PromotionConflict: Both sides changed the same lines and `on_conflict` is `fail`.
            ScopeGone: The session was discarded, or its ttl has passed.
            StoreError: The store failed.
        """
        session: Session | None = self.sessions.get(session_id)
        if session is None:
            raise ScopeNotFound(f"no session {session_id!r} is open; get or create it first")
        return await on_thread(session.promote, to, **options)

    async def cleanup_idle(self, max_idle: int | None = None) -> int:
        """Release the sessions that no process has used for too long, and return how many of them were open here.

        This also removes the sessions of crashed processes.

        Args:
            max_idle: Seconds without use; if omitted, the idle timeout of each session.

        Raises:
            StoreError: The store failed.
        """
        await on_thread(self._look_around)
        return await super().cleanup_idle(max_idle)

    def _look_around(self) -> None:
        """Remove expired scopes, and note when other processes used the sessions that are open here."""
        remove_expired(self._hive)
        session: Session
        for session in self.sessions.values():
            # Not by its own scope, which takes every operation for a use.
            found = self._hive.scopes(prefix=session.name, limit=1)
            if found and found[0].name == session.name:
                session.note(found[0])
