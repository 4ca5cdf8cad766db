"""Lost updates of pydantic-deep's own agents, and of the memory stores of pydantic-ai's harness: there are none."""

import asyncio
import json
from typing import Any

import pytest
from pydantic_ai import Agent
from read_modify_write_agent import MEMORY, Call, lines_of, returned, scripted

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope


@pytest.fixture
def scope(hive: Hivemind) -> Scope:
    return hive.scope("project").spawn("run")


def deep_agent(*steps: list[Call]) -> Any:
    pydantic_deep = pytest.importorskip("pydantic_deep")
    if "backend" not in pydantic_deep.DeepAgentDeps.__dataclass_fields__:
        pytest.skip("its agents take no backend")
    extras = (
        "web_search web_fetch thinking cost_tracking context_manager stuck_loop_detection include_subagents "
        "include_builtin_subagents include_skills include_plan include_todo include_monitoring"
    )
    return pydantic_deep.create_deep_agent(scripted(*steps), **dict.fromkeys(extras.split(), False))


def deep_deps(backend: HivemindBackend) -> Any:
    import pydantic_deep

    return pydantic_deep.DeepAgentDeps(backend=backend)


@pytest.mark.parametrize("start", [None, "# Memory\n- old;\n"])
def test_deep_agent_memory_in_one_step(scope: Scope, start: str | None) -> None:
    calls: list[Call] = [("write_memory", {"content": f"- line {n}"}) for n in range(8)]
    if start:
        scope.write_text(MEMORY, start)
        calls.insert(4, ("update_memory", {"old_text": "old;", "new_text": "new;"}))
    result = asyncio.run(deep_agent(calls).run("go", deps=deep_deps(HivemindBackend(scope))))
    assert all(answer.startswith("Memory updated") for answer in returned(result.all_messages()))
    kept = ["# Memory", "- new;"] if start else []
    assert sorted(lines_of(scope)) == sorted([*kept, *(f"- line {n}" for n in range(8))])


def test_deep_agents_of_one_scope_at_once(hive: Hivemind) -> None:
    project = hive.scope("project")
    project.write_text(MEMORY, "# Memory\n")
    backend = HivemindBackend(project)

    async def everybody() -> list[str]:
        runs = [
            deep_agent(
                *([("write_memory", {"content": f"- {user}.{step}.{n}"}) for n in range(3)] for step in range(2))
            ).run("go", deps=deep_deps(backend))
            for user in range(5)
        ]
        return [answer for result in await asyncio.gather(*runs) for answer in returned(result.all_messages())]

    assert all(answer.startswith("Memory updated") for answer in asyncio.run(everybody()))
    lines = [f"- {user}.{step}.{n}" for user in range(5) for step in range(2) for n in range(3)]
    assert sorted(lines_of(project)) == sorted(["# Memory", *lines])


def test_deep_agent_edits_in_one_step(scope: Scope) -> None:
    scope.write_text("/code.py", "a = 0\nb = 0\n")
    calls: list[Call] = [("write_file", {"path": f"/f{n}", "content": f"{n}"}) for n in range(4)]
    agent = deep_agent(calls, [("read_file", {"path": "/code.py"})], calls)
    result = asyncio.run(agent.run("go", deps=deep_deps(HivemindBackend(scope))))
    assert not [answer for answer in returned(result.all_messages()) if "Error" in answer]
    assert [scope.read_text(f"/f{n}") for n in range(4)] == ["0", "1", "2", "3"]


# -- the journal beside the memory of pydantic-ai's harness ----------------------------------------

JOURNAL = "/.deep/memory/main/.memory-operations.json"


def entry(id: str, *, done: bool = True) -> dict[str, object]:
    return {"id": id, "fingerprint": "f", "kind": "write", "path": "MEMORY.md", "done": done}


def test_journals_of_two_sessions_stay_with_them(hive: Hivemind) -> None:
    project = hive.scope("project")
    project.write_text(MEMORY, "- a\n")
    project.write_text(JOURNAL, json.dumps([entry("0", done=False), entry("gone")]))
    sessions = [project.spawn(), project.spawn()]
    for number, session in enumerate(sessions):
        session.write_text(MEMORY, f"- a\n- {number}\n")
        session.write_text(JOURNAL, json.dumps([entry("0"), entry(f"of {number}"), entry(f"and {number}")]))
    for session in sessions:
        assert session.promote().conflicts == ()
    assert lines_of(project) == ["- a", "- 0", "- 1"]
    assert json.loads(project.read_text(JOURNAL)) == [entry("0", done=False), entry("gone")]
    assert json.loads(sessions[1].read_text(JOURNAL))[1:] == [entry("of 1"), entry("and 1")]


def test_journals_are_merged_entry_by_entry(scope: Scope) -> None:
    scope.write_text(JOURNAL, json.dumps([entry("a", done=False)]))
    base = scope.read(JOURNAL)
    scope.write_text(JOURNAL, json.dumps([entry("a"), entry("b")]))
    scope.merge(JOURNAL, json.dumps([entry("a", done=False), entry("c")]).encode(), base=base)
    assert json.loads(scope.read_text(JOURNAL)) == [entry("a"), entry("b"), entry("c")]


def test_a_journal_stays_short(scope: Scope) -> None:
    scope.write_text(JOURNAL, json.dumps([entry(f"a{n}") for n in range(1000)]))
    scope.merge(JOURNAL, json.dumps([entry(f"b{n}") for n in range(1000)]).encode(), base=None)
    ids = [item["id"] for item in json.loads(scope.read_text(JOURNAL))]
    assert len(ids) == 1024
    assert ids[-1] == "b999"


@pytest.mark.parametrize("damaged", [b"[{", b"{}", b"[1]", b'[{"no": 1}]', b"\xff", b'[{"id": []}]'])
def test_a_damaged_journal_stands_in_nobodys_way(scope: Scope, damaged: bytes) -> None:
    scope.write_bytes(JOURNAL, damaged)
    scope.merge(JOURNAL, json.dumps([entry("a")]).encode(), base=None)
    assert json.loads(scope.read_text(JOURNAL)) == [entry("a")]


def test_file_stores_of_many_runs_at_once(scope: Scope) -> None:
    """Each run has a `FileStore` of its own, so that nothing but the scope brings them together."""
    memory = pytest.importorskip("pydantic_ai_harness.memory")

    async def remember(line: str) -> str:
        store = memory.FileStore("/.deep/memory/main", workspace=scope.workspace())
        operation = memory.MemoryOperation(id=line, fingerprint=line)
        for _ in range(50):
            file = await store.read("MEMORY.md", max_chars=10_000)
            text = (file.content if file else "") + f"{line}\n"
            try:
                await store.write(
                    "MEMORY.md", text, expected_version=file.version if file else None, operation=operation
                )
            except memory.MemoryConflictError:
                continue
            return "ok"
        return "failed"

    writer = Agent(tools=[remember])

    async def everybody() -> list[str]:
        runs = [
            writer.run("go", model=scripted(*([("remember", {"line": f"- {n}.{s}"})] for s in range(2))))
            for n in range(4)
        ]
        return [answer for result in await asyncio.gather(*runs) for answer in returned(result.all_messages())]

    assert asyncio.run(everybody()) == ["ok"] * 8
    lines = [f"- {n}.{step}" for n in range(4) for step in range(2)]
    assert sorted(lines_of(scope)) == lines
    assert sorted(item["id"] for item in json.loads(scope.read_text(JOURNAL)) if item["done"]) == lines
