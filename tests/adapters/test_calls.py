"""Tool calls that run side by side: each writes from what it has read itself."""

import asyncio
import gc
import weakref

import pytest
from pydantic_ai import Agent
from read_modify_write_agent import scripted

from pydantic_hivemind import HivemindBackend, Scope
from pydantic_hivemind.adapters.backends.async_backend import AsyncBackend


def in_run(work):
    """Do something in a tool of a run."""

    async def tool() -> str:
        await work()
        return "ok"

    asyncio.run(Agent(scripted([("tool", {})]), tools=[tool]).run("go"))


@pytest.mark.parametrize("adapted", [False, True], ids=["on a thread", "through an adapter"])
def test_a_call_is_not_taken_for_another(scope: Scope, adapted: bool) -> None:
    """By its lines the late content looks as if made from the newest version; it was made from the first."""
    scope.write_text("/f", "a\n")
    backend = HivemindBackend(scope)
    adapter = AsyncBackend(backend)
    answers = {}

    async def read() -> bytes:
        return await (adapter.read_bytes("/f") if adapted else asyncio.to_thread(backend.read_bytes, "/f"))

    async def write(data: bytes):
        return await (adapter.write("/f", data) if adapted else asyncio.to_thread(backend.write, "/f", data))

    async def work() -> None:
        has_read, has_written = asyncio.Event(), asyncio.Event()

        async def late() -> None:
            await read()
            has_read.set()
            await has_written.wait()
            answers["late"] = await write(b"z\n")

        async def early() -> None:
            await has_read.wait()
            await read()
            answers["early"] = await write(b"a\nz\n")

        async def reader() -> None:
            await early()
            await asyncio.create_task(read())
            has_written.set()

        await asyncio.gather(late(), reader())

    in_run(work)
    assert answers["early"].error is None
    assert "read it again" in answers["late"].error
    assert scope.read_text("/f") == "a\nz\n"


def test_calls_that_are_over_are_not_kept(scope: Scope) -> None:
    scope.write_text("/f", "a\n")
    backend = HivemindBackend(scope)
    tasks = []

    async def work() -> None:
        task = asyncio.create_task(asyncio.to_thread(backend.read_bytes, "/f"))
        await task
        tasks.append(weakref.ref(task))

    in_run(work)
    gc.collect()
    assert tasks[0]() is None
