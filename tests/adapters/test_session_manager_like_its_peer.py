"""The manager of sessions behaves as that of pydantic-ai-backends."""

import asyncio
import time

import pydantic_ai_backends
import pytest

from pydantic_hivemind.adapters.backends.session_manager import SessionManager


class Sandbox:
    """What the manager of pydantic-ai-backends asks of a sandbox, and no more."""

    def __init__(self):
        self.running = False
        self.last_activity = time.time()

    def start(self):
        self.running = True

    def stop(self):
        self.running = False

    def is_alive(self):
        return self.running

    def touch(self):
        self.last_activity = time.time()


async def reuses(make, clock):
    manager = make()
    first, again, other = [await manager.get_or_create(id) for id in ("a", "a", "b")]
    return first is again, first is other, first.is_alive(), len(manager), sorted(manager.sessions), "a" in manager


async def releases(make, clock):
    released = []
    manager = make(on_release=released.append)
    session = await manager.get_or_create("a")
    outcomes = [await manager.release("a"), await manager.release("a"), await manager.release("never")]
    return outcomes, released, session.is_alive(), "a" in manager, manager.session_count


async def limits(make, clock):
    manager = make(max_sessions=2)
    await manager.get_or_create("a")
    await manager.get_or_create("b")
    with pytest.raises(RuntimeError) as caught:
        await manager.get_or_create("c")
    await manager.get_or_create("a")
    await manager.release("a")
    await manager.get_or_create("c")
    return type(caught.value), caught.value.limit, str(caught.value), sorted(manager.sessions)


async def replaces_the_dead(make, clock):
    manager = make()
    first = await manager.get_or_create("a")
    first.stop()
    second = await manager.get_or_create("a")
    return first is second, second.is_alive(), len(manager)


async def is_asked_at_once(make, clock):
    manager = make()
    sessions = await asyncio.gather(*(manager.get_or_create("a") for _ in range(8)))
    return len(set(map(id, sessions))), len(manager)


async def cleans_up(make, clock):
    released = []
    manager = make(default_idle_timeout=1, on_release=released.append)
    idle = await manager.get_or_create("idle")
    busy = await manager.get_or_create("busy")
    nobody = await manager.cleanup_idle()
    clock.forward(1.1)
    busy.touch()
    one = await manager.cleanup_idle()
    clock.forward(0.01)
    forced = await manager.cleanup_idle(max_idle=0)
    return nobody, one, forced, released, idle.is_alive(), busy.is_alive()


async def cleans_up_in_the_background(make, clock):
    released = asyncio.Event()
    manager = make(default_idle_timeout=1, on_release=lambda _: released.set())
    await manager.get_or_create("a")
    manager.start_cleanup_loop(interval=0.05)
    manager.start_cleanup_loop(interval=0.05)
    clock.forward(1.1)
    await released.wait()
    manager.stop_cleanup_loop()
    return len(manager)


async def shuts_down(make, clock):
    released = []
    manager = make(on_release=released.append)
    sessions = [await manager.get_or_create(id) for id in "abc"]
    manager.start_cleanup_loop()
    stopped = await manager.shutdown()
    return stopped, sorted(released), [session.is_alive() for session in sessions], len(manager)


@pytest.mark.parametrize(
    "scenario",
    [
        reuses,
        releases,
        limits,
        replaces_the_dead,
        is_asked_at_once,
        cleans_up,
        cleans_up_in_the_background,
        shuts_down,
    ],
)
def test_manager_behaves_as_that_of_pydantic_ai_backends(hive, scope, clock, scenario):
    async def theirs():
        return await scenario(
            lambda **options: pydantic_ai_backends.SessionManager(sandbox_factory=lambda _: Sandbox(), **options), clock
        )

    async def ours():
        return await scenario(lambda **options: SessionManager(hive, scope, **options), clock)

    assert asyncio.run(ours()) == asyncio.run(theirs())
