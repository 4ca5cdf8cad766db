"""`AsyncHivemind`: the asynchronous face of `Hivemind`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial, wraps
from types import TracebackType
from typing import Any

from typing_extensions import ParamSpec

from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.async_seam import awaited, complete, handing_out, perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope

Arguments = ParamSpec("Arguments")


class Opening:
    """A hive that is being opened: `await` it, or use `async with`, which closes it at the end."""

    def __init__(self, open_hive: Callable[[], Hivemind]) -> None:
        self._open = open_hive
        self._hive: AsyncHivemind | None = None

    def __await__(self) -> Generator[Any, Any, AsyncHivemind]:
        return self._opened().__await__()

    async def __aenter__(self) -> AsyncHivemind:
        self._hive = await self._opened()
        return self._hive

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hive is not None:
            await self._hive.__aexit__(kind, error, trace)

    async def _opened(self) -> AsyncHivemind:
        return AsyncHivemind(await perform(self._open, undo=Hivemind.close))


def _opening(open_hive: Callable[Arguments, Hivemind]) -> Callable[Arguments, Opening]:
    @wraps(open_hive)
    def make(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Opening:
        return Opening(partial(open_hive, *args, **kwargs))

    return make


def sync_hive(hive: Hivemind | AsyncHivemind) -> Hivemind:
    """A hive for code that does not await, from either."""
    return hive.sync if isinstance(hive, AsyncHivemind) else hive


class AsyncHivemind:
    """A `Hivemind` for asynchronous code: `hive = await AsyncHivemind.open("./hivemind")`.

    Its methods are those of `Hivemind` with the same arguments and errors, each awaited, and return `AsyncScope`s. Open
    it once per process and share it: it is safe to use from any task and any event loop.

    Args:
        hive: An open hive to wrap.
    """

    def __init__(self, hive: Hivemind) -> None:
        self._sync = hive

    @property
    def sync(self) -> Hivemind:
        """The synchronous hive."""
        return self._sync

    open = staticmethod(_opening(Hivemind.open))
    connect = staticmethod(_opening(Hivemind.connect))
    register = staticmethod(Hivemind.register)

    async def __aenter__(self) -> AsyncHivemind:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await complete(self._sync.close)

    close = awaited(Hivemind.close, interruptible=False)
    scope = handing_out(AsyncScope, Hivemind.scope)
    get = handing_out(AsyncScope, Hivemind.get)
    create = handing_out(AsyncScope, Hivemind.create, undo=Scope.destroy)
    scopes = awaited(Hivemind.scopes)
    gc = awaited(Hivemind.gc, interruptible=False)
    doctor = awaited(Hivemind.doctor, interruptible=False)
    cleanup = awaited(Hivemind.cleanup)
    check = awaited(Hivemind.check)
    sweep = awaited(Hivemind.sweep, interruptible=False)
    compact = awaited(Hivemind.compact)
    size = awaited(Hivemind.size)
    reindex = awaited(Hivemind.reindex, interruptible=False)
