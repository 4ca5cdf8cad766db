"""Tools load a file, change it and store it: what others wrote in between is not lost."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from read_modify_write_agent import MEMORY, Call, agent, lines_of, load, returned, run, scripted, store

from pydantic_hivemind.adapters.backends import run_reads
from pydantic_hivemind.adapters.backends.run_reads import RunReads
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.errors import MergeConflict, PathNotFound
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope


@pytest.fixture
def scope(hive: Hivemind) -> Scope:
    return hive.scope("project").spawn("run")


@pytest.mark.parametrize("start", [None, "# Memory\n", "# Memory\n\n\n\n"])
def test_calls_of_one_step(scope: Scope, start: str | None) -> None:
    if start is not None:
        scope.write_text(MEMORY, start)
    new = [f"- line {n}" for n in range(12)]
    for batch in (new[:6], new[6:9], new[9:]):
        assert set(run(HivemindBackend(scope), [("append", {"line": line}) for line in batch])) == {"ok"}
    found = lines_of(scope)
    assert sorted(found) == sorted([*new, *(["# Memory"] if start else [])])


def test_calls_of_one_step_that_replace(scope: Scope) -> None:
    scope.write_text(MEMORY, "".join(f"- old {n};\n" for n in range(6)))
    steps = [("replace", {"old": f"old {n};", "new": f"new {n};"}) for n in range(6)]
    adding = [("append", {"line": f"- more {n}"}) for n in range(3)]
    assert set(run(HivemindBackend(scope), [*steps[:3], *adding, *steps[3:]])) == {"ok"}
    assert sorted(lines_of(scope)) == [f"- more {n}" for n in range(3)] + [f"- new {n};" for n in range(6)]


def test_runs_of_many_users_at_once(scope: Scope) -> None:
    backends = [HivemindBackend(scope), HivemindBackend(scope)]

    async def everybody() -> list[str]:
        runs = [
            agent.run(
                "go",
                model=scripted(
                    *([("append", {"line": f"- {user}.{step}.{n}"}) for n in range(2)] for step in range(3))
                ),
                deps=backends[user % 2],
            )
            for user in range(8)
        ]
        return [answer for result in await asyncio.gather(*runs) for answer in returned(result.all_messages())]

    assert set(asyncio.run(everybody())) == {"ok"}
    assert sorted(lines_of(scope)) == sorted(f"- {u}.{s}.{n}" for u in range(8) for s in range(3) for n in range(2))


PROCESS = """
import asyncio, sys
from pydantic_hivemind import Hivemind
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from read_modify_write_agent import agent, returned, scripted
directory, who = sys.argv[1:]
with Hivemind.open(directory, durability="normal") as hive:
    backend = HivemindBackend(hive.scope("project", create=False))
    model = scripted(*([("append", {"line": f"- {who}.{step}.{n}"}) for n in range(2)] for step in range(8)))
    print("ready", flush=True)
    sys.stdin.readline()
    result = asyncio.run(agent.run("go", model=model, deps=backend))
    print(set(returned(result.all_messages())))
