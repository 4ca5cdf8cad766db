"""Every option of `create_deep_agent`, with two users at once on one agent: nothing of Ada's reaches Bo."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from pathlib import Path
from typing import Any

import pydantic_deep
import pytest
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage
from pydantic_deep.features.forking.capability import LiveForkCapability
from pydantic_deep.features.message_queue import MessageQueue

from pydantic_hivemind import Hivemind, HivemindCheckpointStore, RunActor, Scope
from pydantic_hivemind.adapters import (
    HivemindHistorySearch,
    HivemindPlanStore,
    HivemindSpendStore,
    HivemindStepStore,
    HivemindTodoStorage,
)
from pydantic_hivemind.adapters.pydantic_deep.isolation_page import page
from pydantic_hivemind.adapters.pydantic_deep.option_isolation import OPTIONS
from pydantic_hivemind.deep import TAKES_BACKEND, DeepAgentDeps

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script, scripted_model

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
SECRET = "ada-secret-4711"
ONE_LINE_ONLY = {"backend"} if not TAKES_BACKEND else {"workspace", "memory_namespace"}


@pytest.fixture
def bo(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/bo", parent=project)


def test_every_option_is_classified():
    upstreams = set(inspect.signature(pydantic_deep.create_deep_agent).parameters)
    assert upstreams - set(OPTIONS) == set(), "say in option_isolation.py how users are kept apart"
    assert set(OPTIONS) - upstreams == ONE_LINE_ONLY


def test_the_page_is_current():
    """Made by `python -m pydantic_hivemind.adapters.pydantic_deep.isolation_page > docs/reference/isolation.md`."""
    assert (ROOT / "docs" / "reference" / "isolation.md").read_text() == page()


def _upper(text: str) -> str:
    return text.upper()


def _ignore(*_: Any) -> None:
    return None


def _unchanged(messages: list[ModelMessage]) -> list[ModelMessage]:
    return messages


VALUES: dict[str, Any] = {
    "model": None,
    "fallback_model": scripted_model(),
    "model_settings": {"temperature": 0.0},
    "summarization_model": "test",
    "instructions": "Be brief.",
    "output_style": "concise",
    "styles_dir": "styles",
    "tools": [_upper],
    "toolsets": [],
    "extra_toolsets": [],
    "mcp_servers": [],
    "capabilities": [],
    "subagents": [{"name": "helper", "description": "helps", "instructions": "Help."}],
    "skill_directories": ["skills"],
    "skills": [],
    "backend": None,
    "workspace": None,
    "max_nesting_depth": 2,
    "subagent_extra_toolsets": [],
    "subagent_usage_limits": None,
    "subagent_ask_timeout_seconds": 5.0,
    "include_execute": False,
    "interrupt_on": {"execute": False},
    "output_type": str,
    "history_processors": [_unchanged],
    "eviction_token_limit": 1000,
    "max_binary_content": 1,
    "edit_format": "str_replace",
    "context_manager_max_tokens": 100_000,
    "on_context_update": _ignore,
    "on_before_compress": _ignore,
    "on_after_compress": _ignore,
    "on_eviction": _ignore,
    "context_files": ["/AGENTS.md"],
    "memory_dir": "/notes",
    "memory_namespace": "shared",
    "retries": 2,
    "hooks": [],
    "checkpoint_frequency": "every_turn",
    "max_checkpoints": 3,
    "checkpoint_store": None,
    "history_messages_path": ".pydantic-deep/messages.json",
    "thinking": False,
    "cost_budget_usd": 1.0,
    "on_cost_update": _ignore,
    "middleware": [],
    "plans_dir": "/roads",
    "subagent_registry": None,
    "message_queue": None,
    "instrument": None,
    "agent_kwargs": None,
}
"""A value for each option that is no switch; switches are turned on."""

NEEDS: dict[str, dict[str, Any]] = {
    "checkpoint_frequency": {"include_checkpoints": True},
    "cost_budget_usd": {"cost_tracking": True},
    "skill_directories": {"include_skills": True},
    "forking": {},
}

NOT_RUN = {"web_search", "web_fetch"}
"""They need a network, and have no state."""


def options_for(name: str) -> dict[str, Any]:
    if name == "agent_kwargs":
        return {"name": "colleague"}
    return {name: VALUES.get(name, True), **NEEDS.get(name, {})}


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - ONE_LINE_ONLY - NOT_RUN - {"model"}))
async def test_an_option_keeps_users_apart(make_agent: MakeAgent, ada: Scope, bo: Scope, name: str):
    options = options_for(name)
    if OPTIONS[name].isolation == "refused" and options[name] is True:
        with pytest.raises(UserError, match=f"`{name}` is not for an agent that many users share"):
            make_agent(**options)
        return
    Path("skills").mkdir()
    agent = make_agent(**options)
    work = script(
        call("write_memory", content=f"- {SECRET}"),
        call("write_file", path=f"/{SECRET}.md", content=SECRET * 50),
        call("write_todos", todos=[{"content": SECRET, "status": "pending", "active_form": SECRET}]),
        call("task", description=script("done"), subagent_type="general-purpose", mode="async"),
        call("save_checkpoint", label=SECRET),
        "done",
    )
    look = script(
        [
            call("ls", path="/"),
            call("glob", pattern="**/*"),
            call("grep", pattern="secret"),
            call("read_memory"),
            call("read_todos"),
            call("list_active_tasks"),
            call("list_checkpoints"),
            call("check_teammates"),
            call("list_monitors"),
        ],
        EVERYTHING,
    )
    before = await agent.run(look, deps=deps_of(bo))
    _, during = await asyncio.gather(agent.run(work, deps=deps_of(ada)), agent.run(look, deps=deps_of(bo)))
    after = await agent.run(look, deps=deps_of(bo))
    for result in (before, during, after):
        assert SECRET not in str(result.all_messages())
    assert not [stat.path for stat in bo.glob("**") if b"secret" in bo.read_bytes(stat.path)]
    if not options.get("include_checkpoints"):  # of which Bo has more each time
        assert after.output == before.output
    assert not Path(".pydantic-deep").exists()


async def test_teams(make_agent: MakeAgent, ada: Scope, bo: Scope):
    # Up to 0.3.44, members that can work need a package for web searches.
    agent = make_agent(include_teams=True, include_subagents=not TAKES_BACKEND)
    member = {"name": "writer", "role": "writes", "description": SECRET, "instructions": SECRET}
    spawn = call("spawn_team", team_name=SECRET, members=[member])
    await agent.run(
        script(spawn, call("assign_task", member_name="writer", task_description=script("hm"))), deps=deps_of(ada)
    )
    result = await agent.run(script(call("check_teammates"), call("dissolve_team"), EVERYTHING), deps=deps_of(bo))
    assert SECRET not in result.output
    assert result.output.count("No team is active.") == 2
    mine = {**member, "description": "of Bo", "instructions": "Bo's"}
    steps = [call("spawn_team", team_name="bo's", members=[mine]), call("check_teammates"), EVERYTHING]
    assert "Team 'bo's' created" in (await agent.run(script(*steps), deps=deps_of(bo))).output
    kept = await agent.run(script(call("check_teammates"), EVERYTHING), deps=deps_of(ada))
    assert f"Team '{SECRET}' status" in kept.output


async def test_a_compaction_is_for_the_run_that_asks(make_agent: MakeAgent, ada: Scope, bo: Scope):
    compressed: list[str] = []

    def before_compress(messages: Any, cutoff: int) -> None:
        compressed.append(str(messages))

    asked, seen = asyncio.Event(), asyncio.Event()

    async def wait(who: str) -> str:
        """Wait for the other user."""
        if who == "ada":
            asked.set()
            await seen.wait()
        else:
            await asked.wait()
        return who

    agent = make_agent(on_before_compress=before_compress, summarization_model="test", tools=[wait])

    async def of_bo() -> None:
        try:
            await agent.run(script(call("wait", who="bo"), call("ls", path="/"), "done"), deps=deps_of(bo))
        finally:
            seen.set()

    steps = [[call("compact_conversation", focus=SECRET), call("wait", who="ada")], "done"]
    # The script is gone from what was compacted, so the scripted model of Ada fails.
    _, of_bos = await asyncio.gather(agent.run(script(*steps), deps=deps_of(ada)), of_bo(), return_exceptions=True)
    assert of_bos is None
    assert len(compressed) == 1
    assert SECRET in compressed[0]


async def test_a_message_reaches_the_run_it_is_for(make_agent: MakeAgent, ada: Scope, bo: Scope):
    with pytest.raises(UserError, match="DeepAgentDeps"):
        make_agent(message_queue=MessageQueue())
    agent, queue = make_agent(), MessageQueue()
    await queue.steer(SECRET)
    theirs = await agent.run(script(EVERYTHING), deps=deps_of(bo, message_queue=MessageQueue()))
    assert SECRET not in theirs.output
    mine = await agent.run(script(EVERYTHING), deps=deps_of(ada, message_queue=queue))
    assert SECRET in mine.output


async def test_todos_outlive_the_request(make_agent: MakeAgent, ada: Scope, bo: Scope):
    agent = make_agent()
    todo = {"content": SECRET, "status": "pending", "active_form": "asking"}
    await agent.run(script(call("write_todos", todos=[todo])), deps=deps_of(ada), conversation_id="taxes")
    look = script(call("read_todos"), EVERYTHING)
    assert SECRET in (await agent.run(look, deps=deps_of(ada), conversation_id="taxes")).output
    assert SECRET not in (await agent.run(look, deps=deps_of(ada), conversation_id="holidays")).output
    assert SECRET not in (await agent.run(look, deps=deps_of(bo), conversation_id="taxes")).output


async def test_tools_that_cannot_work_are_not_offered(make_agent: MakeAgent, ada: Scope):
    result = await make_agent().run(script(call("list_monitors"), EVERYTHING), deps=deps_of(ada))
    assert "Unknown tool name: 'list_monitors'" in str(result.all_messages())


async def test_branches_leave_nothing_in_the_working_directory(make_agent: MakeAgent, ada: Scope):
    with pytest.raises(UserError, match="keep_artifacts"):
        make_agent(forking=LiveForkCapability(keep_artifacts=True))
    agent = make_agent(forking=True, include_checkpoints=True)
    branches = [
        {"label": label, "steer": script(call("write_file", path=f"/{label}.md", content=SECRET), "wrote")}
        for label in ("a", "b")
    ]
    steps = [call("fork_run", specs=branches), call("inspect_branches", repeat_while="running"), "forked"]
    await agent.run(script(*steps), deps=(deps := deps_of(ada, checkpoint_store=HivemindCheckpointStore(ada))))
    coordinator = deps.fork_coordinator
    assert coordinator is not None
    mirrored = coordinator.materializer_root
    assert mirrored.is_absolute()
    assert mirrored.stat().st_mode & 0o077 == 0
    assert any(mirrored.iterdir())
    assert not Path(".pydantic-deep").exists()
    await coordinator.abort_fork()


def test_registries_of_agents_are_refused(make_agent: MakeAgent):
    from subagents_pydantic_ai import DynamicAgentRegistry, create_agent_factory_toolset

    registry = DynamicAgentRegistry()
    with pytest.raises(UserError, match="PerScope"):
        make_agent(subagent_registry=registry)
    toolset = create_agent_factory_toolset(registry=registry, allowed_models=["test"], default_model="test")
    with pytest.raises(UserError, match="PerScope"):
        make_agent(toolsets=[toolset])


def test_capabilities_are_classified(make_agent: MakeAgent):
    from pydantic_ai_shields import CostTracking, ToolGuard

    make_agent(capabilities=[ToolGuard(blocked=["execute"])])
    with pytest.raises(UserError, match="cost_budget_usd"):
        make_agent(capabilities=[CostTracking(budget_usd=1.0)])

    class Mine(AbstractCapability[Any]):
        pass

    with pytest.warns(UserWarning, match="`Mine` is unknown here"):
        make_agent(middleware=[Mine()])


def test_dependencies_are_each_runs_own():
    assert DeepAgentDeps().todos is not DeepAgentDeps().todos


def test_capabilities_that_keep_in_scopes_are_accepted_without_a_word(make_agent: MakeAgent):
    from pydantic_ai_todo import TodoCapability

    found: list[Any] = [TodoCapability(async_storage=HivemindTodoStorage()), HivemindHistorySearch(), RunActor()]
    if not TAKES_BACKEND:
        from pydantic_ai_harness.planning import Planning
        from pydantic_ai_harness.spend import SpendLimits
        from pydantic_ai_harness.step_persistence import StepPersistence

        stores = [Planning(store=HivemindPlanStore()), SpendLimits(store=HivemindSpendStore())]
        found += [*stores, StepPersistence(store=HivemindStepStore())]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for capability in found:
            make_agent(capabilities=[capability])
