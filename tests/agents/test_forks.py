"""Forks of a run and their merge, on both lines of pydantic-deep."""

from __future__ import annotations

from typing import Any

import pytest

from pydantic_hivemind import Scope

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = [
    pytest.mark.anyio,
    # pydantic-deep says so where a fork has no checkpoints to go back to, and its forks use what is deprecated.
    pytest.mark.filterwarnings("ignore:.*checkpoint.*:UserWarning", "ignore:Appending to `request_context.messages`"),
]

MEMORY = "/.deep/memory/main/MEMORY.md"

LEFT = script(
    call("read_file", path="shared.txt"),
    call("write_file", path="choice.txt", content="left"),
    call("write_memory", content="- went left"),
    call("delete_file", path="old.txt"),
)
RIGHT = script(call("write_file", path="choice.txt", content="right"), call("write_memory", content="- went right"))


def fork(*end: dict[str, Any] | str) -> str:
    branches = [{"label": "left", "steer": LEFT}, {"label": "right", "steer": RIGHT}]
    return script(call("fork_run", specs=branches), call("inspect_branches", repeat_while="running"), *end)


@pytest.fixture
def forked(ada: Scope) -> Scope:
    ada.write_text("/shared.txt", "for all branches")
    ada.write_text("/old.txt", "out of date")
    ada.write_text(MEMORY, "- before\n")
    return ada


async def test_the_branch_that_is_picked_is_merged_and_the_other_is_gone(make_agent: MakeAgent, forked: Scope) -> None:
    pick = call("merge_or_select", action="pick:<<- (\\S+) \\(left\\)>>")
    result = await make_agent(forking=True).run(fork(pick, EVERYTHING), deps=deps_of(forked))
    assert "Merged fork" in result.output
    assert forked.read_text("/choice.txt") == "left"
    assert forked.read_text("/shared.txt") == "for all branches"
    assert not forked.exists("/old.txt")
    memory = forked.read_text(MEMORY)
    assert "- before" in memory
    assert "- went left" in memory
    assert "- went right" not in memory


async def test_a_fork_that_is_aborted_leaves_nothing(make_agent: MakeAgent, forked: Scope) -> None:
    abort = call("merge_or_select", action="abort")
    result = await make_agent(forking=True).run(fork(abort, EVERYTHING), deps=deps_of(forked))
    assert "Fork aborted" in result.output
    assert not forked.exists("/choice.txt")
    assert forked.read_text("/old.txt") == "out of date"
    assert forked.read_text(MEMORY) == "- before\n"
