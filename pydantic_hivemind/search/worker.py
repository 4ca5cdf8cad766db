"""`Worker`: a thread for what may be done later, which keeps no process from ending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread, current_thread

from pydantic_hivemind.base.fork_safety import Lock

_log = logging.getLogger("pydantic_hivemind")


class Worker:
    """Does one thing after the other. What takes long is to end soon once it is `stopping`.

    Not a `ThreadPoolExecutor`, for whose work the end of the process waits without telling it to stop.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._starting = Lock()

    def submit(self, work: Callable[[], object]) -> None:
        """Do something after all that was submitted before, unless it is stopping."""
        self._queue.put(work)
        with self._starting, suppress(RuntimeError):  # the interpreter is about to end
            if self._thread is None and not self.stopping:
                thread = Thread(target=self._run, name="hivemind-index", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """Wait for what it is at, and begin nothing else."""
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
