"""Merging of concurrent changes for agent runs, which read a file, change it and write it back.

The tools of the ecosystem load a file, change the text and store it: two concurrent calls, in one run or in several,
would overwrite each other's change. So the reads of a run are recorded, and its writes are merged with concurrent
changes since then. Outside a run a write is a plain write.
"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, TypeVar

from typing_extensions import ParamSpec

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.line_ends import with_line_ends_of
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.text_content import REPLACED, encoding_of
from pydantic_hivemind.base.values import File, Stat
from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.utf8 import check_editable

if TYPE_CHECKING:
    from pydantic_ai import RunContext

try:
    # Private: a tool is told its run, but a backend that the tool calls is not.
    from pydantic_ai._run_context import get_current_run_context
except ImportError:
    warnings.warn(
        "This release of pydantic-ai does not expose the current run: when two calls change a file at "
        "once, the last one wins. Upgrade pydantic-hivemind, or use an earlier pydantic-ai.",
        RuntimeWarning,
        stacklevel=2,
    )

    def get_current_run_context() -> RunContext[Any] | None:
        """Nothing is known of runs."""
        return None


MAX_READS = 256
"""Maximum number of recorded reads: many more than the concurrent tool calls of one model response."""

MAX_BYTES = 8 * 2**20
"""Maximum total size of recorded reads, in bytes; the latest read is recorded whatever its size."""


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_asking: ContextVar[asyncio.Task[Any] | None] = ContextVar("pydantic_hivemind.asking", default=None)
"""The task for which a thread works."""


def for_caller(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function that works, on any thread, for the current task: each tool call is a task of its own."""
    task = _caller()

    def done_for_caller(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        before = _asking.set(task)
        try:
            return work(*args, **kwargs)
        finally:
            _asking.reset(before)

    return done_for_caller


class ForCaller(Generic[Arguments, Result]):
    """A descriptor for methods that work for the task in which they are looked up.

    The adapters of the ecosystem look methods up in the task of a tool call, and call them on a thread.
    """

    def __init__(self, method: Callable[Concatenate[Any, Arguments], Result]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, owner: object, kind: type | None = None) -> Callable[Arguments, Result]:
        """Return the method, bound to its owner and to the task."""
        method = self._method.__get__(owner, kind)
        return method if owner is None else for_caller(method)


@dataclass(frozen=True, eq=False)
class _Read:
    """A recorded read or write of a file: the run, step and call, and the content at that time."""

    run_id: str
    path: str
    step: int
    file: File | None
    call: weakref.ref[asyncio.Task[Any]] | None
    written: bool = False

    @property
    def data(self) -> bytes:
        return self.file.data if self.file is not None else b""

    @property
    def task(self) -> asyncio.Task[Any] | None:
        """The call that made it, while it is in progress."""
        task = self.call() if self.call is not None else None
        return None if task is None or task.done() else task


class RunReads:
    """Reads and writes whole files of a scope on behalf of agent runs. It is safe to use from any thread."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._reads: OrderedDict[_Read, None] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def read(self, path: str) -> File:
        """Read a file as `Scope.read`; a later write of the path in the run is assumed to be derived from it."""
        path = normalize(path)
        try:
            file = self.scope.read(path)
        except HivemindError:
            # A tool that could not read goes on as if there were nothing.
            self._remember(path, None)
            raise
        self._remember(path, file)
        return file

    def write(self, path: str, data: bytes) -> Stat:
        """Write a file as `Scope.write_bytes`, or as `Scope.merge` if the run has read the path since its last write.

        What a call makes of a text that it has read keeps the line ends: the tools of the ecosystem split a text at
        line feeds alone, and add lines without carriage returns.

        Raises:
            MergeConflict: The file changed in the same lines since the run read it.
            NotText: The text was made from a file that is not UTF-8, and has lost what could not be decoded.
        """
        path = normalize(path)
        read = self._take(path, data)
        if read is None:
            return self.scope.write_bytes(path, data)
        if read.task is not None and read.task is _caller():
            if REPLACED.encode() in data and encoding_of(data) == "utf-8" != encoding_of(read.data):
                self._add(read)
                check_editable(path, read.data)
            data = with_line_ends_of(read.data, data)
        try:
            stat = self.scope.merge(path, data, base=read.file)
        except HivemindError:
            # Nothing was written: trying again blindly must not succeed.
            self._add(read)
            raise
        self._remember(path, File(stat, data), written=True)
        return stat

    def changed(self, path: str) -> None:
        """Record that the run changed the path by other means: its reads in earlier steps are outdated."""
        run = _current_run()
        if run is not None:
            with self._lock:
                for read in self._reads_of(run[0], normalize(path)):
                    if read.written or read.step < run[1]:
                        self._forget(read)

    # -- what was read -------------------------------------------------------------------------

    def _remember(self, path: str, file: File | None, *, written: bool = False) -> None:
        run = _current_run()
        if run is not None:
            caller = _caller()
            self._add(_Read(run[0], path, run[1], file, None if caller is None else weakref.ref(caller), written))

    def _add(self, read: _Read) -> None:
        with self._lock:
            self._reads[read] = None
            self._size += len(read.data)
            while len(self._reads) > MAX_READS or (self._size > MAX_BYTES and len(self._reads) > 1):
                self._forget(next(iter(self._reads)))

    def _take(self, path: str, data: bytes) -> _Read | None:
        """The read that new content was made from: the call's own last one.

        Where it is not known which call this is, or it has read nothing: calls of one step run side by side.
        So each read is the base of one write, and among several it is the one that the content resembles most;
        on a tie the older one, for then a change is kept that might have been meant to be replaced, and none
        is lost.

        Without a read in this step it is what the run last read or wrote before; again what the content
        resembles most, for when two runs share their usage, steps seem to pass within a call. On a tie
        the later one, and what the content is equal to comes last: it is not written to change nothing.
        """
        run = _current_run()
        if run is None:
            return None
        with self._lock:
            reads = self._reads_of(run[0], path)
            caller = _caller()
            mine = [read for read in reads if caller is not None and read.task is caller]
            if mine:
                for read in mine:
                    self._forget(read)
                return mine[-1]
            now = [read for read in reads if read.step == run[1] and not read.written]
            if now:
                best = min(now, key=lambda read: _distance(read.data, data))
            else:
                last = max((read.step for read in reads if not read.written), default=0)
                known = [read for read in reversed(reads) if read.written or read.step == last]
                best = min(known, key=lambda read: (read.data == data, _distance(read.data, data)), default=None)
            for read in reads:
                used = best is not None and (read is best or read.written or read.step < best.step)
                # What another call has read for itself it will write from.
                if used and (caller is None or read.task is None):
                    self._forget(read)
            return best

    def _reads_of(self, run_id: str, path: str) -> list[_Read]:
        return [read for read in self._reads if read.path == path and read.run_id == run_id]

    def _forget(self, read: _Read) -> None:
        del self._reads[read]
        self._size -= len(read.data)


def _current_run() -> tuple[str, int] | None:
    """Return the id of the current agent run and the number of its step."""
    context = get_current_run_context()
    if context is None or context.run_id is None:
        return None
    # The ambient context is made when the run begins and keeps the `run_step` it began with.
    return context.run_id, context.usage.requests


def _caller() -> asyncio.Task[Any] | None:
    """Return the task for which this is executed."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return _asking.get()


def _distance(base: bytes, data: bytes) -> tuple[int, int]:
    """Return the number of lines removed from `base` and added to get `data`, without blank lines.

    Removals weigh more: appending a note to a file only adds lines to the version it was derived from, and replaces
    lines in any other.
    """
    before, after = _lines(base), _lines(data)
    return (before - after).total(), (after - before).total()


def _lines(data: bytes) -> Counter[bytes]:
    return Counter(line for line in map(bytes.strip, data.split(b"\n")) if line)
