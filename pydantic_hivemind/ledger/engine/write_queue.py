"""`Line`: where threads wait for their turn to write, before one of them waits for other processes."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType

from pydantic_hivemind.errors import StoreBusy
from pydantic_hivemind.ledger.engine.interruption import interruption

LOOK_SECONDS = 0.05
"""Seconds after which a call that waits looks whether anybody still awaits it: so late its cancellation is at most."""


class Line:
    """Lets one thread through at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def within(self, seconds: float | None) -> Turn:
        """To be entered by one that waits so long at most; without an end if that is `None`."""
        return Turn(self._lock, seconds)


class Turn:
    """Entered, it is the turn of this thread; what is left of its time is then for other processes to take."""

    __slots__ = ("_lock", "_seconds")

    def __init__(self, lock: threading.Lock, seconds: float | None) -> None:
        self._lock = lock
        self._seconds = seconds

    def __enter__(self) -> float | None:
        """Seconds that are left; all of them for one that did not have to wait.

        Raises:
            StoreBusy: The time is over.
            Interrupted: Nobody awaits the call any more.
        """
        if self._lock.acquire(blocking=False):
            return self._seconds
        began = time.monotonic()
        if not self._acquire():
            raise StoreBusy("other writes held the store for too long; try again")
        return None if self._seconds is None else max(0.0, self._seconds - (time.monotonic() - began))

    def _acquire(self) -> bool:
        """Wait for the lock; whether it was to be had in time."""
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
