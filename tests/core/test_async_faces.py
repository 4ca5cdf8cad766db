"""`AsyncHivemind`, `AsyncScope` and what they hand out: the methods of the synchronous classes, awaited."""

import inspect
import os

import pytest
from databases import opened

from pydantic_hivemind import (
    AsyncCheckpoints,
    AsyncConversation,
    AsyncHivemind,
    AsyncScope,
    Checkpoints,
    Conversation,
    Hivemind,
    Scope,
    errors,
)
from pydantic_hivemind.ledger.engine.sqlite import LOOP_READ_BYTES
from pydantic_hivemind.messages.checkpoints import Snapshot

pytestmark = pytest.mark.anyio

PAIRS = [
    (Hivemind, AsyncHivemind),
    (Scope, AsyncScope),
    (Conversation, AsyncConversation),
    (Checkpoints, AsyncCheckpoints),
]

ASKS = {"title", "children"}
"""Properties that ask the store."""


def members(kind):
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "face"), PAIRS, ids=lambda kind: kind.__name__)
def test_a_face_has_every_name(sync, face):
    assert set(members(face)) - {"sync"} == set(members(sync))


@pytest.mark.parametrize(("sync", "face"), PAIRS, ids=lambda kind: kind.__name__)
def test_methods_have_the_same_signatures_and_are_awaited(sync, face):
    for name, member in members(sync).items():
        awaited = getattr(face, name, None)
        if isinstance(member, property) or awaited is member:
            continue
        theirs = inspect.signature(getattr(awaited, "__wrapped__", awaited))
        assert list(theirs.parameters.values())[1:] == list(inspect.signature(member).parameters.values())[1:], name
        assert inspect.iscoroutinefunction(awaited) or name in {"open", "connect", "turn"}, name
        assert inspect.getdoc(awaited), name


@pytest.mark.parametrize(("sync", "face"), PAIRS, ids=lambda kind: kind.__name__)
def test_properties_that_ask_the_store_are_methods(sync, face):
    for name, member in members(sync).items():
        if isinstance(member, property):
            awaited = getattr(face, name)
            assert inspect.iscoroutinefunction(awaited) if name in ASKS else isinstance(awaited, property), name


@pytest.fixture
async def awaited(hive):
    return AsyncHivemind(hive)


async def test_opening(place):
    opening = AsyncHivemind.connect if "://" in place else AsyncHivemind.open
    async with opening(place) as hive:
        await (await hive.scope("a")).write_text("/f", "text")
    with pytest.raises(errors.StoreClosed):
        await hive.scopes()
    hive = await opening(place)
    async with hive:
        assert await (await hive.scope("a")).read_text("/f") == "text"
    with pytest.raises(errors.StoreClosed):
        await hive.scopes()


async def test_a_run(awaited):
    """What comes back are scopes and messages to be awaited too."""
    project = await awaited.scope("project")
    user = await awaited.scope("user", parent=project)
    run = await user.spawn("run")
    assert (run.name, run.chain, run.parent) == ("run", ("run", "user", "project"), user)
    assert [type(scope) for scope in (user, run, run.parent)] == [AsyncScope] * 3
    assert await user.children() == (run,)
    await run.write_text("/notes.md", "we deploy from main\n", tags=["deploy"])
    report = await run.promote(project, tags=["deploy"])
    assert report.applied == ("/notes.md",)
    assert [hit.path for hit in await user.search("deploy")] == ["/notes.md"]
    assert await user.session("run") == run
    await run.destroy()
    with pytest.raises(errors.ScopeGone):
        await run.read_text("/notes.md")
    with pytest.raises(errors.PathNotFound):
        await project.read("/nothing")


async def test_sync_and_async_are_one_scope(awaited, hive):
    user = await awaited.scope("user")
    assert user == hive.scope("user")
    assert user.sync.children == ()
    # Each takes the other for an ancestor.
    child = hive.scope("child", user)
    child.write_text("/f", "text")
    assert [change.path for change in child.diff(user)] == ["/f"]
    assert [change.path for change in await AsyncScope(child).diff(hive.scope("user"))] == ["/f"]


async def test_files_of_any_size(awaited):
    user = await awaited.scope("user")
    for size in (0, LOOP_READ_BYTES, LOOP_READ_BYTES + 1, 5 << 20):
        data = os.urandom(size)
        await user.write_bytes("/f", data)
        assert await user.read_bytes("/f") == data
        assert (await user.read("/f")).data == data


async def test_messages(awaited):
    from pydantic_ai.messages import ModelRequest, UserPromptPart

    user = await awaited.scope("user")
    talk = await user.conversation("taxes")
    messages = [ModelRequest([UserPromptPart("hello")])]
    await talk.append(messages)
    assert (talk.id, await talk.load()) == ("taxes", messages)
    assert [info.id for info in await user.conversations()] == ["taxes"]
    kept = await user.checkpoints()
    snapshot = Snapshot("1", "first", 1, messages, 1, messages[0].parts[0].timestamp, {})
    await kept.save(snapshot)
    assert (await kept.get("1"), await kept.count()) == (snapshot, 1)


def test_several_loops_at_once(hive):
    """Threads are shared by all of them."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    awaited = AsyncHivemind(hive)

    async def work(number):
        scope = await awaited.scope(f"user/{number}")
        await asyncio.gather(*(scope.write_text(f"/{each}", "text") for each in range(20)))
        return len(await scope.glob("**"))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda number: asyncio.run(work(number)), range(4))) == [20] * 4


def test_a_forked_child_has_threads_of_its_own(place):
    import asyncio

    with opened(place) as hive:
        awaited = AsyncHivemind(hive)
        asyncio.run(awaited.scopes())
        child = os.fork()
        if child == 0:
            status = 1
            try:
                scope = asyncio.run(awaited.scope("of the child"))
                asyncio.run(scope.write_text("/f", "text"))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert hive.scope("of the child").read_text("/f") == "text"
