"""What agents find and remember through their tools, on both lines of pydantic-deep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pydantic_hivemind import (
    Hivemind,
    HivemindBackend,
    HivemindSearch,
    HivemindToolset,
    HivemindWorkspace,
    Scope,
    Session,
)
from pydantic_hivemind.deep import TAKES_BACKEND, DeepAgentDeps

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio

MEMORY = "/.deep/memory/main/MEMORY.md"


@pytest.fixture
def bo(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/bo", parent=project)


def searching(query: str, **arguments: Any) -> str:
    return script(call("search_memory", query=query, **arguments), EVERYTHING)


async def test_the_second_user_finds_by_meaning_what_the_first_one_promoted(
    make_agent: MakeAgent, project: Scope, ada: Scope, bo: Scope
) -> None:
    agent = make_agent(capabilities=[HivemindSearch()])
    async with Session(ada) as session:
        learn = script(
            call("remember", content="The staging database is restored from the backup every Sunday night"),
            call("remember", content="Ada drinks tea", file="people"),
            call("remember", content="The service restarts in two steps", file="service"),
        )
        await agent.run(learn, deps=DeepAgentDeps(backend=session))
        session.promote()
    ada.promote(paths=["/.deep/memory/main/service.md", MEMORY])

    found = await agent.run(searching("When is the test data replaced?"), deps=deps_of(bo))
    assert f"{MEMORY}:1 (from project/acme)\n> - The staging database is restored from the backup" in found.output
    again = await agent.run(searching("how to reboot", limit=1), deps=deps_of(bo))
    assert "service.md:1 (from project/acme)\n> - The service restarts in two steps" in again.output
    assert "Ada drinks tea" not in (await agent.run(searching("beverages"), deps=deps_of(bo))).output
    assert not bo.diff()


async def test_ten_users_of_one_agent_find_what_is_their_own(
    make_agent: MakeAgent, hive: Hivemind, project: Scope
) -> None:
    project.write_text(MEMORY, "- The door of the office has the code 4711\n")
    agent = make_agent(capabilities=[HivemindSearch()])
    users = [hive.scope(f"user/number-{number}-", parent=project) for number in range(10)]

    async def chat(user: Scope) -> str:
        work = script(
            call("remember", content=f"The password of {user.name} is sesame-{user.name}"),
            call("write_file", path="/report.md", content=f"The secret report of {user.name} is about passwords."),
            [call("search_memory", query=query, limit=50) for query in ("secrets", "password", "office", "report")],
            EVERYTHING,
        )
        return (await agent.run(work, deps=deps_of(user))).output

    for user, told in zip(users, await asyncio.gather(*map(chat, users)), strict=True):
        assert [other.name for other in users if other.name in told] == [user.name]
        assert told.count(f"The secret report of {user.name}") > 1
        assert "4711" in told
    assert project.read_text(MEMORY) == "- The door of the office has the code 4711\n"


async def test_what_is_remembered_is_in_the_prompt_of_the_next_run(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent(capabilities=[HivemindSearch()])
    await agent.run(script(call("remember", content="Ada drinks tea")), deps=deps_of(ada))
    assert "- Ada drinks tea" in (await agent.run(script(EVERYTHING), deps=deps_of(ada))).output


async def test_both_ways_to_write_memory_keep_each_other_s_notes(make_agent: MakeAgent, ada: Scope) -> None:
    agents = [make_agent(capabilities=[HivemindSearch()]) for _ in range(3)]
    steps = [[call("remember", content=f"told {n}"), call("write_memory", content=f"- wrote {n}")] for n in range(6)]
    await asyncio.gather(*(agents[n % 3].run(script(step), deps=deps_of(ada)) for n, step in enumerate(steps)))
    notes = set(ada.read_text(MEMORY).splitlines())
    assert {f"- {verb} {n}" for verb in ("told", "wrote") for n in range(6)} <= notes


async def test_a_subagent_has_the_tools_it_is_given(make_agent: MakeAgent, ada: Scope) -> None:
    # Without memory of pydantic-deep's own, which may have a tool of the same name.
    helper = {
        "name": "helper",
        "description": "helps",
        "instructions": "Help.",
        "toolsets": [HivemindToolset(agent_name="helper")],
        "extra": {"memory": False},
    }
    agent = make_agent(subagents=[helper], capabilities=[HivemindSearch()])
    ada.write_text("/drinks.md", "Ada drinks tea.")
    task = script(call("search_memory", query="beverages"), call("remember", content="It is tea"), EVERYTHING)
    work = script(call("task", description=task, subagent_type="helper"), EVERYTHING)
    assert "/drinks.md:1\n> Ada drinks tea." in (await agent.run(work, deps=deps_of(ada))).output
    assert ada.read_text("/.deep/memory/helper/MEMORY.md") == "- It is tea\n"


async def test_an_agent_that_works_in_a_directory_of_the_machine(
    make_agent: MakeAgent, ada: Scope, tmp_path: Path
) -> None:
    """Only its memory, plans and evicted results are in the scope."""
    directory = tmp_path / "project"
    directory.mkdir()
    options: dict[str, Any] = {}
    deps = deps_of(ada)
    if TAKES_BACKEND:
        from pydantic_ai_backends import CompositeBackend, LocalBackend

        kept = HivemindBackend(ada)
        routes = {"/.deep": kept, "/plans": kept}
        deps = DeepAgentDeps(backend=CompositeBackend(default=LocalBackend(root_dir=str(directory)), routes=routes))
    else:
        from pydantic_ai.workspaces import LocalWorkspaceBackend

        options["workspace"] = HivemindWorkspace(over=LocalWorkspaceBackend(directory))
    agent = make_agent(capabilities=[HivemindSearch()], **options)
    work = script(
        call("remember", content="Ada drinks tea"),
        call("search_memory", query="drinks"),
        EVERYTHING,
    )
    assert f"{MEMORY}:1\n> - Ada drinks tea" in (await agent.run(work, deps=deps)).output
    assert ada.read_text(MEMORY) == "- Ada drinks tea\n"
    assert not list(directory.iterdir())


class TestForks:
    """A branch has its notes for itself until it is merged."""

    pytestmark = [
        pytest.mark.filterwarnings(
            "ignore:.*checkpoint.*:UserWarning", "ignore:Appending to `request_context.messages`"
        )
    ]

    LEFT = script(
        [call("remember", content=f"went left {number}") for number in range(3)],
        call("remember", content="tagged", file="tagged", tags=["x"]),
        call("edit_file", path="/drinks.md", old_string="Ada drinks tea.", new_string="Ada drinks nothing."),
        call("search_memory", query="beverages", under="/drinks.md"),
    )
    RIGHT = script(call("remember", content="went right"), call("remember", content="before"))

    async def fork(self, make_agent: MakeAgent, ada: Scope, *end: dict[str, Any] | str) -> str:
        ada.write_text(MEMORY, "- before\n")
        ada.write_text("/drinks.md", "Ada drinks tea.")
        branches = [{"label": "left", "steer": self.LEFT}, {"label": "right", "steer": self.RIGHT}]
        work = script(call("fork_run", specs=branches), call("inspect_branches", repeat_while="running"), *end)
        agent = make_agent(forking=True, capabilities=[HivemindSearch()])
        return (await agent.run(work, deps=deps_of(ada))).output

    async def test_the_notes_of_the_branch_that_is_picked_are_kept(self, make_agent: MakeAgent, ada: Scope) -> None:
        told = await self.fork(
            make_agent, ada, call("merge_or_select", action="pick:<<- (\\S+) \\(left\\)>>"), EVERYTHING
        )
        assert "Merged fork" in told
        assert ada.read_text(MEMORY) == "- before\n- went left 0\n- went left 1\n- went left 2\n"
        assert ada.read_text("/.deep/memory/main/tagged.md") == "- tagged\n"

    async def test_a_fork_that_is_aborted_leaves_no_note(self, make_agent: MakeAgent, ada: Scope) -> None:
        told = await self.fork(make_agent, ada, call("merge_or_select", action="abort"), EVERYTHING)
        assert "Fork aborted" in told
        assert ada.read_text(MEMORY) == "- before\n"
        assert not ada.exists("/.deep/memory/main/tagged.md")
