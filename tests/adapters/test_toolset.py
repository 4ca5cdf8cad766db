"""The tools `remember` and `search_memory`, called by agents of plain pydantic-ai."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelRequest, ToolReturnPart
from pydantic_ai_backends import StateBackend
from pydantic_deep.features.forking.isolation import BranchOverlay
from scripted_model import EVERYTHING, call, script, scripted_model

from pydantic_hivemind import Hivemind, HivemindBackend, HivemindSearch, HivemindToolset, Scope
from pydantic_hivemind.deep import TAKES_BACKEND, DeepAgentDeps
from pydantic_hivemind.limits import MAX_SEARCH_RESULT_CHARS
from pydantic_hivemind.rendering.hits import WORDS_ONLY

pytestmark = pytest.mark.anyio

NOTES = "/.deep/memory/main/MEMORY.md"


@dataclass
class Deps:
    """Any dependencies that have a backend."""

    backend: Any = None


async def use(toolset: HivemindToolset, *calls: Any, deps: Any = None, **options: Any) -> list[str]:
    """What the model is told after each call; what it is asked to try again begins with `retry: `."""
    agent = Agent(scripted_model(), toolsets=[toolset])
    result = await agent.run(script(*calls), deps=deps, **options)
    told: list[str] = []
    for message in result.all_messages():
        for part in message.parts if isinstance(message, ModelRequest) else ():
            if isinstance(part, ToolReturnPart):
                told.append(("retry: " if part.outcome == "retried" else "") + part.model_response_str())
            elif part.part_kind == "retry-prompt":  # before pydantic-ai 2.60
                told.append(f"retry: {part.model_response()}")
    return told


# -- remembering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "notes", "after"),
    [
        (None, ["Ada drinks tea"], "- Ada drinks tea\n"),
        (None, ["  Ada drinks tea \n", "- Bo is away", "1. first"], "- Ada drinks tea\n- Bo is away\n1. first\n"),
        ("# Notes", ["one"], "# Notes\n- one\n"),
        ("a\r\n\ufeffb \n\n", ["one"], "a\r\n\ufeffb \n\n- one\n"),
        ("- one\n", ["# Steps\n\nfirst", "two"], "- one\n\n# Steps\n\nfirst\n- two\n"),
        ("- one\n", ["one", "- one"], "- one\n"),
        ("- someone\n- one day\n", ["one"], "- someone\n- one day\n- one\n"),
        ("", ["a\nb", "a\nb", "b"], "a\nb\n- b\n"),
    ],
)
async def test_a_note_is_added_to_what_is_there(scope: Scope, before: str | None, notes: list[str], after: str) -> None:
    if before is not None:
        scope.write_text(NOTES, before)
    await use(HivemindToolset(scope), *(call("remember", content=note) for note in notes))
    assert scope.read_bytes(NOTES) == after.encode()


async def test_it_says_what_it_did(scope: Scope) -> None:
    note = call("remember", content="tea")
    assert await use(HivemindToolset(scope), note, note, call("remember", content="tea", file="drinks")) == [
        "Remembered in MEMORY.md.",
        "MEMORY.md has this note already.",
        "Remembered in drinks.md.",
    ]
    assert scope.history(NOTES)[0].version == scope.stat(NOTES).version
    assert len(scope.history(NOTES)) == 1
    assert scope.read_text("/.deep/memory/main/drinks.md") == "- tea\n"


async def test_notes_are_kept_with_the_memory_of_the_agent(scope: Scope) -> None:
    await use(HivemindToolset(scope, agent_name="planner"), call("remember", content="tea"))
    assert [stat.path for stat in scope.glob("**")] == ["/.deep/memory/planner/MEMORY.md"]


async def test_tags_are_added_to_those_of_the_file(scope: Scope) -> None:
    toolset = HivemindToolset(scope)
    notes = [call("remember", content=str(number), tags=[f"t{number}"]) for number in range(2)]
    await use(toolset, *notes, call("remember", content="2"), call("remember", content="2", tags=["t1", "t3"]))
    assert scope.stat(NOTES).tags == ("t0", "t1", "t3")
    assert scope.read_text(NOTES) == "- 0\n- 1\n- 2\n"


async def test_of_notes_at_the_same_time_each_is_kept(scope: Scope) -> None:
    toolset = HivemindToolset(scope)
    many = [[call("remember", content=f"{run} {number}") for number in range(3)] for run in range(12)]
    await asyncio.gather(*(use(toolset, calls) for calls in many))
    assert sorted(scope.read_text(NOTES).splitlines()) == sorted(f"- {run} {n}" for run in range(12) for n in range(3))


async def test_two_sessions_promote_what_each_has_remembered(scope: Scope) -> None:
    scope.write_text(NOTES, "- before\n")
    sessions = [scope.spawn() for _ in range(2)]
    for session, note in zip(sessions, ("tea", "coffee"), strict=True):
        await use(HivemindToolset(session), call("remember", content=note))
    assert scope.read_text(NOTES) == "- before\n"
    for session in sessions:
        session.promote()
    assert scope.read_text(NOTES) == "- before\n- tea\n- coffee\n"


@pytest.mark.parametrize("file", ["../x", "a/b", ".md", "a b", "x" * 99, "a..b", "a\0", "/.deep/memory/other/x.md"])
async def test_a_file_has_a_plain_name(scope: Scope, file: str) -> None:
    (told,) = await use(HivemindToolset(scope), call("remember", content="tea", file=file))
    assert told.startswith("retry: ")
    assert "is not a valid file name" in told
    assert not scope.glob("**")


async def test_what_cannot_be_remembered_is_asked_for_again(scope: Scope) -> None:
    scope.write_bytes("/.deep/memory/main/photo.md", b"\xff")
    scope.make_dir("/.deep/memory/main/album.md")
    for arguments, reason in [
        ({"content": " \n"}, "`content` is empty"),
        ({"content": "tea", "file": "photo"}, "is not UTF-8 text"),
        ({"content": "tea", "file": "album"}, "is a directory"),
        ({"content": "tea", "tags": [""]}, "tags of 1 to"),
        ({"content": "tea", "tags": "no list"}, "valid list"),
        ({}, "content"),
    ]:
        (told,) = await use(HivemindToolset(scope), call("remember", **arguments))
        assert told.startswith("retry: ")
        assert reason in told
    assert not scope.exists(NOTES)


# -- searching -----------------------------------------------------------------------------------


async def test_passages_are_shown_with_their_places(hive: Hivemind, scope: Scope) -> None:
    child = hive.scope("run", parent=scope)
    scope.write_text("/handbook.md", "# Handbook\n\n  Releases are on Tuesdays.\n\n\n")
    child.write_text("/plans/trip.md", "Holidays at the sea.")
    told = await use(
        HivemindToolset(child),
        call("search_memory", query="the day of a release", limit=1),
        call("search_memory", query="the day of a release", under="/plans"),
    )
    assert told == [
        "/handbook.md:1-5 (from user/ada)\n> # Handbook\n> \n>   Releases are on Tuesdays.",
        "/plans/trip.md:1\n> Holidays at the sea.",
    ]


async def test_a_note_is_found_at_once(scope: Scope) -> None:
    told = await use(
        HivemindToolset(scope),
        call("remember", content="Ada drinks tea", tags=["people"]),
        call("remember", content="The tea house closes at nine", file="town"),
        call("search_memory", query="beverage", tags=["people"]),
    )
    assert told[-1] == f"{NOTES}:1\n> - Ada drinks tea"


async def test_it_says_when_nothing_was_found(scope: Scope) -> None:
    toolset = HivemindToolset(scope)
    assert await use(toolset, call("search_memory", query="tea")) == ["Nothing was found."]
    scope.write_text("/a.md", "tea")
    for place in ({"under": "/b"}, {"under": "/a.md/c"}, {"tags": ["x"]}):
        assert await use(toolset, call("search_memory", query="tea", **place)) == ["Nothing was found there."]


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
async def test_it_says_when_the_meaning_could_not_be_looked_for(tmp_path: Path) -> None:
    def fail(input: list[str]) -> Any:
        raise ConnectionError

    with Hivemind.open(tmp_path, embedder=fail) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "Ada drinks tea.\n")
        tools = HivemindToolset(scope)
        found, nothing = await use(tools, call("search_memory", query="tea"), call("search_memory", query="coffee"))
    assert found == f"/a.md:1\n> Ada drinks tea.\n\n{WORDS_ONLY}"
    assert nothing == f"Nothing was found.\n\n{WORDS_ONLY}"


async def test_receipts_of_what_was_done_to_memory_are_not_found(scope: Scope) -> None:
    scope.write_text("/.deep/memory/.memory-operations.json", '[{"id": "tea", "path": "main/tea.md"}]')
    assert await use(HivemindToolset(scope), call("search_memory", query="tea")) == ["Nothing was found."]


async def test_not_more_is_shown_than_a_model_should_read(scope: Scope) -> None:
    for number in range(60):
        scope.write_text(f"/{number}.md", f"Tea number {number}. " + "It is green and it is hot. " * 25)
    (told,) = await use(HivemindToolset(scope), call("search_memory", query="green tea", limit=50))
    assert MAX_SEARCH_RESULT_CHARS * 0.9 < len(told) < MAX_SEARCH_RESULT_CHARS + 200
    *_, last, more = told.split("\n\n")
    assert last.endswith(" [...]")
    assert (
        more == f"({50 - told.count('.md:')} more did not fit. Look for something more precise, or only in some place.)"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"query": " "}, "`query` is empty"),
        ({"query": "tea", "limit": 0}, "greater than or equal to 1"),
        ({"query": "tea", "limit": 51}, "less than or equal to 50"),
        ({"query": "tea", "under": "\0"}, "NUL"),
        ({"query": "tea", "tags": [7]}, "valid string"),
        ({}, "query"),
    ],
)
async def test_a_search_that_makes_no_sense_is_asked_for_again(
    scope: Scope, arguments: dict[str, Any], reason: str
) -> None:
    (told,) = await use(HivemindToolset(scope), call("search_memory", **arguments))
    assert told.startswith("retry: ")
    assert reason in told


@pytest.mark.parametrize("query", ["tea " * 30_000, "\0\x1b\ud83d"[:2], "*?[(%_'\""])
async def test_any_text_is_a_query(scope: Scope, query: str) -> None:
    scope.write_text("/a.md", "tea")
    assert await use(HivemindToolset(scope), call("search_memory", query=query)) == ["/a.md:1\n> tea"]


# -- which scope ---------------------------------------------------------------------------------


async def test_the_scope_is_that_of_the_run(hive: Hivemind, scope: Scope) -> None:
    toolset, other = HivemindToolset(), hive.scope("user/bo")
    for user in (scope, other):
        note = call("remember", content=f"the word of {user.name}")
        told = await use(toolset, note, call("search_memory", query="password"), deps=Deps(HivemindBackend(user)))
        assert told[-1] == f"{NOTES}:1\n> - the word of {user.name}"


async def test_a_function_may_say_which_scope(hive: Hivemind) -> None:
    toolset = HivemindToolset(lambda ctx: hive.scope(ctx.deps, create=False))
    hive.scope("user/bo")
    await use(toolset, call("remember", content="tea"), deps="user/bo")
    assert hive.scope("user/bo").read_text(NOTES) == "- tea\n"
    (told,) = await use(toolset, call("remember", content="tea"), deps="user/cy")
    assert told == "Error: scope 'user/cy' does not exist; create it with hive.scope(name)"


@pytest.mark.parametrize("deps", [None, Deps(), Deps(StateBackend())], ids=["none", "no backend", "another backend"])
async def test_a_run_without_a_scope_is_an_error_of_the_app(deps: Any) -> None:
    for tool in (call("remember", content="tea"), call("search_memory", query="tea")):
        with pytest.raises(UserError, match="This run has no scope"):
            await use(HivemindToolset(), tool, deps=deps)


async def test_a_scope_or_hive_that_is_gone_is_said_in_words(hive: Hivemind, scope: Scope) -> None:
    calls = [call("remember", content="tea"), call("search_memory", query="tea")]
    scope.destroy()
    gone = "Error: the scope was destroyed; ask the hive for it again"
    assert await use(HivemindToolset(scope), *calls) == [gone, gone]
    hive.close()
    closed = "Error: the hive is closed; open it again"
    assert await use(HivemindToolset(scope), *calls) == [closed, closed]


async def test_a_workspace_is_a_scope_too(hive: Hivemind, scope: Scope) -> None:
    workspaces = pytest.importorskip("pydantic_ai.workspaces")
    toolset = HivemindToolset()
    calls = [call("remember", content="tea"), call("search_memory", query="beverage")]
    told = await use(toolset, *calls, workspace=workspaces.Workspace(scope.workspace()))
    assert told == ["Remembered in MEMORY.md.", f"{NOTES}:1\n> - tea"]
    # The workspace is what the run works in, whatever the dependencies have.
    deps = Deps(HivemindBackend(hive.scope("user/bo")))
    read_only = workspaces.ReadOnlyWorkspace(workspaces.Workspace(scope.workspace()))
    told = await use(toolset, *calls, workspace=read_only, deps=deps)
    assert told == ["Error: nothing can be remembered, because this run may only read", f"{NOTES}:1\n> - tea"]


async def test_a_conversation_in_a_session_of_its_own(hive: Hivemind) -> None:
    pytest.importorskip("pydantic_ai.workspaces")
    from pydantic_hivemind import HivemindWorkspace

    capabilities = [HivemindWorkspace(hive, "visitors"), HivemindSearch()]
    agent = Agent(scripted_model(), capabilities=capabilities)
    first = await agent.run(script(call("remember", content="tea")))
    look = script(call("search_memory", query="tea"), EVERYTHING)
    assert "- tea" in (await agent.run(look, message_history=first.all_messages())).output
    assert "- tea" not in (await agent.run(look)).output


def branch_of(scope: Scope, depth: int) -> tuple[Any, dict[str, Any]]:
    """A branch of a fork, or of a branch, as pydantic-deep makes it; and the options of a run that works in it."""
    branch: Any
    if TAKES_BACKEND:
        branch = HivemindBackend(scope)
        for _ in range(depth):
            branch = BranchOverlay(branch)
        return branch, {"deps": DeepAgentDeps(backend=branch)}
    from pydantic_ai.workspaces import Workspace

    branch = scope.workspace()
    for _ in range(depth):
        branch = BranchOverlay(Workspace(branch))
    return branch, {"deps": DeepAgentDeps(backend=HivemindBackend(scope)), "workspace": Workspace(branch)}


async def done(work: Any) -> Any:
    """The outcome of a method that is awaited on one line only."""
    return await work if inspect.isawaitable(work) else work


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_branch_of_a_fork_has_its_notes_for_itself(scope: Scope, depth: int) -> None:
    scope.write_text("/drinks.md", "Ada drinks tea.")
    scope.write_text("/people.md", "Bo drinks coffee.")
    scope.write_text("/old.md", "Cy drinks wine.")
    branch, options = branch_of(scope, depth)
    write, delete = ("write", "delete") if TAKES_BACKEND else ("write_bytes", "remove")
    await done(getattr(branch, write)("/drinks.md", b"Ada drinks nothing."))
    await done(getattr(branch, delete)("/old.md"))
    told = await use(
        HivemindToolset(),
        [call("remember", content=f"note {number}") for number in range(3)],
        call("remember", content="note 0", tags=["x"]),
        call("remember", content="note 3", tags=["x"]),
        call("search_memory", query="beverages"),
        **options,
    )
    lost = "The tags were not kept: in a branch of a fork there are none."
    assert told == [
        *["Remembered in MEMORY.md."] * 3,
        f"MEMORY.md has this note already. {lost}",
        f"Remembered in MEMORY.md. {lost}",
        "/people.md:1\n> Bo drinks coffee.",
    ]
    assert not scope.exists(NOTES)
    assert await done(branch.read_bytes(NOTES)) == b"".join(b"- note %d\n" % n for n in range(4))


# -- beside other tools --------------------------------------------------------------------------


async def test_the_model_is_told_when_to_use_them(scope: Scope) -> None:
    for agent in (
        Agent(scripted_model(), toolsets=[HivemindToolset(scope)]),
        Agent(scripted_model(), capabilities=[HivemindSearch(scope)]),
    ):
        assert "`search_memory` finds what was kept" in (await agent.run(script(EVERYTHING))).output


async def test_a_tool_of_the_app_is_not_replaced(scope: Scope) -> None:
    def search_memory() -> str:
        return ""

    agent = Agent(scripted_model(), tools=[search_memory], capabilities=[HivemindSearch(scope)])
    with pytest.raises(UserError, match="conflicts"):
        await agent.run(script(call("search_memory")))


async def test_the_harness_s_search_is_replaced(scope: Scope) -> None:
    harness = pytest.importorskip("pydantic_ai_harness.memory")
    store = harness.InMemoryStore({"main/MEMORY.md": "tea of the harness"})
    agent = Agent(scripted_model(), capabilities=[harness.Memory(store, inject_memory=False), HivemindSearch(scope)])
    scope.write_text("/a.md", "tea")
    calls = [call("search_memory", query="tea", limit=1), call("read_memory", file="MEMORY.md")]
    told = (await agent.run(script(*calls, EVERYTHING))).output
    assert "/a.md:1\n> tea\ntea of the harness" in told
