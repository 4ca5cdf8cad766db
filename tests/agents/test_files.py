"""Where agents keep their other files, on both lines of pydantic-deep."""

from __future__ import annotations

import pytest
from pydantic_ai import RunContext

from pydantic_hivemind import Scope
from pydantic_hivemind.deep import DeepAgentDeps

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio

LARGE = "\n".join(f"{number}: some result of a tool" for number in range(8000))


def large_report() -> str:
    """A report that is too large for the conversation."""
    return LARGE


async def test_plans(make_agent: MakeAgent, ada: Scope) -> None:
    plan = script(call("save_plan", title="Move house", content="1. pack"))
    await make_agent().run(script(call("task", description=plan, subagent_type="planner")), deps=deps_of(ada))
    (saved,) = ada.glob("/plans/*.md")
    assert saved.path.startswith("/plans/move-house")
    assert ada.read_text(saved.path) == "1. pack"


async def test_a_large_result_is_evicted_and_read_back(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent(tools=[large_report])
    steps = [call("large_report"), call("read_file", path="<<saved to: (\\S+)>>", offset=7000, limit=3), EVERYTHING]
    result = await agent.run(script(*steps), deps=deps_of(ada))
    (evicted,) = ada.glob("**/large_tool_results/*")
    assert ada.read_text(evicted.path) == LARGE
    assert "7001: some result of a tool" in result.output
    assert "5000: some result of a tool" not in result.output


async def test_file_tools_see_one_tree(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    project.write_text("/docs/guide.md", "shared words\n")
    steps = [
        call("write_file", path="docs/mine.md", content="own words\n"),
        [
            call("glob", pattern="docs/*.md"),
            call("grep", pattern="words", output_mode="content"),
            call("ls", path="docs"),
        ],
        EVERYTHING,
    ]
    result = await make_agent().run(script(*steps), deps=deps_of(ada))
    assert ada.read_text("/docs/mine.md") == "own words\n"
    assert "own words" in result.output
    assert "shared words" in result.output
    assert not project.exists("/docs/mine.md")


async def test_an_edit_of_an_inherited_file_is_the_users_own(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    project.write_text("/docs/guide.md", "one\ntwo\n")
    agent = make_agent(edit_format="str_replace")
    steps = [
        call("read_file", path="/docs/guide.md"),
        call("edit_file", path="/docs/guide.md", old_string="two", new_string="three"),
    ]
    await agent.run(script(*steps), deps=deps_of(ada))
    assert ada.read_text("/docs/guide.md") == "one\nthree\n"
    assert project.read_text("/docs/guide.md") == "one\ntwo\n"


async def test_uploads_outlive_the_dependencies(make_agent: MakeAgent, ada: Scope) -> None:
    path = await deps_of(ada).upload_file("sales.csv", b"region,sum\nnorth,3\n")
    assert ada.read_bytes("/uploads/sales.csv") == b"region,sum\nnorth,3\n"
    result = await make_agent().run(script(call("read_file", path=path), EVERYTHING), deps=deps_of(ada))
    assert "north,3" in result.output


async def test_an_upload_is_listed_and_not_written_over_the_agents_change(make_agent: MakeAgent, ada: Scope) -> None:
    deps = deps_of(ada)
    path = await deps.upload_file("notes.txt", b"draft")
    assert "notes.txt" in deps.get_uploads_summary()
    agent = make_agent()
    await agent.run(script(call("write_file", path=path, content="final")), deps=deps)
    await agent.run(script("nothing to do"), deps=deps)
    assert ada.read_text("/uploads/notes.txt") == "final"


async def test_context_files_come_from_the_scope(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    project.write_text("/AGENTS.md", "Answer in rhymes.")
    ada.write_text("/SOUL.md", "You are patient.")
    discovered = await make_agent(context_discovery=True).run(script(EVERYTHING), deps=deps_of(ada))
    assert "Answer in rhymes." in discovered.output
    assert "You are patient." in discovered.output
    named = await make_agent(context_files=["/AGENTS.md"]).run(script(EVERYTHING), deps=deps_of(ada))
    assert "Answer in rhymes." in named.output


async def test_subagents_share_the_scope(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    ada.write_text("/brief.md", "paint it green")
    work = script(
        call("read_file", path="/brief.md"), call("write_file", path="/result.md", content="green"), EVERYTHING
    )
    agent = make_agent()
    steps = [call("task", description=work, subagent_type="general-purpose"), EVERYTHING]
    result = await agent.run(script(*steps), deps=deps_of(ada))
    assert "paint it green" in result.output
    assert ada.read_text("/result.md") == "green"
    assert not project.exists("/result.md")


async def test_the_users_own_tools_await_the_backend(make_agent: MakeAgent, ada: Scope) -> None:
    async def note(ctx: RunContext[DeepAgentDeps], text: str) -> str:
        """Keep a note."""
        result = await ctx.deps.backend.write("/notes.md", text)
        assert result.error is None
        return await ctx.deps.backend.read("/notes.md")

    result = await make_agent(tools=[note]).run(script(call("note", text="remember"), EVERYTHING), deps=deps_of(ada))
    assert ada.read_text("/notes.md") == "remember"
    assert "remember" in result.output
    backend = deps_of(ada).backend
    assert backend.unwrap().scope == ada
    assert await backend.exists("/notes.md")
    assert [info["path"] for info in await backend.ls_info("/")] == ["/notes.md"]
    assert await backend.read_bytes("/notes.md") == b"remember"
    assert (await backend.edit("/notes.md", "remember", "forget")).occurrences == 1
    assert [info["path"] for info in await backend.glob_info("*.md")] == ["/notes.md"]
    assert [match["line"] for match in await backend.grep_raw("forget")] == ["forget"]
