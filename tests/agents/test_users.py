"""Many users on one agent object at the same time, on both lines of pydantic-deep."""

from __future__ import annotations

import asyncio

import pytest

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.backends.session_manager import Session
from pydantic_hivemind.deep import DeepAgentDeps

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio

USERS = 20
MEMORY = "/.deep/memory/main/MEMORY.md"


def report_on(name: str) -> str:
    """A report that is too large for the conversation."""
    return f"secret report on {name}\n" * 6000


async def test_twenty_users_of_one_agent(make_agent: MakeAgent, hive: Hivemind, project: Scope) -> None:
    project.write_text("/AGENTS.md", "the house rules")
    project.write_text(MEMORY, "- we deploy on Mondays\n")
    before = {stat.path: project.read_bytes(stat.path) for stat in project.glob("**")}
    agent = make_agent(tools=[report_on], context_discovery=True)
    names = [f"user-{number}-" for number in range(USERS)]
    scopes = {name: hive.scope(f"user/{name}", parent=project) for name in names}

    async def chat(name: str) -> str:
        plan = script(call("save_plan", title=f"Plan of {name}", content=f"the plan of {name}"))
        work = script(
            call("write_memory", content=f"- {name} is here"),
            call("task", description=plan, subagent_type="planner"),
            call("report_on", name=name),
            call("read_file", path="<<saved to: (\\S+)>>", limit=1),
            EVERYTHING,
        )
        await agent.run(work, deps=deps_of(scopes[name]))
        look = script([call("glob", pattern="**/*.md"), call("grep", pattern="plan of|secret")], EVERYTHING)
        return (await agent.run(look, deps=deps_of(scopes[name]))).output

    outputs = await asyncio.gather(*[chat(name) for name in names])
    for name, output in zip(names, outputs, strict=True):
        mine = scopes[name]
        assert "the house rules" in output
        assert "- we deploy on Mondays" in output
        assert f"- {name} is here" in output
        assert [other for other in names if other in output] == [name]
        kept = {stat.path: mine.read_text(stat.path) for stat in mine.glob("**")}
        assert [other for other in names if any(other in text for text in kept.values())] == [name]
        assert sum(path.startswith("/plans/") for path in kept) == 1
        assert sum("large_tool_results" in path for path in kept) == 1
    assert {stat.path: project.read_bytes(stat.path) for stat in project.glob("**")} == before


async def test_a_session_is_a_backend(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent()
    async with Session(ada) as session:
        await agent.run(script(call("write_memory", content="- learned in a run")), deps=DeepAgentDeps(backend=session))
        assert not ada.exists(MEMORY)
        session.promote()
    assert "- learned in a run" in ada.read_text(MEMORY)

    async def fail() -> None:
        async with Session(ada) as session:
            await agent.run(
                script(call("write_memory", content="- learned in vain")), deps=DeepAgentDeps(backend=session)
            )
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await fail()
    assert "- learned in vain" not in ada.read_text(MEMORY)
