"""`WriteQueue`: the queue in which threads wait to write, before one of them waits for other processes."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType

from pydantic_hivemind.errors import StoreBusy
from pydantic_hivemind.ledger.engine.interruption import interruption

LOOK_SECONDS = 0.05
"""Interval in seconds at which a waiting call checks whether it was cancelled."""


class WriteQueue:
    """A queue that admits one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def within(self, seconds: float | None) -> Turn:
        """Return a context manager that waits at most that many seconds; without a limit if `None`."""
        return Turn(self._lock, seconds)


class Turn:
    """The exclusive use of the queue by this thread."""

    __slots__ = ("_lock", "_seconds")

    def __init__(self, lock: threading.Lock, seconds: float | None) -> None:
        self._lock = lock
        self._seconds = seconds

    def __enter__(self) -> float | None:
        """Wait for the queue, and return the remaining seconds.

        Raises:
            StoreBusy: The time is over.
            Interrupted: The call was cancelled.
        """
        if self._lock.acquire(blocking=False):
            return self._seconds
        began = time.monotonic()
        if not self._acquire():
            raise StoreBusy("other writes held the store for too long; try again")
        return None if self._seconds is None else max(0.0, self._seconds - (time.monotonic() - began))

    def _acquire(self) -> bool:
        """Wait for the lock, and return whether it was acquired in time."""
        call = interruption.get()
        if call is None:
            return self._lock.acquire(timeout=-1 if self._seconds is None else self._seconds)
        ends = math.inf if self._seconds is None else time.monotonic() + self._seconds
        while not self._lock.acquire(timeout=min(LOOK_SECONDS, max(0.0, ends - time.monotonic()))):
            call.check()
            if time.monotonic() >= ends:
                return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
