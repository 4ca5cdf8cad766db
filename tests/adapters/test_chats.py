"""One chat as one object: messages, files, todos and uploads go on, go back and fork together."""

import asyncio

import pytest
from databases import opened

from pydantic_hivemind import HivemindChat
from pydantic_hivemind.deep import create_deep_agent
from pydantic_hivemind.errors import CheckpointError, ScopeExists, TurnBusy, VersionNotFound
from pydantic_hivemind.messages import encoding
from pydantic_hivemind.testing import scripted_model

pytestmark = pytest.mark.anyio
MEMORY = "/.deep/memory/main/MEMORY.md"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def user(hive):
    return hive.scope("user/ada", hive.scope("project/acme"))


@pytest.fixture(scope="module")
def agent():
    return create_deep_agent(scripted_model(), include_checkpoints=True, include_skills=False, web_search=False)


async def say(agent, chat, text):
    async with chat.turn() as turn:
        result = await agent.run(text, **turn.options)
        return await turn.save(result.new_messages())


async def texts(chat):
    files = await chat.files()
    found = [stat for stat in await files.glob("**") if stat.scope == files.name and stat.path != "/.deep/chat.json"]
    return {stat.path: await files.read_text(stat.path) for stat in found}


async def test_a_chat_goes_on_with_messages_todos_uploads_and_memory(hive, user, agent):
    from pydantic_ai_todo import Todo

    chat = HivemindChat(user, "taxes")
    await chat.upload("payslip.txt", b"4200")
    async with chat.turn() as turn:
        turn.deps.todos.append(Todo(content="Add it up", status="pending", active_form="Adding it up"))
        result = await agent.run("Remember: she rents in Ulm", **turn.options)
        await turn.save(result.new_messages())
    again = HivemindChat(hive.get("user/ada"), "taxes")
    deps = await again.deps()
    assert [todo.content for todo in deps.todos] == ["Add it up"]
    assert [upload["name"] for upload in deps.uploads.values()] == ["payslip.txt"]
    assert "payslip.txt" in deps.get_uploads_summary()
    await say(agent, again, "Hello again")
    assert len(await again.conversation.load()) > len(result.new_messages())
    # What was learned is the user's, and what was uploaded is the chat's.
    assert "Ulm" in user.read_text(MEMORY)
    assert not user.exists("/uploads")
    other = HivemindChat(user, "holidays")
    assert (await other.conversation.load(), (await other.deps()).uploads, await texts(other)) == ([], {}, {})
    assert "Ulm" in await (await other.files()).read_text(MEMORY)


async def test_another_user_has_another_chat_of_that_id(hive, user, agent):
    chat = HivemindChat(user, "taxes")
    saved = await say(agent, chat, "Plan: the secret")
    bo = HivemindChat(hive.scope("user/bo", "project/acme"), "taxes")
    assert (await bo.conversation.load(), await bo.checkpoints(), await texts(bo)) == ([], [], {})
    with pytest.raises(CheckpointError):
        await bo.rewind(saved)
    with pytest.raises(CheckpointError):
        await bo.fork(at=saved)


async def test_rewind_takes_messages_and_files_back_and_is_undone(user, agent):
    user.write_text("/shared.md", "of the user")
    chat = HivemindChat(user, "taxes")
    files = await chat.files()
    await files.write_text("/draft.md", "one", tags=["draft"])
    await files.write_text("/dropped.md", "one")
    point = await say(agent, chat, "first")
    messages = await chat.conversation.load()
    await files.write_text("/draft.md", "two")
    await files.remove("/dropped.md")
    await files.write_text("/dropped.md/now/a/directory.md", "two")
    await files.remove("/shared.md")
    await chat.upload("late.txt", b"late")
    await say(agent, chat, "second")
    after, later = await texts(chat), await chat.conversation.load()

    undo = await chat.rewind(point)
    assert await chat.conversation.load() == messages
    assert await texts(chat) == {"/draft.md": "one", "/dropped.md": "one"}
    assert (await files.stat("/draft.md")).tags == ("draft",)
    assert await files.read_text("/shared.md") == "of the user"
    assert (await chat.deps()).uploads == {}

    redo = await chat.rewind(undo)
    assert (await texts(chat), await chat.conversation.load()) == (after, later)
    assert not await files.exists("/shared.md")
    assert next(iter((await chat.deps()).uploads.values()))["name"] == "late.txt"
    await chat.rewind(redo)
    assert await texts(chat) == {"/draft.md": "one", "/dropped.md": "one"}
    await say(agent, chat, "third")
    assert len(await chat.conversation.load()) > len(messages)


