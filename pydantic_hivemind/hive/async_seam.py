"""Where asynchronous callers meet the synchronous core: what runs on the event loop, what on a thread, and how it ends.

Everything of this package that is awaited goes through `on_thread`, or through methods that `awaited` makes:

- It runs on one of a bounded number of threads. Reads that take no time have threads of their own, so that they do not
  wait for calls that do, and a call that is made by another call's thread waits for no thread.
- A read of bounded size runs on the event loop itself where the engine of the ledger says that it waits for nobody.
- Cancelled, a call that has not begun never does. One that has is interrupted, and its task waits until its transaction
  was undone or committed: when the cancellation comes out, nothing is under way and nothing is held.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from typing import Any, Concatenate, Literal, Protocol, TypeVar

from anyio import CancelScope
from typing_extensions import ParamSpec

from pydantic_hivemind.base import fork_safety
from pydantic_hivemind.ledger.engine.interruption import Interrupted, Interruption, interruption

THREADS = 32
"""Most calls at a time in a process, of those that may take long: writes, searches, lists. Each has a connection while
its transaction lasts, of which a PostgreSQL server allows a hundred."""

QUICK_THREADS = 8
"""Most reads at a time beside them that take no time of their own."""

LARGE_THREADS = 2
"""Most calls at a time that have much in memory. The allocator keeps for a thread what it freed: were they done by any
thread, each would come to keep as much."""

Threads = Literal["any", "quick", "large"]
"""Which threads a call is done by."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Face = TypeVar("Face")
Sync_co = TypeVar("Sync_co", covariant=True)


class AsyncFace(Protocol[Sync_co]):
    """An object with the methods of a synchronous one, to be awaited."""

    @property
    def sync(self) -> Sync_co:
        """The synchronous object."""
        ...


