"""Message histories that move between scopes, on both lines of pydantic-deep."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from pydantic_ai.exceptions import UserError

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.deep import TAKES_BACKEND, continue_here

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio


async def test_a_conversation_goes_on_in_its_scope(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent()
    first = await agent.run(script(call("write_file", path="/mine.txt", content="mine")), deps=deps_of(ada))
    second = await agent.run(
        script(call("read_file", path="/mine.txt"), EVERYTHING),
        deps=deps_of(ada),
        message_history=first.all_messages(),
    )
    assert "mine" in second.output


async def test_a_conversation_moves_to_another_session(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent()
    one, two = ada.spawn("run-1"), ada.spawn("run-2")
    write = script(call("write_file", path="/note.txt", content="of the first run"), "the answer is 42")
    first = await agent.run(write, deps=deps_of(one))
    one.destroy()
    look = script(call("ls", path="/"), call("write_file", path="/note.txt", content="of the second"), EVERYTHING)
    second = await agent.run(look, deps=deps_of(two), message_history=first.all_messages(), **continue_here())
    assert "the answer is 42" in str(second.all_messages())
    assert two.read_text("/note.txt") == "of the second"
    # From then on it is that session's conversation.
    third = await agent.run(script(EVERYTHING), deps=deps_of(two), message_history=second.all_messages())
    assert third.output


@pytest.mark.parametrize("options", [{}, continue_here()], ids=["plain", "continue_here"])
async def test_the_history_of_another_user_opens_nothing(
    make_agent: MakeAgent, hive: Hivemind, ada: Scope, options: dict[str, Any]
) -> None:
    agent = make_agent()
    ada.write_text("/secret.txt", "Ada's diary")
    theirs = await agent.run(script("hello"), deps=deps_of(ada))
    mallory = hive.scope("user/mallory", parent=ada.parent)
    steps = script([call("read_file", path="/secret.txt"), call("glob", pattern="**")], EVERYTHING)
    refused = not options
    with pytest.raises(UserError, match=r"\*\*continue_here\(\)") if refused else nullcontext() as error:
        result = await agent.run(steps, deps=deps_of(mallory), message_history=theirs.all_messages(), **options)
        assert "Ada's diary" not in result.output
    assert not refused or "ada" not in str(error)


async def test_a_user_goes_on_in_another_session_and_after_a_change_of_name(make_agent: MakeAgent, ada: Scope) -> None:
    """A session's conversation is its user's, whatever they are called now: what is stored, and read again, too."""
    agent = make_agent()
    first = await agent.run(script("the answer is 42"), deps=deps_of(ada.spawn("run-1")))
    ada.conversation("talk").append(first.all_messages())
    ada.session("run-1").destroy()
    ada.move(name="user/ada-b")
    history = ada.conversation("talk").load()
    options = continue_here() if not TAKES_BACKEND else {}
    again = await agent.run(script(EVERYTHING), deps=deps_of(ada.spawn("run-2")), message_history=history, **options)
    assert "the answer is 42" in again.output


async def test_what_is_of_the_project_is_everybodys(make_agent: MakeAgent, ada: Scope, project: Scope) -> None:
    agent = make_agent()
    of_all = await agent.run(script("we deploy from main"), deps=deps_of(project))
    options = continue_here() if not TAKES_BACKEND else {}
    again = await agent.run(script(EVERYTHING), deps=deps_of(ada), message_history=of_all.all_messages(), **options)
    assert "we deploy from main" in again.output


async def test_a_stream_of_another_users_history_is_refused(make_agent: MakeAgent, hive: Hivemind, ada: Scope) -> None:
    agent = make_agent()
    theirs = await agent.run(script("hello"), deps=deps_of(ada))
    mallory = hive.scope("user/mallory", parent=ada.parent)

    async def stream() -> None:
        async with agent.iter(script("x"), deps=deps_of(mallory), message_history=theirs.all_messages()) as run:
            async for _ in run:
                pass

    with pytest.raises(UserError, match="continue_here"):
        await stream()
