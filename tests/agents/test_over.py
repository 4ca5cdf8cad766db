"""A coding agent: memory, plans and evictions in the scope, files and commands in a directory of this machine.

On the line of pydantic-deep that has backends, its `CompositeBackend` does this.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pydantic_hivemind import Scope
from pydantic_hivemind.deep import TAKES_BACKEND

if TAKES_BACKEND:
    pytest.skip("this pydantic-deep has backends", allow_module_level=True)

from pydantic_ai import Agent
from pydantic_ai.capabilities import LocalWorkspace

from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace

from .conftest import MakeAgent, deps_of
from .memory_checks import MEMORY, NAMED, check_runs_at_once
from .scripted_model import EVERYTHING, call, script
from .test_forks import fork

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:.*checkpoint.*:UserWarning", "ignore:Appending to `request_context.messages`"),
]

LARGE = "\n".join(f"{number}: some result of a tool" for number in range(8000))


def large_report() -> str:
    """A report that is too large for the conversation."""
    return LARGE


@pytest.fixture
def make_coder(make_agent: MakeAgent, directory: Path) -> Any:
    def make(**options: Any) -> Agent[Any, str]:
        return make_agent(workspace=HivemindWorkspace(over=LocalWorkspace(directory)), **options)

    return make


async def test_each_thing_in_its_place(make_coder: Any, ada: Scope, directory: Path) -> None:
    plan = script(call("save_plan", title="Refactor", content="1. tests"))
    steps = [
        call("write_file", path="main.py", content="print('hello')\n"),
        call("execute", command="cat main.py"),
        call("write_memory", content="- uses tabs"),
        call("task", description=plan, subagent_type="planner"),
        call("large_report"),
        call("read_file", path="<<saved to: (\\S+)>>", offset=7000, limit=2),
        [call("ls", path="."), call("ls", path="plans"), call("read_memory", **NAMED)],
        EVERYTHING,
    ]
    result = await make_coder(tools=[large_report]).run(script(*steps), deps=deps_of(ada))
    assert [path.name for path in directory.iterdir()] == ["main.py"]
    assert {stat.path.split("/")[1] for stat in ada.glob("**")} == {".deep", "plans"}
    assert "- uses tabs" in ada.read_text(MEMORY)
    (saved,) = ada.list_dir("/plans")
    assert ada.read_text(saved.path) == "1. tests"
    (evicted,) = ada.list_dir("/.deep/large_tool_results")
    assert ada.read_text(evicted.path) == LARGE
    assert "hello" in result.output
    assert "7001: some result of a tool" in result.output
    assert saved.name in result.output
    again = await make_coder().run(script(EVERYTHING), deps=deps_of(ada), message_history=result.all_messages())
    assert "- uses tabs" in again.output


@pytest.mark.skipif(not NAMED, reason="this pydantic-deep has memory tools of its own")
async def test_memory_is_replaced_in_one_piece(make_coder: Any, ada: Scope) -> None:
    """The store of the harness stages a file and moves it with a command where there are commands."""
    ada.write_text(MEMORY, "- old\n")
    change = call("write_memory", content="- new", old_text="- old")
    await make_coder().run(script(call("read_memory", **NAMED), change), deps=deps_of(ada))
    assert ada.read_text(MEMORY) == "- new\n"
    names = {stat.path for stat in ada.glob("/.deep/memory/**")}
    assert names == {MEMORY}
    assert json.loads(ada.read_text("/.deep/memory/.memory-operations.json"))


async def test_runs_at_the_same_time_lose_nothing(make_coder: Any, ada: Scope) -> None:
    await check_runs_at_once(make_coder, ada)


async def test_a_fork_is_merged_into_both(make_coder: Any, ada: Scope, directory: Path) -> None:
    for path in ("shared.txt", "old.txt"):
        (directory / path).write_text("below")
    pick = call("merge_or_select", action="pick:<<- (\\S+) \\(left\\)>>")
    result = await make_coder(forking=True).run(fork(pick, EVERYTHING), deps=deps_of(ada))
    assert "Merged fork" in result.output
    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        "shared.txt": "below",
        "choice.txt": "left",
    }
    assert ada.read_text(MEMORY).splitlines() == ["- went left"]


async def test_uploads_reach_the_commands(make_coder: Any, ada: Scope) -> None:
    deps = deps_of(ada)
    path = await deps.upload_file("sales.csv", b"north,3")
    result = await make_coder().run(script(call("execute", command=f"cat {path}"), EVERYTHING), deps=deps)
    assert "north,3" in result.output
