"""`Interruption`: ends what a call does in the database from another thread, when nobody awaits it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar


class Interrupted(BaseException):
    """A call was interrupted; its transaction is undone. No handler of errors is to take it for one."""


class Interruption:
    """Can be requested once, at any moment of a call. Whoever began a transaction in the call ends it then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: list[Callable[[], None]] = []
        self.requested = False

    def request(self) -> None:
        """Stop the statement that is running, and let no other one begin. May wait for a network."""
        with self._lock:
            self.requested = True
            for stop in self._under_way:
                stop()

    def check(self) -> None:
        """Raise `Interrupted` if it was requested."""
        if self.requested:
            raise Interrupted

    def begin(self, stop: Callable[[], None]) -> None:
        """Have `stop` called on request, until `end`. Raises `Interrupted` if it was requested before."""
        with self._lock:
            self.check()
            self._under_way.append(stop)

    def end(self, stop: Callable[[], None]) -> None:
        """From here on `stop` is not called, and a call of it that had begun is over."""
        with self._lock:
            if stop in self._under_way:
                self._under_way.remove(stop)


interruption: ContextVar[Interruption | None] = ContextVar("pydantic_hivemind.interruption", default=None)
"""That of the call under way in this context; `None` for a call that is not awaited."""
