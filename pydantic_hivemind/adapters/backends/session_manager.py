"""`SessionManager`: sessions by id, with the lifecycle of pydantic-ai-backends' sandboxes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pydantic_ai_backends
from pydantic_ai_backends.backends.docker.session import SessionLimitExceeded
from typing_extensions import Unpack

from pydantic_hivemind.adapters.backends.session import KeptSession, OnEnd, PromoteOptions, Session
from pydantic_hivemind.adapters.backends.session_registry import SessionRegistry
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.errors import HivemindError, InvalidOption, ScopeNotFound
from pydantic_hivemind.hive.async_hivemind import AsyncHivemind, sync_hive
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import complete, on_thread, perform
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.hivemind import Hivemind, remove_expired
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import IDLE_SECONDS

__all__ = ["OnEnd", "PromoteOptions", "Session", "SessionLimitExceeded", "SessionManager"]

INSTEAD = {
    "sandbox_factory": "files are in the hive, not in a sandbox; write `SessionManager(hive, parent)`, and for "
    "commands `HivemindBackend(scope, over=...)` up to pydantic-deep 0.3.44, `HivemindWorkspace(over=...)` later",
    "default_runtime": "no container is started; write `SessionManager(hive, parent)`",
    "workspace_root": "files are in the hive, not in a directory; write `SessionManager(hive, parent, on_end='keep')`, "
    "and keep that directory's files with `hivemind import DIR --workspace NAME`",
    "executor": "the hive has threads of its own; leave it out",
}
"""Arguments of pydantic-ai-backends' manager that have no meaning here, and what to write instead."""


