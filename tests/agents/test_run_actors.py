"""What an agent writes says which agent it was, and in which run."""

from __future__ import annotations

from typing import Any

import pytest

from pydantic_hivemind import Actor, HivemindSearch, RunActor, Scope, acting

from .conftest import deps_of
from .scripted_model import call, script

pytestmark = pytest.mark.anyio

WRITE = script(call("write_file", path="/notes.md", content="x"), "done")


@pytest.mark.parametrize("capabilities", [[], [RunActor()]], ids=["the factory's", "one more"])
async def test_a_run(make_agent: Any, ada: Scope, capabilities: list[Any]) -> None:
    agent = make_agent(name="coder", capabilities=capabilities)
    with acting(user="ada"):
        result = await agent.run(WRITE, deps=deps_of(ada))
    assert ada.history("/notes.md")[0].actor == Actor(user="ada", agent="coder", run=result.run_id)


async def test_a_stream(make_agent: Any, ada: Scope) -> None:
    agent = make_agent(name="coder", capabilities=[HivemindSearch()])
    async with agent.iter(WRITE, deps=deps_of(ada)) as run:
        async for _ in run:
            pass
    actor = ada.history("/notes.md")[0].actor
    assert actor is not None
    assert (actor.agent, actor.run) == ("coder", run.result.run_id)