"""


@pytest.mark.sqlite
def test_two_processes(hive: Hivemind, tmp_path: Path) -> None:
    project = hive.scope("project")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path / "hive"), who],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in "ab"
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == ["{'ok'}\n"] * 2
    assert sorted(lines_of(project)) == sorted(
        f"- {who}.{step}.{n}" for who in "ab" for step in range(8) for n in range(2)
    )


def test_what_was_taken_back_stays_back(scope: Scope) -> None:
    """Content that resembles an older version is not mistaken for one that was made from it."""
    scope.write_text(MEMORY, "- a\n")
    there = ("replace", {"old": "- a", "new": "- b"})
    back = ("replace", {"old": "- b", "new": "- a"})
    assert set(run(HivemindBackend(scope), [("load", {}), there], [back], [("edit", {"old": "a", "new": "c"})])) >= {
        "ok"
    }
    assert lines_of(scope) == ["- c"]
    run(HivemindBackend(scope), [("load", {})], [("edit", {"old": "c", "new": "d"})], [("store", {"text": "- c\n"})])
    assert lines_of(scope) == ["- c"]


def test_what_was_read_in_one_step_is_written_in_the_next(scope: Scope) -> None:
    scope.write_text(MEMORY, "- a\n- b\n")
    run(
        HivemindBackend(scope),
        [("load", {})],
        [("meanwhile", {"text": "- a\n- b\n- theirs\n"})],
        [("store", {"text": "- mine\n- a\n- b\n"})],
        [("store", {"text": "- all new\n"})],
    )
    assert sorted(lines_of(scope)) == ["- all new", "- theirs"], "the run has never seen what they wrote"
    run(HivemindBackend(scope), [("load", {})], [("store", {"text": "- all new\n"})])
    assert lines_of(scope) == ["- all new"]


def test_an_agent_that_waits_for_another(scope: Scope) -> None:
    scope.write_text(MEMORY, "- a\n")
    calls = [("append_what_another_agent_says", {"line": "- it is"}), ("append", {"line": "- b"})]
    assert run(HivemindBackend(scope), calls) == ["ok", "ok"]
    assert sorted(lines_of(scope)) == ["- a", "- b", "- it is done"]


def test_elsewhere_an_overlapping_change_is_refused_until_the_file_is_read_again(scope: Scope) -> None:
    path = "/src/code.py"
    scope.write_text(path, "x = 1\n")
    mine = ("store", {"path": path, "text": "x = 3\n"})
    answers = run(
        HivemindBackend(scope),
        [("load", {"path": path})],
        [("meanwhile", {"path": path, "text": "x = 2\n"})],
        [mine],
        [mine],
        [("load", {"path": path})],
        [mine],
    )
    refused = f"'{path}' changed in the same lines since it was read; read it again"
    assert answers == ["x = 1\n", "ok", refused, refused, "x = 2\n", "ok"]
    assert scope.read_text(path) == "x = 3\n"


def test_elsewhere_changes_of_different_places_are_merged(scope: Scope) -> None:
    path = "/src/code.py"
    scope.write_text(path, "".join(f"v{n} = 0\n" for n in range(9)))
    calls = [("replace", {"path": path, "old": f"v{n} = 0", "new": f"v{n} = {n}"}) for n in (1, 4, 7)]
    assert run(HivemindBackend(scope), calls) == ["ok"] * 3
    assert scope.read_text(path) == "".join(f"v{n} = {n if n in (1, 4, 7) else 0}\n" for n in range(9))


def test_a_file_that_others_removed_does_not_come_back_unnoticed(scope: Scope) -> None:
    scope.write_text("/f", "a\n")

    def removed(ctx: RunContext[HivemindBackend]) -> str:
        ctx.deps.scope.remove("/f")
        return "ok"

    steps: list[list[Call]] = [
        [("load", {"path": "/f"})],
        [("removed", {})],
        [("store", {"path": "/f", "text": "b\n"})],
    ]
    with agent.override(tools=[removed, load, store]):
        answers = run(HivemindBackend(scope), *steps)
    assert answers[-1] == "'/f' changed in the same lines since it was read; read it again"


def in_run(work: Callable[[], Any]) -> Any:
    """Do something inside a run."""
    outcome: list[Any] = []

    def tool() -> str:
        outcome.append(work())
        return "ok"

    asyncio.run(Agent(scripted([("tool", {})]), tools=[tool]).run("go"))
    return outcome[0]


def test_the_base_is_the_version_that_the_content_was_made_from(scope: Scope) -> None:
    """Two calls have read the same, one of them has written, a third has read that, when the second writes."""
    scope.write_text(MEMORY, "- a\n")

    def work() -> None:
        files = RunReads(scope)
        for _ in range(2):
            files.read(MEMORY)
        files.write(MEMORY, b"- a\n\n- 1\n- 2\n- first\n")
        files.read(MEMORY)
        files.write(MEMORY, b"- a\n\n- 1\n- 2\n")

    in_run(work)
    assert lines_of(scope) == ["- a", "- 1", "- 2", "- first"]


def test_each_read_is_the_base_of_one_write(scope: Scope) -> None:
    """One call that goes there and back again ends where it began."""
    scope.write_text("/f", "a\n")

    def work() -> None:
        files = RunReads(scope)
        files.read("/f")
        files.write("/f", b"b\n")
        files.read("/f")
        files.write("/f", b"a\n")
        files.write("/f", b"c\n")

    in_run(work)
    assert scope.read_text("/f") == "c\n"
    assert [version.size for version in scope.history("/f")] == [2] * 4


def test_the_runs_own_changes_are_no_conflict(scope: Scope) -> None:
    scope.write_text("/f", "a\n")
    load_it = ("load", {"path": "/f"})
    steps = [[load_it, load_it], *([("store", {"path": "/f", "text": text})] for text in ("b\n", "c\n", "a\n"))]
    assert run(HivemindBackend(scope), *steps) == ["a\n", "a\n", "ok", "ok", "ok"]
    assert scope.read_text("/f") == "a\n"
    steps = [[load_it], [("edit", {"path": "/f", "old": "a", "new": "b"})], [("store", {"path": "/f", "text": "c\n"})]]
    assert run(HivemindBackend(scope), *steps) == ["a\n", "ok", "ok"]
    assert scope.read_text("/f") == "c\n"


def test_a_read_that_failed_is_no_licence_to_overwrite(hive: Hivemind) -> None:
    """A tool that could not read takes the file for empty, and writes what it has."""
    session = hive.scope("project").spawn("gone")
    session.destroy()

    def work() -> None:
        files = RunReads(session)
        with pytest.raises(LookupError):
            files.read(MEMORY)
        files.scope = hive.scope("project")  # It works again.
        files.scope.write_text(MEMORY, "- theirs\n")
        files.write(MEMORY, b"- mine\n")

    in_run(work)
    assert lines_of(hive.scope("project")) == ["- theirs", "- mine"]


def test_absence_is_remembered_too(scope: Scope) -> None:
    def work() -> None:
        files = RunReads(scope)
        with pytest.raises(PathNotFound):
            files.read("/f")
        scope.write_text("/f", "theirs\n")
        with pytest.raises(MergeConflict):
            files.write("/f", b"mine\n")

    in_run(work)
    assert scope.read_text("/f") == "theirs\n"


def test_what_is_remembered_is_bounded(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reads, "MAX_BYTES", 1000)
    scope.write_text("/small", "x")
    scope.write_text("/big", "x" * 600)
    scope.write_text("/huge", "x" * 6000)
    files = RunReads(scope)

    def work() -> None:
        for _ in range(run_reads.MAX_READS + 10):
            files.read("/small")
        assert len(files._reads) == files._size == run_reads.MAX_READS
        files.read("/big")
        files.read("/big")
        assert files._size <= 1000
        files.read("/huge")
        assert [read.path for read in files._reads] == ["/huge"]

    in_run(work)
    files.read("/small")
    assert len(files._reads) == 1, "outside a run nothing is remembered"


WITHOUT_CONTEXT = """
import sys, warnings
import pydantic_ai._run_context
del pydantic_ai._run_context.get_current_run_context
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from pydantic_hivemind import Hivemind, HivemindBackend, Session
    with Hivemind.open(sys.argv[1]) as hive:
        scope = hive.scope("user/ada")
        one, two = HivemindBackend(scope), HivemindBackend(scope)
        one.read_bytes("/f")
        two.write("/f", "theirs")
        one.write("/f", "mine")
        print(scope.read_text("/f"), sum("pydantic-ai" in str(warning.message) for warning in caught))
"""


@pytest.mark.sqlite
def test_a_pydantic_ai_that_tells_no_run_gets_plain_writes_and_one_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_CONTEXT, str(tmp_path / "hive")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == ["mine", "1"]