class SessionManager(pydantic_ai_backends.SessionManager):
    """Creates, reuses and expires sessions under one scope, as pydantic-ai-backends' manager does with sandboxes.

    Users keep what they have, and runs do not: what `get_or_create` returned keeps its files when it is released, when
    it was idle, and at `shutdown`, as with that manager's `workspace_root`; what `session()` opened is discarded at the
    end of its block, except for what was promoted. `on_end` says otherwise for both.

    Args:
        hive: The store.
        parent: The scope, or its name, under which sessions are created and to which they are promoted.
        on_end: What becomes of sessions that end: `keep` them, `promote` them and discard the rest, or `discard` them.
            If omitted, `keep` for `get_or_create` and `discard` for `session()`.
        default_idle_timeout: Seconds without use after which a session is closed by `cleanup_idle`; one that is not
            kept expires then.
        max_sessions: Maximum number of open sessions in this process; `get_or_create` raises `SessionLimitExceeded`
            beyond it.
        on_release: Called with the id of a session that ended.
        in_use: Tells whether the session of an id has something under way; `cleanup_idle` leaves it alone.
        others: Other arguments of pydantic-ai-backends' manager, which are refused.

    Raises:
        InvalidOption: `on_end` is not one of its values, or another argument is passed that has no meaning here.
        InvalidScope: The name of the parent is not valid.
        StoreError: The store failed.
    """

    def __init__(
        self,
        hive: Hivemind | AsyncHivemind,
        parent: Scope | AsyncScope | str,
        *,
        on_end: OnEnd | None = None,
        default_idle_timeout: int = IDLE_SECONDS,
        max_sessions: int | None = None,
        on_release: Callable[[str], None] | None = None,
        in_use: Callable[[str], bool] | None = None,
        **others: Any,
    ) -> None:
        _refuse(others)
        _check(on_end)
        self._hive = sync_hive(hive)
        self._parent = self._hive.scope(parent) if isinstance(parent, str) else sync_scope(parent)
        super().__init__(default_idle_timeout=default_idle_timeout, max_sessions=max_sessions)
        self._on_end: OnEnd | None = on_end
        self._idle_timeout = default_idle_timeout
        self._released = on_release
        self._registry = SessionRegistry(max_sessions, in_use)

    @property
    def sessions(self) -> dict[str, Any]:
        """Copy of the open sessions."""
        return dict(self._registry.sessions())

    @property
    def session_count(self) -> int:
        """Number of open sessions."""
        return len(self)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._registry.sessions()

    def __len__(self) -> int:
        return len(self._registry.sessions())

    async def get_or_create(self, session_id: str, runtime: Any = None) -> Session:  # noqa: ARG002
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
        return await self._open(session_id, self._on_end or "keep", block=False)

    @asynccontextmanager
    async def session(self, session_id: str | None = None, *, on_end: OnEnd | None = None) -> AsyncGenerator[Session]:
        """Open a session that ends with the block: it is discarded, if neither this nor the manager has an `on_end`.

        A block that raises discards it, if it is not kept. A session that was open before, and a user's that was kept,
        stays as it is. While somebody is in a block, the session is not idle and does not expire.

        Args:
            session_id: Id of the session; generated if omitted.
            on_end: What becomes of this session.

        Raises:
            InvalidOption: `on_end` is not one of its values.
            SessionLimitExceeded: Too many sessions are open in this process.
            InvalidScope: The session id is not a valid name, or the chain would be too long.
            ScopeExists: A scope of that name exists that is not a session of the parent.
            ScopeGone: The parent was destroyed.
            PromotionConflict: It is to be promoted, and both sides changed the same lines. The session stays open.
            StoreError: The store failed.
        """
        _check(on_end)
        id = uuid.uuid4().hex if session_id is None else session_id
        session = await self._open(id, on_end or self._on_end or "discard", block=True)
        renewing = asyncio.create_task(_renew_now_and_then(session))
        failed = True
        try:
            yield session
            failed = False
        finally:
            renewing.cancel()
            closed: list[str] = []
            try:
                await complete(partial(self._registry.leave, id, session, closed, failed=failed))
            finally:
                self._tell(closed)

    async def release(self, session_id: str) -> bool:
        """End an open session, and return whether there was one. If it is kept, its files stay.

        Args:
            session_id: Id of the session.

        Raises:
            PromotionConflict: It is to be promoted, and both sides changed the same lines. The session stays open.
            StoreError: The store failed.
        """
        closed: list[str] = []
        try:
            return (await complete(partial(self._registry.close, session_id, closed)))[0]
        finally:
            self._tell(closed)

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
        session: Session | None = self._registry.sessions().get(session_id)
        if session is None:
            raise ScopeNotFound(f"no session {session_id!r} is open; get or create it first")
        return await on_thread(session.promote, to, **options)

    async def cleanup_idle(self, max_idle: int | None = None) -> int:
        """End the sessions that no process has used for too long, and return how many of them were open here.

        Sessions that somebody is in stay open: those of a block, and those that `in_use` names. This also removes the
        sessions of crashed processes, except for those that are kept.

        Args:
            max_idle: Seconds without use; if omitted, the idle timeout of each session.

        Raises:
            StoreError: The store failed.
        """
        await on_thread(self._look_around)
        closed: list[str] = []
        try:
            await complete(partial(self._registry.close_idle, max_idle, closed))
        finally:
            self._tell(closed)
        return len(closed)

    async def shutdown(self) -> int:
        """End every session and the cleanup loop, and return how many were open. The files of those kept stay.

        One that cannot be ended is logged, and is removed when its ttl has passed.
        """
        self.stop_cleanup_loop()
        closed: list[str] = []
        works = self._registry.close_all(closed)
        try:
            if works:
                await complete(*works)
        finally:
            self._tell(closed)
        return len(works)

    async def _open(self, session_id: str, on_end: OnEnd, *, block: bool) -> Session:
        return await perform(
            lambda: self._registry.open(session_id, lambda: self._make(session_id, on_end), block=block),
            interruptible=False,
            undo=lambda session: self._registry.undo_open(session_id, session, block=block),
        )

    def _make(self, session_id: str, on_end: OnEnd) -> Session:
        kept = KeptSession(
            self._parent,
            session_id,
            lambda name: self._hive.scope(name, self._parent),
            idle_timeout=self._idle_timeout,
        )
        if on_end == "keep" or self._is_kept(kept.name):
            return kept
        return Session(self._parent, session_id, idle_timeout=self._idle_timeout, on_end=on_end)

    def _is_kept(self, name: str) -> bool:
        with suppress(ScopeNotFound):
            info = self._hive.get(name).info()
            return not info.session or info.expires_at is None
        return False

    def _look_around(self) -> None:
        """Remove expired scopes, and note when other processes used the sessions that are open here."""
        self._registry.renew_busy()
        remove_expired(self._hive)
        for session in self._registry.sessions().values():
            # Not by its own scope, which takes every operation for a use.
            found = self._hive.scopes(prefix=session.name, limit=1)
            if found and found[0].name == session.name:
                session.note(found[0])

    def _tell(self, closed: list[str]) -> None:
        if self._released is not None:
            for id in closed:
                self._released(id)


async def _renew_now_and_then(session: Session) -> None:
    while True:
        await asyncio.sleep(session.idle_timeout / 2)
        # One that is gone says so to its next use; a store that fails is asked again.
        with suppress(HivemindError):
            await on_thread(session.renew)


def _check(on_end: OnEnd | None) -> None:
    if on_end not in (None, "keep", "promote", "discard"):
        raise InvalidOption(f"on_end must be 'keep', 'promote' or 'discard', not {on_end!r}")


def _refuse(others: Mapping[str, Any]) -> None:
    for name in others:
        if name not in INSTEAD:
            raise TypeError(f"SessionManager() got an unexpected keyword argument {name!r}")
        raise InvalidOption(f"SessionManager takes no {name}=: {INSTEAD[name]}")
