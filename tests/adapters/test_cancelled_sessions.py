"""A task that is cancelled while it gets a session leaves none, at whatever moment that is."""

import asyncio
import threading

import anyio
import pytest

from pydantic_hivemind import Session, SessionManager
from pydantic_hivemind.adapters.backends.session_manager import SessionLimitExceeded

pytestmark = pytest.mark.anyio


@pytest.fixture
def user(hive):
    return hive.scope("user/ada")


def session_names(hive):
    return [scope.name for scope in hive.scopes() if scope.session]


class Paused:
    """`Scope.spawn`, which waits when the session is made."""

    def __init__(self, monkeypatch, user):
        spawn = type(user).spawn
        self.reached, self.go_on = threading.Event(), threading.Event()

        def pausing(scope, *args, **options):
            made = spawn(scope, *args, **options)
            self.reached.set()
            self.go_on.wait()
            return made

        monkeypatch.setattr(type(user), "spawn", pausing)

    async def cancel(self, *tasks):
        """Cancel tasks when the session of one is made, before they know."""
        while not self.reached.is_set():
            await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0.05)
        self.go_on.set()
        for task in tasks:
            with pytest.raises(asyncio.CancelledError):
                await task


@pytest.fixture
def paused(monkeypatch, user):
    return Paused(monkeypatch, user)


async def enter(entering):
    async with entering:
        raise AssertionError("it was cancelled before")


async def test_a_session(hive, user, paused):
    task = asyncio.create_task(enter(Session(user, "run")))
    await paused.cancel(task)
    assert session_names(hive) == []


async def test_a_session_of_another_process_stays(hive, user, paused):
    theirs = Session(user, "run")
    paused.go_on.set()
    theirs.start()
    paused.reached.clear()
    paused.go_on.clear()
    task = asyncio.create_task(enter(Session(user, "run")))
    await paused.cancel(task)
    assert session_names(hive) == [theirs.name]


async def test_a_managed_session(hive, user, paused):
    """Again and again: nothing is left that counts."""
    manager = SessionManager(hive, user, on_end="discard", max_sessions=1)
    for _ in range(3):
        await paused.cancel(asyncio.create_task(enter(manager.session())))
        assert (session_names(hive), manager.session_count) == ([], 0)
        paused.reached.clear()
        paused.go_on.clear()
    paused.go_on.set()
    async with manager.session() as session:
        assert session.write("/f", "text").error is None
        with pytest.raises(SessionLimitExceeded):
            await manager.get_or_create("another")


async def test_a_managed_session_under_a_timeout_of_anyio(hive, user, paused):
    manager = SessionManager(hive, user, on_end="discard", max_sessions=1)
    asyncio.get_running_loop().call_later(0.2, paused.go_on.set)
    with anyio.move_on_after(0.1):
        await enter(manager.session("run"))
    assert (session_names(hive), manager.session_count) == ([], 0)


async def test_one_of_two_that_ask_for_the_same_session(hive, user, paused):
    manager = SessionManager(hive, user, on_end="discard")
    one, other = (asyncio.create_task(manager.get_or_create("run")) for _ in range(2))
    await paused.cancel(one)
    session = await other
    assert session_names(hive) == [session.name]
    assert session.is_alive()


async def test_both_of_two_that_ask_for_the_same_session(hive, user, paused):
    manager = SessionManager(hive, user, on_end="discard")
    tasks = [asyncio.create_task(manager.get_or_create("run")) for _ in range(2)]
    await paused.cancel(*tasks)
    assert (session_names(hive), manager.session_count) == ([], 0)


async def test_a_managed_session_of_another_process_stays(hive, user, paused):
    paused.go_on.set()
    theirs = await SessionManager(hive, user, on_end="discard").get_or_create("run")
    paused.reached.clear()
    paused.go_on.clear()
    manager = SessionManager(hive, user, on_end="discard")
    await paused.cancel(asyncio.create_task(manager.get_or_create("run")))
    assert (session_names(hive), manager.session_count) == ([theirs.name], 0)


async def test_one_that_is_in_use_already_stays(hive, user):
    manager = SessionManager(hive, user, on_end="discard")
    session = await manager.get_or_create("run")
    task = asyncio.create_task(manager.get_or_create("run"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await manager.get_or_create("run") is session


async def test_the_end_of_a_session_is_not_cancelled(hive, user, monkeypatch):
    """However often, while it is released."""
    manager = SessionManager(hive, user, on_end="discard")
    entered, ending, go_on = asyncio.Event(), threading.Event(), threading.Event()
    stop = Session.stop

    def pausing(session):
        ending.set()
        go_on.wait()
        stop(session)

    monkeypatch.setattr(Session, "stop", pausing)

    async def work():
        async with manager.session("run"):
            entered.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    while not ending.is_set():
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.sleep(0.02)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (session_names(hive), manager.session_count) == ([], 0)


async def in_a_block(manager):
    async with manager.session("run") as session:
        session.write("/f", "text")


async def released(manager):
    await manager.get_or_create("run")
    await manager.release("run")


async def shut_down(manager):
    await manager.get_or_create("run")
    await manager.shutdown()


async def cleaned_up(manager):
    session = await manager.get_or_create("run")
    session.last_activity = 0
    await manager.cleanup_idle()


@pytest.mark.parametrize("work", [in_a_block, released, shut_down, cleaned_up])
@pytest.mark.parametrize("every_task", [False, True], ids=["the task", "every task"])
async def test_at_each_moment(hive, user, work, every_task):
    """As many sessions are open as the store has, and the next one can be had; also where a loop is ended by Ctrl-C."""
    for moment in range(24):
        manager = SessionManager(hive, user, on_end="discard", max_sessions=1)
        of_the_test = asyncio.all_tasks()
        task = asyncio.create_task(work(manager))
        for _ in range(moment):
            # Some of the moments are while a thread works.
            await asyncio.sleep(0 if moment % 2 else 0.0003)
        tasks = asyncio.all_tasks() - of_the_test if every_task else {task}
        for each in tasks:
            each.cancel()
        await asyncio.wait([task])
        assert len(session_names(hive)) == manager.session_count, moment
        await manager.release("run")
        async with manager.session():
            pass
        assert session_names(hive) == []
