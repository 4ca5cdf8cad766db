"""The agents and dependencies that take `backend=`, on both lines of pydantic-deep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic_deep
import pytest
from pydantic_ai.exceptions import UserError

from pydantic_hivemind import Scope
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.deep import TAKES_BACKEND, DeepAgent, DeepAgentDeps, create_deep_agent

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script, scripted_model

pytestmark = pytest.mark.anyio

workspaces_only = pytest.mark.skipif(TAKES_BACKEND, reason="this pydantic-deep has backends itself")


async def test_directories_may_be_named_from_the_root(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent(memory_dir="/notes", plans_dir="/roads")
    plan = script(call("save_plan", title="Go", content="1. go"))
    steps = [call("write_memory", content="- here"), call("task", description=plan, subagent_type="planner")]
    await agent.run(script(*steps), deps=deps_of(ada))
    assert "- here" in ada.read_text("/notes/main/MEMORY.md")
    assert len(ada.list_dir("/roads")) == 1


async def test_an_agent_from_a_file(ada: Scope, tmp_path: Path) -> None:
    spec = tmp_path / "agent.json"
    spec.write_text('{"memory_dir": "/notes", "include_skills": false, "web_search": false, "web_fetch": false}')
    agent, deps = DeepAgent.from_file(
        spec, backend=HivemindBackend(ada), model=scripted_model(), thinking=False, include_history_archive=False
    )
    await agent.run(script(call("write_memory", content="- from a file")), deps=deps)
    assert "- from a file" in ada.read_text("/notes/main/MEMORY.md")


async def test_tools_that_run_commands_are_left_out(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent()
    result = await agent.run(script(call("execute", command="true"), EVERYTHING), deps=deps_of(ada))
    assert "Unknown tool name: 'execute'" in str(result.all_messages())


def test_copies_share_the_backend(ada: Scope) -> None:
    deps = deps_of(ada)
    assert deps.backend.unwrap().scope == ada
    assert deps.clone_for_subagent().backend is deps.backend
    assert replace(deps).backend is deps.backend
    assert DeepAgentDeps(backend=deps.backend).backend is deps.backend


@workspaces_only
async def test_an_agent_that_would_ignore_the_backend_is_reported(ada: Scope) -> None:
    agent = pydantic_deep.create_deep_agent(
        scripted_model(), web_search=False, web_fetch=False, thinking=False, include_skills=False
    )
    with pytest.warns(UserWarning, match="ignores `deps.backend`"):
        await agent.run(script("hello"), deps=deps_of(ada))


@workspaces_only
async def test_a_run_without_a_scope_is_refused(make_agent: MakeAgent) -> None:
    with pytest.raises(UserError, match="This run has no scope"):
        await make_agent().run(script("hello"), deps=DeepAgentDeps())


@workspaces_only
@pytest.mark.parametrize(
    "make", [lambda other: DeepAgentDeps(backend=other), lambda other: create_deep_agent(backend=other)]
)
def test_other_backends_are_refused(make: Any) -> None:
    from pydantic_ai_backends import StateBackend

    with pytest.raises(UserError, match="HivemindBackend"):
        make(StateBackend())


@workspaces_only
async def test_an_upload_that_fails_is_not_listed(ada: Scope) -> None:
    deps = deps_of(ada)
    ada.write_text("/uploads", "a file in the way")
    with pytest.raises(RuntimeError, match="Failed to upload"):
        await deps.upload_file("a.txt", b"x")
    assert deps.get_uploads_summary() == ""
