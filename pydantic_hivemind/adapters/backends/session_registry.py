"""The sessions that are open in a process: made once for each id, counted, and ended when nobody is in them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import RLock

from pydantic_ai_backends.backends.docker.session import SessionLimitExceeded

from pydantic_hivemind.adapters.backends.session import Session
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.errors import HivemindError

_log = logging.getLogger(__name__)


@dataclass
class _Place:
    """What is known of an id.

    Attributes:
        lock: One change at a time.
        callers: Calls that are under way.
        session: The open session.
        takers: Calls that it was returned to.
        blocks: Blocks that are in it.
        by_block: Whether a block opened it, and so ends it.
    """

    lock: RLock = field(default_factory=RLock)
    callers: int = 0
    session: Session | None = None
    takers: int = 0
    blocks: int = 0
    by_block: bool = False


class SessionRegistry:
    """The open sessions of a `SessionManager`. Its methods wait for the store, and are called on threads.

    Args:
        limit: Most open sessions.
        in_use: Tells whether the session of an id has something under way, and so is not idle.
    """

    def __init__(self, limit: int | None, in_use: Callable[[str], bool] | None) -> None:
        self._limit = limit
        self._in_use = in_use
        self._places: dict[str, _Place] = {}
        self._starting: set[str] = set()
        self._lock = Lock()

    def sessions(self) -> dict[str, Session]:
        """Return the open sessions by id."""
        with self._lock:
            return {id: place.session for id, place in self._places.items() if place.session is not None}

    def open(self, id: str, make: Callable[[], Session], *, block: bool) -> Session:
        """Return the open session of an id, or start one.

        Args:
            id: Id of the session.
            make: Makes a session that is not started.
            block: Whether it is for a block that `leave` ends.

        Raises:
            SessionLimitExceeded: Too many sessions are open.
            HivemindError: The session could not be started.
        """
        with self._place(id) as place:
            if place.session is not None:
                if place.session.is_alive():
                    place.session.touch()
                else:
                    place.session = None
            if place.session is None:
                place.session = self._start(id, make)
                place.takers, place.blocks, place.by_block = 0, 0, block
            place.takers += 1
            place.blocks += block
            return place.session

    def undo_open(self, id: str, session: Session, *, block: bool) -> None:
        """Take back a call of `open` whose outcome nobody got; the session ends if nobody else has it.

        Args:
            id: Id of the session.
            session: The session.
            block: As it was passed to `open`.

        Raises:
            StoreError: The store failed.
        """
        with self._place(id) as place:
            if place.session is session:
                place.takers -= 1
                place.blocks -= block
                if place.takers == 0:
                    place.session = None
                    session.undo_start()

    def close(self, id: str, closed: list[str]) -> bool:
        """End a session, and return whether it was open. If that fails it stays open.

        Args:
            id: Id of the session.
            closed: The id is added to it.

        Raises:
            PromotionConflict: It is to be promoted, and both sides changed the same lines.
            StoreError: The store failed.
        """
        with self._place(id) as place:
            return self._end(place, id, closed)

    def leave(self, id: str, session: Session, closed: list[str], *, failed: bool) -> None:
        """End a block. The last one that leaves ends the session if a block opened it.

        Args:
            id: Id of the session.
            session: The session of the block.
            closed: The id is added to it if the session ended.
            failed: Whether the block raised.

        Raises:
            PromotionConflict: It is to be promoted, and both sides changed the same lines.
            StoreError: The store failed.
        """
        with self._place(id) as place:
            if place.session is not session:
                return
            place.blocks -= 1
            if place.blocks == 0 and place.by_block:
                self._end(place, id, closed, failed=failed)

    def close_idle(self, max_idle: float | None, closed: list[str]) -> None:
        """End the sessions that nobody is in and nobody has used for too long.

        Args:
            max_idle: Seconds without use; if omitted, the idle timeout of each session.
            closed: Their ids are added to it.
        """
        for id, session in self.sessions().items():
            if self._is_idle(id, session, max_idle):
                # Looked at again with the lock: somebody may have come meanwhile.
                with self._place(id) as place:
                    if place.session is session and not place.blocks and self._is_idle(id, session, max_idle):
                        self._try_to_end(place, id, closed)

    def close_all(self, closed: list[str]) -> list[Callable[[], None]]:
        """Return what ends each of the open sessions.

        Args:
            closed: The ids of those that ended are added to it.
        """

        def end(id: str) -> None:
            with self._place(id) as place:
                self._try_to_end(place, id, closed)

        return [partial(end, id) for id in self.sessions()]

    def renew_busy(self) -> None:
        """Renew the sessions that somebody is in, which may be idle and still be needed."""
        for id, session in self.sessions().items():
            with self._lock:
                place = self._places.get(id)
                is_busy = place is not None and place.blocks > 0
            if is_busy or self._is_used(id):
                # One that is gone says so to its next use.
                with suppress(HivemindError):
                    session.renew()

    def _start(self, id: str, make: Callable[[], Session]) -> Session:
        with self._lock:
            count = sum(place.session is not None for place in self._places.values()) + len(self._starting)
            if self._limit is not None and count >= self._limit:
                raise SessionLimitExceeded(self._limit)
            self._starting.add(id)
        try:
            session = make()
            session.start()
            return session
        finally:
            with self._lock:
                self._starting.discard(id)

    def _end(self, place: _Place, id: str, closed: list[str], *, failed: bool = False) -> bool:
        session = place.session
        if session is None:
            return False
        session.end(failed=failed)
        place.session = None
        closed.append(id)
        return True

    def _try_to_end(self, place: _Place, id: str, closed: list[str]) -> None:
        try:
            self._end(place, id, closed)
        except HivemindError:
            _log.exception("a session could not be ended, and stays open")

    def _is_idle(self, id: str, session: Session, max_idle: float | None) -> bool:
        limit = session.idle_timeout if max_idle is None else max_idle
        return not self._is_used(id) and time.time() - session.last_activity > limit

    def _is_used(self, id: str) -> bool:
        return self._in_use is not None and self._in_use(id)

    @contextmanager
    def _place(self, id: str) -> Generator[_Place]:
        with self._lock:
            place = self._places.setdefault(id, _Place())
            place.callers += 1
        try:
            with place.lock:
                yield place
        finally:
            with self._lock:
                place.callers -= 1
                if place.callers == 0 and place.session is None:
                    del self._places[id]
