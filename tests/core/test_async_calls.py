"""What awaited calls do to the event loop, to each other, and when they are cancelled."""

import asyncio
import contextlib
import sqlite3
import threading
from functools import partial

import anyio
import pytest
from databases import connect

from pydantic_hivemind import AsyncScope, errors
from pydantic_hivemind.hive.async_seam import QUICK_THREADS, THREADS, on_thread, perform
from pydantic_hivemind.ledger.engine import postgresql
from pydantic_hivemind.ledger.engine.sqlite import BEGIN_WRITE, LEDGER_FILE

pytestmark = pytest.mark.anyio


@contextlib.contextmanager
def locked(place, scope):
    """The store as it is while another process writes to the scope's tree."""
    if "://" in place:
        with connect(place, autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [postgresql.LOCK_SPACE + scope._row.chain[-1]])
            yield
    else:
        with contextlib.closing(sqlite3.connect(f"{place}/{LEDGER_FILE}", isolation_level=None)) as other:
            other.execute(BEGIN_WRITE)
            yield
            other.execute("ROLLBACK")


@contextlib.contextmanager
def held(scope):
    """The tree's turn to write, taken by another thread of this process."""
    database, row = scope._database, scope._row
    taken, released = threading.Event(), threading.Event()

    def write():
        with database.write(row.chain) as tx:
            taken.set()
            released.wait()
            tx.abandon()

    thread = threading.Thread(target=write)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        released.set()
        thread.join()


async def ticks_during(task, count):
    """The loop turns so often while a task is under way. A loop that is blocked never does."""
    for _ in range(count):
        await asyncio.sleep(0.005)
        assert not task.done()


@pytest.fixture
def awaited(scope):
    scope.write_text("/f", "text")
    return AsyncScope(scope)


async def test_the_loop_goes_on_while_a_write_waits(awaited, place):
    with locked(place, awaited):
        write = asyncio.create_task(awaited.write_text("/g", "text"))
        await ticks_during(write, 50)
    await write
    assert await awaited.exists("/g")


READS = [
    lambda scope: scope.read_text("/f"),
    lambda scope: scope.exists("/f"),
    lambda scope: scope.stat("/f"),
    lambda scope: scope.list_dir(),
    lambda scope: scope.grep("te.t"),
    lambda scope: scope.children(),
]


async def test_the_loop_goes_on_while_reads_wait(awaited, place):
    """PostgreSQL's tables are locked like this while they are compacted. In SQLite no read ever waits."""
    if "://" not in place:
        with locked(place, awaited):
            for read in READS:
                await read(awaited)
        return
    with connect(place) as other:
        other.execute("LOCK hivemind.scopes, hivemind.heads, hivemind.versions IN ACCESS EXCLUSIVE MODE")
        reads = [asyncio.create_task(read(awaited)) for read in READS]
        for read in reads:
            await ticks_during(read, 10)
    assert [bool(found) for found in await asyncio.gather(*reads)] == [True] * 5 + [False]


def transactions_of(place):
    """Those that are under way in the server, but for this one."""
    with connect(place, autocommit=True) as other:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle' AND application_name = 'hivemind'"
        )
        return other.execute(query).fetchone()[0]


async def begun(task):
    """A call has gone to its thread, and waits there."""
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not task.done()


async def test_a_cancelled_write_that_waits_for_a_thread_of_this_process(awaited):
    """It ends although the other one goes on, and changes nothing."""
    with held(awaited):
        write = asyncio.create_task(awaited.write_text("/g", "text"))
        await begun(write)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
    assert not await awaited.exists("/g")
    await awaited.write_text("/g", "text")


async def test_a_cancelled_write_that_waits_for_another_process(awaited, place):
    with locked(place, awaited):
        write = asyncio.create_task(awaited.write_text("/g", "text"))
        await begun(write)
        write.cancel()
        if "://" in place:
            with pytest.raises(asyncio.CancelledError):
                await write
            assert transactions_of(place) == 0
        else:
            # SQLite cannot be interrupted there: the task waits with it, and the loop goes on.
            await ticks_during(write, 10)
    with pytest.raises(asyncio.CancelledError):
        await write
    assert not await awaited.exists("/g")
    await awaited.write_text("/g", "text")


async def test_a_cancelled_read_lets_go_of_the_server(awaited, place):
    if "://" not in place:
        return
    with connect(place) as other:
        other.execute("LOCK hivemind.heads IN ACCESS EXCLUSIVE MODE")
        read = asyncio.create_task(awaited.glob("**"))
        await begun(read)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        assert transactions_of(place) == 0
    assert [stat.path for stat in await awaited.glob("**")] == ["/f"]


