"""`Interruption`: stops the database work of a call from another thread, when nobody awaits the call any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar


class Interrupted(BaseException):
    """A call was interrupted and its transaction rolled back. Error handlers must not handle it."""


class Interruption:
    """An interruption request for one call. Whoever began a transaction in the call ends it then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: list[Callable[[], None]] = []
        self.requested = False

    def request(self) -> None:
        """Stop the running statement, and prevent any further one. May wait for a network."""
        with self._lock:
            self.requested = True
            for stop in self._under_way:
                stop()

    def check(self) -> None:
        """Raise `Interrupted` if an interruption was requested."""
        if self.requested:
            raise Interrupted

    def begin(self, stop: Callable[[], None]) -> None:
        """Register `stop` to be called on request, until `end`.

        Raises:
            Interrupted: An interruption was requested before.
        """
        with self._lock:
            self.check()
            self._under_way.append(stop)

    def end(self, stop: Callable[[], None]) -> None:
        """Unregister `stop`, after a call of it that has begun."""
        with self._lock:
            if stop in self._under_way:
                self._under_way.remove(stop)


interruption: ContextVar[Interruption | None] = ContextVar("pydantic_hivemind.interruption", default=None)
"""The interruption of the current call in this context; `None` for a call that is not awaited."""
