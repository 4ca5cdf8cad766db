"""`Worker`: a background thread that does not keep the process from ending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread, current_thread

from pydantic_hivemind.base.fork_safety import Lock

_log = logging.getLogger("pydantic_hivemind")


class Worker:
    """A thread that executes tasks one after the other. Long tasks must check `stopping`.

    It is not a `ThreadPoolExecutor`, for whose tasks the process waits at its end without telling them to stop.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def submit(self, work: Callable[[], object]) -> None:
        """Queue a task, unless the worker is stopping."""
        self._queue.put(work)
        with self._starting, suppress(RuntimeError):  # the interpreter is about to end
            if self._thread is None and not self.stopping:
                thread = Thread(target=self._run, name="hivemind-index", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """Wait for the current task, and start no other."""
        with self._starting:
            self.stopping = True
            thread = self._thread
        self._queue.put(None)
        if thread is not None and thread is not current_thread():
            thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None and not self.stopping:
            _attempt(work)


def _attempt(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - nobody else would hear of it
        _log.exception("indexing in the background failed")
