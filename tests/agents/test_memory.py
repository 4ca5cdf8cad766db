"""What agents remember, on both lines of pydantic-deep."""

from __future__ import annotations

import pytest

from pydantic_hivemind import Scope

from .conftest import MakeAgent, deps_of
from .memory_checks import MEMORY, NAMED, check_runs_at_once
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio


async def test_what_is_remembered_is_in_the_prompt_of_the_next_run(make_agent: MakeAgent, ada: Scope) -> None:
    await make_agent().run(script(call("write_memory", content="- Ada drinks tea")), deps=deps_of(ada))
    assert "- Ada drinks tea" in ada.read_text(MEMORY)

    later = await make_agent().run(script(EVERYTHING), deps=deps_of(ada))
    assert "- Ada drinks tea" in later.output


async def test_the_memory_tools_read_it_back(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text(MEMORY, "- the code is 4711\n")
    result = await make_agent().run(script(call("read_memory", **NAMED), EVERYTHING), deps=deps_of(ada))
    assert result.output.count("4711") > 1  # once injected, once read


async def test_the_memory_of_the_project_is_seen_and_stays_as_it_is(
    make_agent: MakeAgent, project: Scope, ada: Scope
) -> None:
    project.write_text(MEMORY, "- we deploy on Mondays\n")
    first = await make_agent().run(script(call("write_memory", content="- Ada is away"), EVERYTHING), deps=deps_of(ada))
    assert "- we deploy on Mondays" in first.output
    assert {"- we deploy on Mondays", "- Ada is away"} <= set(ada.read_text(MEMORY).splitlines())
    assert project.read_text(MEMORY) == "- we deploy on Mondays\n"


async def test_runs_at_the_same_time_lose_nothing(make_agent: MakeAgent, ada: Scope) -> None:
    """The tools of both lines load the whole file and store it again."""
    await check_runs_at_once(make_agent, ada)


async def test_calls_of_one_step_lose_nothing(make_agent: MakeAgent, ada: Scope) -> None:
    facts = [f"- fact {number}" for number in range(5)]
    await make_agent().run(script([call("write_memory", content=fact) for fact in facts]), deps=deps_of(ada))
    assert set(facts) <= set(ada.read_text(MEMORY).splitlines())
