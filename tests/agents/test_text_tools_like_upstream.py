"""The agent's own tools where pydantic-deep has workspaces: what upstream's say of a plain file, Hivemind's say too."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.deep import TAKES_BACKEND

if TAKES_BACKEND:
    pytest.skip("this pydantic-deep has backends", allow_module_level=True)

from pydantic_ai import Agent, BinaryContent
from pydantic_ai.messages import RetryPromptPart, ToolReturnPart
from pydantic_ai.workspaces import LocalWorkspaceBackend, Workspace
from pydantic_ai_backends import create_console_toolset
from pydantic_ai_backends.permissions import OperationPermissions, PermissionRule, PermissionRuleset

from pydantic_hivemind.adapters.pydantic_ai import file_tools, text_tools
from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import layered
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace

from .scripted_model import call, script, scripted_model

pytestmark = pytest.mark.anyio

FILES = {"/a.md": "one\ntwo\ntwo\n\nlast", "/empty.md": "", "/many.md": "line\n" * 30, "/dir/f.md": "x\n"}
READS = [
    {"path": "/a.md"},
    {"path": "a.md", "offset": 1, "limit": 2},
    {"path": "/a.md", "offset": 9},
    {"path": "/empty.md"},
    {"path": "/many.md", "limit": 10},
    {"path": "/absent.md"},
    {"path": "/dir"},
    {"path": "/a.md/under"},
]
EDITS = [
    {"path": "/a.md", "old_string": "one", "new_string": "1"},
    {"path": "/a.md", "old_string": "two", "new_string": "2"},
    {"path": "/a.md", "old_string": "two", "new_string": "2", "replace_all": True},
    {"path": "/a.md", "old_string": "absent", "new_string": "2"},
    {"path": "/absent.md", "old_string": "a", "new_string": "b"},
    {"path": "/dir", "old_string": "a", "new_string": "b"},
    {"path": "/empty.md", "old_string": "", "new_string": "filled\n"},
]
HASHED = [
    {"path": "/many.md", "start_line": 2, "start_hash": "64", "new_content": "x"},
    {"path": "/many.md", "start_line": 2, "start_hash": "zz", "new_content": "x"},
    {"path": "/many.md", "start_line": 99, "start_hash": "64", "new_content": "x"},
    {"path": "/many.md", "start_line": 5, "start_hash": "64", "end_line": 7, "new_content": ""},
    {"path": "/many.md", "start_line": 1, "start_hash": "64", "new_content": "x\ny", "insert_after": True},
    {"path": "/absent.md", "start_line": 1, "start_hash": "64", "new_content": "x"},
]


async def told(workspace: Any, calls: list[Any], **options: Any) -> list[Any]:
    """What the calls are told. Upstream's own call comes through a workspace that is not Hivemind's to the tools."""
    toolset = create_console_toolset(include_execute=False, max_retries=0, **options)
    agent = Agent(scripted_model(), toolsets=[toolset], capabilities=[HivemindWorkspace()], deps_type=object)
    result = await agent.run(script(*calls), deps=None, workspace=workspace)
    parts = [part for message in result.all_messages() for part in message.parts]
    return [part.content for part in parts if isinstance(part, ToolReturnPart | RetryPromptPart)]


@pytest.mark.parametrize("edit_format", ["str_replace", "hashline"])
async def test_the_answers_are_those_of_upstreams_tools(
    hive: Hivemind, edit_format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = EDITS if edit_format == "str_replace" else HASHED
    name = "edit_file" if edit_format == "str_replace" else "hashline_edit"
    calls = [call("read_file", **each) for each in READS] + [call(name, **each) for each in edits]
    answers: list[list[Any]] = []
    for ours in (True, False):
        if not ours:
            monkeypatch.setattr(file_tools, "_TEXT_TOOLS", {})
        scope = hive.scope(f"{ours}")
        for path, text in FILES.items():
            scope.write_text(path, text)
        answers.append(await told(ScopeWorkspace(scope), calls, edit_format=edit_format))
    assert answers[0] == answers[1]
    assert hive.scope("True").read_text("/a.md") == hive.scope("False").read_text("/a.md")
    assert hive.scope("True").read_text("/many.md") == hive.scope("False").read_text("/many.md")


async def test_permission_rules_hold(hive: Hivemind) -> None:
    scope = hive.scope("a")
    for path in ("/open/f", "/secret/f", "/fixed/f"):
        scope.write_text(path, "the word\n")
    deny = OperationPermissions(default="allow", rules=[PermissionRule(pattern="/secret/**", action="deny")])
    fixed = OperationPermissions(
        default="allow",
        rules=[PermissionRule(pattern=f"/{name}/**", action="deny") for name in ("secret", "fixed")],
    )
    rules = PermissionRuleset(default="allow", read=deny, write=fixed, edit=fixed)
    for path, reads, edits in (("/open/f", True, True), ("/secret/f", False, False), ("/fixed/f", True, False)):
        edit = call("edit_file", path=path, old_string="word", new_string="other")
        shown, edited = await told(ScopeWorkspace(scope), [call("read_file", path=path), edit], permissions=rules)
        assert ("the word" in shown) == reads
        assert edited.startswith("Edited") == edits
        assert ("Permission denied" in edited) != edits
        assert ("other" in scope.read_text(path)) == edits
        line = {"path": path, "start_line": 1, "start_hash": text_tools.line_hash(scope.read_text(path).strip())}
        (edited,) = await told(
            ScopeWorkspace(scope),
            [call("hashline_edit", **line, new_content="hashed")],
            permissions=rules,
            edit_format="hashline",
        )
        assert ("hashed" in scope.read_text(path)) == edits
        assert ("ermission denied" in edited) != edits


async def test_images_are_seen(hive: Hivemind) -> None:
    scope = hive.scope("a")
    scope.write_bytes("/image.png", b"\x89PNG\r\n\x1a\n\0\xff")
    scope.write_text("/notes.png", "no image\r\n")
    read = [call("read_file", path="/image.png")]
    (shown,) = await told(ScopeWorkspace(scope), read, image_support=True)
    assert isinstance(shown, BinaryContent)
    assert shown.data == scope.read_bytes("/image.png")
    (shown,) = await told(ScopeWorkspace(scope), read)
    assert "binary" in shown
    (shown,) = await told(ScopeWorkspace(scope), [call("read_file", path="/notes.png")])
    assert shown == "     1\tno image"


async def test_text_is_taken_apart_on_threads(hive: Hivemind, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = hive.scope("a")
    scope.write_text("/f.md", "one\ntwo\n")
    threads: list[int] = []
    for name in ("replaced", "_shown"):
        work = getattr(text_tools, name)

        def noted(*args: Any, work: Any = work, **kwargs: Any) -> Any:
            threads.append(threading.get_ident())
            return work(*args, **kwargs)

        monkeypatch.setattr(text_tools, name, noted)
    edit = call("edit_file", path="/f.md", old_string="two", new_string="2")
    await told(ScopeWorkspace(scope), [call("read_file", path="/f.md"), edit])
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_the_same_holds_over_another_workspace(scope: Scope, directory: Path) -> None:
    (directory / "w.md").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    scope.write_bytes("/plans/w.md", b"one\r\ntwo\r\n")
    workspace = layered(ScopeWorkspace(scope), LocalWorkspaceBackend(directory), lambda: scope)
    for path in (f"{directory}/w.md", "/plans/w.md"):
        edit = call("edit_file", path=path, old_string="one\ntwo", new_string="one\n2\n3")
        shown, edited = await told(Workspace(workspace), [call("read_file", path=path), edit])
        assert shown == "     1\tone\n     2\ttwo"
        assert edited.endswith("replaced 1 occurrence(s)")
    assert (directory / "w.md").read_bytes() == b"\xef\xbb\xbfone\r\n2\r\n3\r\n"
    assert scope.read_bytes("/plans/w.md") == b"one\r\n2\r\n3\r\n"