async def on_thread(work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function on a thread, in a copy of this context.

    Raises:
        asyncio.CancelledError: The task was cancelled. The function never began, or its transactions are over.
    """
    return await perform(partial(work, *args, **kwargs))


async def perform(
    work: Callable[[], Result],
    *,
    threads: Threads = "any",
    interruptible: bool = True,
    undo: Callable[[Result], object] | None = None,
) -> Result:
    """Do some work on a thread, as `on_thread`.

    Args:
        work: The work.
        threads: `quick` for a read that takes no time of its own, `large` for what has much in memory.
        interruptible: Whether its transactions are to be undone when the task is cancelled. If not, the task waits
            until the work is done.
        undo: Called on a thread with the outcome of work that was done although the task was cancelled.
    """
    call = Interruption()
    future = _pools.submit(partial(_run, work, call if interruptible else None), threads=threads)
    done = asyncio.wrap_future(future)
    try:
        # Unlike `await done`, it leaves the future alone when the task is cancelled.
        await asyncio.wait((done,))
    except asyncio.CancelledError:
        if not future.cancel():
            # Anyio delivers a cancellation again and again until it comes out.
            with CancelScope(shield=True):
                await _stopped(call if interruptible else None, done, undo)
        raise
    return done.result()


async def complete(*works: Callable[[], Result]) -> list[Result]:
    """Do some work on threads to its end, whatever becomes of this task: a cancellation comes out after that.

    It is done even where every task of the event loop is cancelled, as at the end of `asyncio.run`.

    Raises:
        BaseException: What the first work that failed raised, after all of it ended.
    """
    done = [asyncio.wrap_future(_pools.submit(partial(_run, work, None), threads="any")) for work in works]
    try:
        await asyncio.wait(done)
    except asyncio.CancelledError:
        with CancelScope(shield=True):
            for each in done:
                await _over(each)
        raise
    failed = [error for each in done if (error := each.exception()) is not None]
    if failed:
        raise failed[0]
    return [each.result() for each in done]


async def _stopped(
    call: Interruption | None, done: asyncio.Future[Result], undo: Callable[[Result], object] | None
) -> None:
    """Wait until work that nobody wants any more is over, and undo what it did."""
    if call is not None:
        # On a thread of its own: it may wait for a network, and there may be no other to be had.
        await _over(asyncio.wrap_future(_on_new_thread(call.request)))
    await _over(done)
    if undo is not None and not done.cancelled() and done.exception() is None:
        await _over(asyncio.wrap_future(_on_new_thread(partial(undo, done.result()))))


async def _over(done: asyncio.Future[Any]) -> None:
    """Wait for something, however often the task is cancelled meanwhile; how it ended is of no interest."""
    while not done.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((done,))
    if not done.cancelled():
        done.exception()  # Or asyncio complains that nobody has looked at it.


# -- threads -----------------------------------------------------------------------------------

_is_on_thread: ContextVar[bool] = ContextVar("pydantic_hivemind.is_on_thread", default=False)
"""Whether this runs on a thread of a call, or for one: in a coroutine that the thread waits for."""


def _run(work: Callable[[], Result], call: Interruption | None) -> Result:
    """Runs on a thread, in a context of its own."""
    _is_on_thread.set(True)
    interruption.set(call)
    return work()


class _Pools:
    """The threads of a process."""

    def __init__(self) -> None:
        self.renew()
        fork_safety.around(_nothing, _nothing, self.renew)

    def renew(self) -> None:
        """Begin anew: a forked child has none of the parent's threads."""
        self._pools: dict[Threads, ThreadPoolExecutor] = {
            "any": ThreadPoolExecutor(THREADS, thread_name_prefix="hivemind"),
            "quick": ThreadPoolExecutor(QUICK_THREADS, thread_name_prefix="hivemind-quick"),
            "large": ThreadPoolExecutor(LARGE_THREADS, thread_name_prefix="hivemind-large"),
        }

    def submit(self, work: Callable[[], Result], *, threads: Threads) -> Future[Result]:
        """Do some work in a copy of this context when there is a thread for it."""
        work = partial(copy_context().run, work)
        if _is_on_thread.get():
            # The thread that it is done for waits for it, and may be the last one.
            return _on_new_thread(work)
        return self._pools[threads].submit(work)


def _on_new_thread(work: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            future.set_exception(error)

    threading.Thread(target=run, name="hivemind-nested", daemon=True).start()
    return future


def _nothing() -> None:
    """Before a fork and in the parent there is nothing to do."""


_pools = _Pools()


# -- methods -----------------------------------------------------------------------------------


def awaited(
    method: Callable[Concatenate[Any, Arguments], Result],
    *,
    on_loop: Callable[Concatenate[Any, Arguments], bool] | None = None,
    interruptible: bool = True,
    undo: Callable[[Result], object] | None = None,
) -> Callable[Concatenate[AsyncFace[Any], Arguments], Coroutine[Any, Any, Result]]:
    """A method of a synchronous object as one that is awaited, with the same arguments and the same outcome.

    Args:
        method: The method.
        on_loop: For a read of bounded size: whether the engine lets this one run on the event loop.
        interruptible: As for `perform`.
        undo: As for `perform`.
    """

    @wraps(method)
    async def call(self: AsyncFace[Any], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if on_loop is not None and on_loop(self.sync, *args, **kwargs):
            return method(self.sync, *args, **kwargs)
        work = partial(method, self.sync, *args, **kwargs)
        return await perform(
            work, threads="any" if on_loop is None else "quick", interruptible=interruptible, undo=undo
        )

    return call


def handing_out(
    face: Callable[[Result], Face],
    method: Callable[Concatenate[Any, Arguments], Result],
    *,
    undo: Callable[[Result], object] | None = None,
) -> Callable[Concatenate[AsyncFace[Any], Arguments], Coroutine[Any, Any, Face]]:
    """As `awaited`, for a method whose outcome is to be awaited too.

    Args:
        face: Makes what is to be handed out.
        method: The method.
        undo: As for `perform`.
    """
    inner = awaited(method, undo=undo)

    @wraps(method)
    async def call(self: AsyncFace[Any], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Face:
        return face(await inner(self, *args, **kwargs))

    return call


__all__ = ["AsyncFace", "Interrupted", "awaited", "complete", "handing_out", "on_thread", "perform"]
