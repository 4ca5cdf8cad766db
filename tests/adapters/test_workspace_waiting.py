"""The workspace of a run on a store that is locked, and in a task that is cancelled."""

import asyncio
import contextlib
import threading

import pytest
from databases import connect

pytest.importorskip("pydantic_ai.workspaces")

from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace

pytestmark = pytest.mark.anyio


def session_names(hive):
    return [scope.name for scope in hive.scopes() if scope.session]


@contextlib.contextmanager
def tables_locked(place):
    """As while they are compacted: with SQLite that keeps no reader waiting."""
    if "://" not in place:
        yield
    else:
        with connect(place) as other:
            other.execute("LOCK hivemind.scopes, hivemind.heads, hivemind.versions IN ACCESS EXCLUSIVE MODE")
            yield


READS = [
    lambda workspace: workspace.read_bytes("/f"),
    lambda workspace: workspace.exists("/f"),
    lambda workspace: workspace.stat("/f"),
    lambda workspace: workspace.list_dir("/"),
]


async def test_the_loop_goes_on_while_reads_wait(scope, place):
    scope.write_text("/f", "text")
    workspace = ScopeWorkspace(scope)
    await workspace.working_dir()
    with tables_locked(place):
        for read in READS:
            task = asyncio.create_task(read(workspace))
            for _ in range(10):
                await asyncio.sleep(0.005)
            assert task.done() == ("://" not in place)
            await asyncio.wait_for(asyncio.shield(task), None) if task.done() else task.cancel()
    assert await workspace.read_bytes("/f") == b"text"


@pytest.fixture
def paused(monkeypatch, scope):
    spawn = type(scope).spawn
    reached, go_on = threading.Event(), threading.Event()

    def pausing(scope, *args, **options):
        made = spawn(scope, *args, **options)
        reached.set()
        go_on.wait()
        return made

    monkeypatch.setattr(type(scope), "spawn", pausing)
    return reached, go_on


@pytest.mark.parametrize("others", [0, 1])
async def test_a_session_that_was_made_for_a_cancelled_task(hive, paused, others):
    """It is ended, unless another task waits for it too."""
    reached, go_on = paused
    workspace = HivemindWorkspace(hive).backend()
    task, *rest = (asyncio.create_task(workspace.write_bytes("/f", b"text")) for _ in range(1 + others))
    while not reached.is_set():
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.sleep(0.02)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.gather(*rest)
    assert len(session_names(hive)) == others
    # It goes on with a new one.
    assert await workspace.exists("/f") == bool(others)
    assert len(session_names(hive)) == 1
