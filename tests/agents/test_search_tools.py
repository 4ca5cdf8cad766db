"""The agent's own `grep` and `glob` where pydantic-deep has workspaces: upstream's tools over Hivemind's search."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.deep import TAKES_BACKEND

if TAKES_BACKEND:
    pytest.skip("this pydantic-deep has backends, whose grep is Hivemind's", allow_module_level=True)

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import LocalWorkspace
from pydantic_ai.workspaces import Workspace
from pydantic_ai_backends import create_console_toolset
from pydantic_ai_backends.permissions import OperationPermissions, PermissionRule, PermissionRuleset

from pydantic_hivemind.adapters.pydantic_ai import file_tools
from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import layered
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script, scripted_model

pytestmark = pytest.mark.anyio

FILES = {
    "/a.md": "one word\n\nMüller two words\n",
    "/docs/b.md": "no match here\nword\n",
    "/docs/deep/c.txt": "word " * 60,
    "/docs/.hidden/d.md": "hidden word",
    "/.deep/memory/main/MEMORY.md": "- a word to remember\n",
    "/many.txt": "lots\n" * 70,
}
GREPS = [
    {"pattern": "word"},
    {"pattern": "word", "output_mode": "content"},
    {"pattern": "word", "output_mode": "count"},
    {"pattern": "^word$", "output_mode": "content", "path": "docs"},
    {"pattern": "^word$", "output_mode": "content", "path": "/docs/b.md"},
    {"pattern": "word", "output_mode": "content", "ignore_hidden": False, "path": "/docs"},
    {"pattern": "word", "path": ".deep/memory", "output_mode": "content"},
    {"pattern": "word", "glob_pattern": "*.txt"},
    {"pattern": "word", "glob_pattern": "*.{md,rst}", "output_mode": "content", "path": "."},
    {"pattern": r"\bMüller\b", "output_mode": "content"},
    {"pattern": "lots", "output_mode": "content"},
    {"pattern": "absent"},
    {"pattern": "("},
]
GLOBS = [
    {"pattern": "*.md"},
    {"pattern": "**/*.md", "path": "/"},
    {"pattern": "docs/*.md"},
    {"pattern": "*.md", "path": "docs"},
    {"pattern": ".deep/**/*.md"},
    {"pattern": "absent*"},
    {"pattern": "*", "path": "/absent"},
]


async def answers(agent: Agent[Any, str], scope: Scope, calls: list[dict[str, Any]]) -> str:
    result = await agent.run(script(calls, EVERYTHING), deps=deps_of(scope))
    return result.output


def fill(scope: Scope) -> None:
    for path, text in FILES.items():
        scope.write_text(path, text)


async def test_the_answers_are_those_of_upstreams_tools(
    make_agent: MakeAgent, ada: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ada)
    calls = [call("grep", **arguments) for arguments in GREPS] + [call("glob", **arguments) for arguments in GLOBS]
    used: list[str] = []
    for name, replacement in list(file_tools._SEARCHES.items()):

        async def counted(made: Any, search: Any, name: str = name, replacement: Any = replacement) -> Any:
            used.append(name)
            return await replacement(made, search)

        monkeypatch.setitem(file_tools._SEARCHES, name, counted)
    ours = await answers(make_agent(), ada, calls)
    assert used.count("grep") == len(GREPS)
    assert used.count("glob") == len(GLOBS)
    monkeypatch.setattr(file_tools, "_SEARCHES", {})
    theirs = await answers(make_agent(), ada, calls)
    # Upstream looks at directories last to first, and Hivemind by path.
    assert sorted(ours.split("\n")) == sorted(theirs.split("\n"))


async def test_what_is_refused_is_said_in_a_sentence(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/a", "x")
    steps = [call("grep", pattern="a(?=b)"), call("grep", pattern="a?" * 2000 + "a" * 2000)]
    steps += [call("glob", pattern="{a,b}" * 200), call("grep", pattern="x", path="/absent")]
    shown = await answers(make_agent(), ada, steps)
    assert "Error: Invalid regex pattern: lookahead (?=...) is not supported" in shown
    assert "Error: Invalid regex pattern: the pattern is too large to search for" in shown
    assert "Error: the glob stands for too many others" in shown
    assert "Error: file '/absent' does not exist" in shown


async def test_grep_selects_files_as_ripgrep_does(make_agent: MakeAgent, ada: Scope) -> None:
    fill(ada)
    shown = await answers(make_agent(), ada, [call("grep", pattern="word", path="/docs", glob_pattern="deep/*")])
    assert "/docs/deep/c.txt" in shown
    assert "/docs/b.md" not in shown


async def test_paths_with_colons(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/notes/10:30.md", "nothing\n\nsome \u2028word\n")
    ada.write_text("/z", "word\n")
    modes = ("content", "count", "files_with_matches")
    shown = await answers(make_agent(), ada, [call("grep", pattern="word", output_mode=mode) for mode in modes])
    assert "Matches for 'word':\n  /notes/10:30.md:3: some  word\n  /z:1: word" in shown
    assert "Found 2 match(es) for 'word'" in shown
    assert "Files containing 'word':\n  /notes/10:30.md\n  /z" in shown


async def test_more_matches_than_a_model_can_use(
    make_agent: MakeAgent, ada: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_tools, "MAX_GREP_MATCHES", 50)
    fill(ada)
    shown = await answers(make_agent(), ada, [call("grep", pattern="o", output_mode="count")])
    assert "More than 50 lines match 'o'; search for something rarer, or in fewer files." in shown


async def test_permission_rules_hold(hive: Hivemind) -> None:
    scope = hive.scope("a")
    for path in ("/open.md", "/secret/key.md", "/secret/10:30.md"):
        scope.write_text(path, "the word")
    deny = [PermissionRule(pattern="/secret/**", action="deny")]
    rules = PermissionRuleset(
        default="allow",
        read=OperationPermissions(default="allow", rules=deny),
        glob=OperationPermissions(default="allow", rules=deny),
    )
    toolset = create_console_toolset(include_execute=False, permissions=rules)
    agent = Agent(scripted_model(), toolsets=[toolset], capabilities=[HivemindWorkspace()], deps_type=object)
    for removed in ((), ("/secret/10:30.md",)):
        for path in removed:
            scope.remove(path)
        calls = [call("grep", pattern="word", output_mode="content"), call("glob", pattern="*.md")]
        result = await agent.run(script(calls, EVERYTHING), deps=deps_of(scope))
        assert "/open.md:1: the word" in result.output
        assert "Found 1 file(s)" in result.output
        assert "secret" not in result.output.replace(str(deny), "")


async def test_a_users_own_grep_is_left_alone(hive: Hivemind) -> None:
    def grep(ctx: RunContext[Any], pattern: str) -> str:
        """Find a pattern."""
        return f"mine: {pattern}"

    agent = Agent(scripted_model(), tools=[grep], capabilities=[HivemindWorkspace()], deps_type=object)
    result = await agent.run(script(call("grep", pattern="x"), EVERYTHING), deps=deps_of(hive.scope("a")))
    assert "mine: x" in result.output


async def test_over_a_directory_both_are_searched(make_agent: MakeAgent, ada: Scope, tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "code.py").write_text("word = 1\n")
    ada.write_text("/.deep/memory/main/MEMORY.md", "- the word\n")
    ada.write_text("/plans/one.md", "a plan with the word\n")
    agent = make_agent(workspace=HivemindWorkspace(over=LocalWorkspace(directory)))
    calls = [
        call("grep", pattern="word", output_mode="content"),
        call("grep", pattern="word", path=".deep/memory", output_mode="content"),
        call("grep", pattern="word", path="plans"),
        call("glob", pattern="*.md"),
        call("glob", pattern="*.py"),
        *(call("grep", pattern="there", glob_pattern=glob) for glob in ("*.py", "**/*.py", "deep/*.py", "*/more/*.py")),
    ]
    (directory / "deep" / "more").mkdir(parents=True)
    (directory / "deep" / "b.py").write_text("there = 1\n")
    (directory / "deep" / "more" / "c.py").write_text("there = 1\n")
    (directory / "there.txt").write_text("there\n")
    shown = await answers(agent, ada, calls)
    assert "./code.py:1: word = 1" in shown
    assert "./plans/one.md:1: a plan with the word" in shown
    assert ".deep/memory/main/MEMORY.md:1: - the word" in shown
    assert "Files containing 'word':\n  plans/one.md" in shown
    assert "Found 2 file(s) matching '*.md':" in shown
    assert "Found 3 file(s) matching '*.py':" in shown
    both, name = "./deep/b.py\n  ./deep/more/c.py", "Files containing 'there':\n  "
    assert shown.split(name)[1:] == [f"{both}\n", f"{both}\n", "./deep/b.py\n", "./deep/more/c.py"]


async def test_over_files_without_commands_both_are_searched(hive: Hivemind) -> None:
    upper, lower = hive.scope("upper"), hive.scope("lower")
    upper.write_text("/plans/one.md", "the word\n")
    lower.write_text("/code.py", "the word\n")
    lower.write_text("/.hidden", "the word\n")
    lower.write_bytes("/binary", b"\0\xffthe word")
    above = ScopeWorkspace(upper)
    workspace = Workspace(layered(above, lower.workspace(), above.open))
    agent = Agent(scripted_model(), toolsets=[create_console_toolset(include_execute=False)], deps_type=object)
    wrapped = Agent(
        scripted_model(),
        toolsets=[create_console_toolset(include_execute=False)],
        capabilities=[HivemindWorkspace()],
        deps_type=object,
    )
    calls = [call("grep", pattern="w.rd", output_mode="content"), call("glob", pattern="*.*")]
    for each in (agent, wrapped):
        result = await each.run(script(calls, EVERYTHING), deps=deps_of(upper), workspace=workspace)
        assert "/code.py:1: the word" in result.output
        assert "/plans/one.md:1: the word" in result.output
        assert "Found 2 file(s)" in result.output
        assert "hidden" not in result.output


def test_hostile_patterns_do_not_stop_the_loop(tmp_path: Path) -> None:
    """In a process of bounded memory and computing: `(a+)+$` held the loop for ever."""
    command = [sys.executable, Path(__file__).with_name("hostile_calls.py"), tmp_path / "hive"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert float(done.stdout) < 1