async def test_rewind_and_fork_take_todos_back(user, agent):
    """Those that the run's scope keeps for a conversation do not come back behind it."""
    from pydantic_ai_todo import Todo

    chat = HivemindChat(user, "taxes")
    point = await say(agent, chat, "first")
    async with chat.turn() as turn:
        turn.deps.todos.append(Todo(content="Add it up", status="pending", active_form="Adding it up"))
        result = await agent.run("second", **turn.options)
        await turn.save(result.new_messages())
    fork = await chat.fork(at=point)
    undo = await chat.rewind(point)
    for each in (chat, fork):
        async with each.turn() as turn:
            await agent.run("third", **turn.options)
            assert turn.deps.todos == []
    await chat.rewind(undo)
    async with chat.turn() as turn:
        await agent.run("fourth", **turn.options)
        assert [todo.content for todo in turn.deps.todos] == ["Add it up"]


async def test_rewind_past_what_is_kept_changes_nothing(user, agent):
    chat = HivemindChat(user, "taxes")
    files = await chat.files()
    await files.write_text("/often.md", "first")
    await files.write_text("/a.md", "first")
    point = await chat.checkpoint("begin")
    await files.write_text("/a.md", "second")
    for number in range(40):
        await files.write_text("/often.md", str(number))
    await say(agent, chat, "hello")
    before = await texts(chat), await chat.conversation.load(), len(await chat.checkpoints())
    with pytest.raises(VersionNotFound, match=r"/often.md.*nothing was changed"):
        await chat.rewind(point)
    with pytest.raises(VersionNotFound):
        await chat.fork("other", at=point)
    assert (await texts(chat), await chat.conversation.load(), len(await chat.checkpoints())) == before
    assert [child.name for child in user.children] == [files.name]


async def test_a_chat_with_a_message_that_cannot_be_read_goes_on(user, agent, monkeypatch):
    chat = HivemindChat(user, "taxes")
    await say(agent, chat, "first")
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "encode", lambda _: b'{"kind":"dream","about":"sheep"}')
        await chat.conversation.append([None])
    point = await say(agent, chat, "second")
    messages = await chat.conversation.load(skip_unreadable=True)
    await say(agent, chat, "third")
    fork = await chat.fork("other", at=point)
    await chat.rewind(point)
    for each in (chat, fork):
        assert await each.conversation.load(skip_unreadable=True) == messages
        with pytest.raises(CheckpointError, match="1 of"):
            await each.conversation.load()


async def test_fork_begins_with_messages_and_files(user, agent):
    chat = HivemindChat(user, "taxes")
    files = await chat.files()
    user.write_text("/inherited.md", "of the user")
    await files.edit("/inherited.md", "user", "chat")
    await files.write_text("/draft.md", "one")
    point = await say(agent, chat, "first")
    messages = await chat.conversation.load()
    await files.write_text("/draft.md", "two")
    await say(agent, chat, "second")
    early = await chat.fork("early", at=point)
    late = await chat.fork()
    assert await early.conversation.load() == messages
    assert await texts(early) == {"/draft.md": "one", "/inherited.md": "of the chat"}
    assert (await texts(late))["/draft.md"] == "two"
    # Both go on, each for itself; on every line of pydantic-deep the history of the one is welcome in the other.
    await say(agent, early, "Plan: third")
    await (await early.files()).write_text("/draft.md", "three")
    await say(agent, chat, "fourth")
    assert (await texts(chat))["/draft.md"] == "two"
    assert (await texts(late))["/draft.md"] == "two"
    with pytest.raises(ScopeExists):
        await chat.fork("early")
    await early.delete()
    assert (await early.conversation.load(), await texts(early)) == ([], {})
    assert await chat.conversation.load() != []


async def test_turns_of_one_chat_wait_for_each_other(user, agent):
    chats = [HivemindChat(user, "taxes") for _ in range(3)]
    await asyncio.gather(*(say(agent, chat, f"turn {number}") for number, chat in enumerate(chats)))
    said = str(await chats[0].conversation.load())
    assert all(f"turn {number}" in said for number in range(3))
    lengths = [snapshot.message_count for snapshot in await chats[0].checkpoints() if snapshot.metadata]
    assert lengths == sorted(lengths)


async def test_a_turn_of_another_handle_is_waited_for_by_turns_and_rewinds(place, user, agent):
    chat = HivemindChat(user, "taxes")
    point = await say(agent, chat, "first")
    with opened(place) as elsewhere:
        theirs = HivemindChat(elsewhere.get("user/ada"), "taxes")
        async with chat.turn() as turn:
            with pytest.raises(TurnBusy):
                await theirs.turn(wait=0.1).__aenter__()
            rewinding = asyncio.create_task(theirs.rewind(point))
            result = await agent.run("the later one", **turn.options)
            await turn.save(result.new_messages())
            assert not rewinding.done()
        await rewinding
    assert len(await chat.conversation.load()) == 2
    assert "the later one" not in str(await chat.conversation.load())


async def test_a_turn_that_fails_leaves_the_conversation(user, agent):
    chat = HivemindChat(user, "taxes")

    async def fail():
        async with chat.turn():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await say(agent, chat, "hello")
    assert len(await chat.conversation.load()) == 2