async def test_a_scope_of_anyio_cancels_too(awaited):
    with held(awaited):
        with anyio.move_on_after(0.1) as timeout:
            await awaited.write_text("/g", "text")
        assert timeout.cancelled_caught
    assert not await awaited.exists("/g")


async def test_a_call_that_has_not_begun_never_does(awaited):
    with held(awaited):
        before = [asyncio.create_task(awaited.write_text(f"/{each}", "text")) for each in range(THREADS)]
        await begun(before[0])
        called = []
        late = asyncio.create_task(on_thread(called.append, 1))
        await asyncio.sleep(0.01)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
    await asyncio.gather(*before)
    await on_thread(called.append, 2)
    assert called == [2]


async def test_calls_that_wait_do_not_keep_quick_ones_waiting(awaited):
    """Three times as many as there are threads wait for a lock; a read does not wait for them."""
    with held(awaited):
        storm = [asyncio.create_task(awaited.write_text(f"/{each}", "text")) for each in range(THREADS * 3)]
        await begun(storm[0])
        assert await awaited.exists("/f")
        assert await awaited.read_text("/f") == "text"
        assert threading.active_count() < THREADS + QUICK_THREADS + 10
    await asyncio.gather(*storm)
    assert len(await awaited.list_dir()) == THREADS * 3 + 1


async def test_calls_that_are_made_by_calls(awaited):
    """As by an embedder that asks its service on the loop: each thread waits for a call that needs another one."""
    loop = asyncio.get_running_loop()

    def ask(number):
        call = awaited.write_text(f"/{number}", "text")
        return asyncio.run_coroutine_threadsafe(call, loop).result()

    await asyncio.gather(*(on_thread(ask, number) for number in range(THREADS * 2)))
    assert len(await awaited.list_dir()) == THREADS * 2 + 1


class Pausable:
    """A function that waits in the middle, when it has done what it does."""

    def __init__(self, function):
        self.function = function
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *args, **kwargs):
        result = self.function(*args, **kwargs)
        self.reached.set()
        self.go_on.wait()
        return result


async def cancel_after(pausable, task):
    """Cancel a task when its work is done, and before it knows; often, as impatient callers do."""
    while not pausable.reached.is_set():
        await asyncio.sleep(0.005)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.005)
    assert not task.done()
    pausable.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_session_that_nobody_waits_for_is_none(awaited, hive, monkeypatch):
    """Its name is known to nobody."""
    made = Pausable(hive._search_service.forget)
    monkeypatch.setattr(hive._search_service, "forget", made)
    task = asyncio.create_task(awaited.spawn())
    await cancel_after(made, task)
    assert await awaited.children() == ()


async def test_what_was_there_before_stays(awaited, hive, monkeypatch):
    await awaited.spawn("run")
    made = Pausable(hive._search_service.forget)
    monkeypatch.setattr(hive._search_service, "forget", made)
    task = asyncio.create_task(awaited.spawn("run", attach=True))
    await cancel_after(made, task)
    assert [scope.name for scope in await awaited.children()] == ["run"]


async def test_an_outcome_is_undone_once(awaited):
    undone = []
    work = Pausable(lambda: "outcome")
    task = asyncio.create_task(perform(work, undo=undone.append))
    await cancel_after(work, task)
    assert undone == ["outcome"]


async def test_a_failure_is_not_undone(awaited):
    undone, reached = [], Pausable(lambda: None)

    def fail():
        reached()
        raise errors.StoreFull("no space")

    task = asyncio.create_task(perform(fail, undo=undone.append))
    await cancel_after(reached, task)
    assert undone == []


async def test_what_has_begun_is_not_committed(awaited, monkeypatch):
    """A change that is cancelled in the middle of its transaction."""
    database = awaited._database
    written = Pausable(lambda: None)
    edit = partial(awaited.sync._put)

    def put(self, *args, **kwargs):
        stat = edit(*args, **kwargs)
        written()
        return stat

    monkeypatch.setattr(type(awaited.sync), "_put", put)
    task = asyncio.create_task(awaited.write_text("/g", "text"))
    await cancel_after(written, task)
    assert not await awaited.exists("/g")
    assert database.can_write_within(0)


def test_a_loop_that_ends_waits_for_what_has_begun(scope):
    """`asyncio.run` cancels what is left when its function returns."""
    done = []
    reached, go_on = threading.Event(), threading.Event()

    def work():
        reached.set()
        go_on.wait()
        done.append(scope.exists("/"))

    async def main():
        task = asyncio.create_task(perform(work, interruptible=False))
        while not reached.is_set():
            await asyncio.sleep(0.005)
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        return task

    task = asyncio.run(main())
    assert task.cancelled()
    assert done == [True]
