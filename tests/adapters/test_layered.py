"""A scope over a directory of this machine: what is kept where."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydantic_ai.workspaces.conformance")

from pydantic_ai import Agent
from pydantic_ai.capabilities import LocalWorkspace
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.test import TestModel
from pydantic_ai.workspaces import (
    LocalWorkspaceBackend,
    ReadOnlyWorkspace,
    Workspace,
    WorkspaceBackend,
    WorkspaceReadOnlyError,
    WorkspaceRef,
)
from pydantic_ai.workspaces.conformance import WorkspaceBackendSuite

from pydantic_hivemind import Hivemind, Mount, Scope
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import layered
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace

pytestmark = pytest.mark.anyio

ROUTED = [".deep/memory", "plans", ".deep/large_tool_results", "large_tool_results"]


@pytest.fixture
def workspace(scope: Scope, directory: Path) -> Workspace:
    return over(scope, LocalWorkspaceBackend(directory))


def over(scope: Scope, lower: WorkspaceBackend) -> Workspace:
    upper = ScopeWorkspace(scope)
    return Workspace(layered(upper, lower, upper.open))


class TestContract(WorkspaceBackendSuite):
    """What is below still keeps every rule, commands included."""

    @pytest.fixture
    def backend(self, workspace: Workspace) -> WorkspaceBackend:
        return workspace.backend


@pytest.mark.parametrize("kept", ROUTED)
@pytest.mark.parametrize("absolute", [False, True])
async def test_what_is_kept_is_in_the_scope(
    workspace: Workspace, scope: Scope, directory: Path, kept: str, *, absolute: bool
) -> None:
    path = f"{'/' if absolute else ''}{kept}/main/note.md"
    await workspace.write_text(path, "kept")
    assert scope.read_text(f"/{kept}/main/note.md") == "kept"
    assert list(directory.iterdir()) == []
    for spelling in (f"{kept}/main/note.md", f"/{kept}/main/note.md", f"{directory}/{kept}/main/note.md"):
        assert await workspace.read_text(spelling) == "kept"
        assert await workspace.exists(spelling)
    (entry,) = await workspace.list_dir(f"{kept}/main")
    assert (entry.name, entry.path, entry.size) == ("note.md", f"{directory}/{kept}/main/note.md", 4)
    assert await workspace.realpath(f"{kept}/main/note.md") == f"{directory}/{kept}/main/note.md"
    await workspace.remove(path)
    assert not scope.exists(f"/{kept}/main/note.md")


async def test_the_mounts_of_the_hive_are_kept_in_the_scope(tmp_path: Path, directory: Path) -> None:
    """Those that were declared when it was opened too, and the outer one decides where one is in another."""
    mounts = [Mount("/notes", "notes"), Mount("/notes/old", "old"), Mount("/docs/adr", "decisions")]
    with Hivemind.open(tmp_path / "other", mounts=mounts) as hive:
        backend = HivemindWorkspace(hive, over=LocalWorkspaceBackend(directory)).backend()
        workspace = Workspace(backend)
        for path in ("/notes/a.md", "notes/old/b.md", f"{directory}/docs/adr/1.md", "/.deep/memory/main/MEMORY.md"):
            await workspace.write_text(path, "kept")
        await workspace.write_text("docs/index.md", "below")
        assert [path.relative_to(directory).as_posix() for path in directory.rglob("*.*")] == ["docs/index.md"]
        assert {entry.name for entry in await workspace.list_dir("docs")} == {"adr", "index.md"}
        assert {entry.name for entry in await workspace.list_dir(".")} == {"notes", "docs", ".deep"}
        await workspace.remove("docs")
        await workspace.remove("notes")
        assert not await workspace.exists("/docs/adr/1.md")
        (scope,) = hive.scope("workspaces").children
        assert [stat.path for stat in scope.glob("**")] == ["/.deep/memory/main/MEMORY.md"]


async def test_everything_else_is_below(workspace: Workspace, scope: Scope, directory: Path) -> None:
    for path in ("main.py", "plans.md", "src/plans/x", ".deep/other/x", "memory/x"):
        await workspace.write_text(path, "below")
        assert (directory / path).read_text() == "below"
    assert scope.list_dir("/") == []
    assert (await workspace.run(["cat", "main.py"])).stdout == "below"


async def test_listings_show_both(workspace: Workspace, directory: Path) -> None:
    (directory / "src").mkdir()
    (directory / ".deep").mkdir()
    (directory / ".deep" / "mine").write_text("x")
    assert sorted(entry.name for entry in await workspace.list_dir(".")) == [".deep", "src"]
    await workspace.write_text("plans/a.md", "a")
    await workspace.write_text(".deep/memory/main/MEMORY.md", "m")
    assert sorted(entry.name for entry in await workspace.list_dir(".")) == [".deep", "plans", "src"]
    entries = {entry.name: entry for entry in await workspace.list_dir(".deep")}
    assert sorted(entries) == ["memory", "mine"]
    assert entries["memory"].is_dir
    assert entries["memory"].path == f"{directory}/.deep/memory"


async def test_a_parent_of_what_is_kept_need_not_exist_below(workspace: Workspace, scope: Scope) -> None:
    with pytest.raises(FileNotFoundError):
        await workspace.list_dir(".deep")
    assert not await workspace.exists(".deep")
    await workspace.write_text(".deep/memory/main/MEMORY.md", "m")
    assert await workspace.exists(".deep")
    assert (await workspace.stat(".deep")).is_dir
    assert [entry.name for entry in await workspace.list_dir(".deep")] == ["memory"]
    await workspace.remove(".deep")
    assert not scope.exists("/.deep/memory")
    with pytest.raises(FileNotFoundError):
        await workspace.remove(".deep")


async def test_the_working_directory_cannot_be_removed(workspace: Workspace, scope: Scope) -> None:
    await workspace.write_text("plans/a.md", "a")
    with pytest.raises(ValueError, match="remove"):
        await workspace.remove(".")
    assert scope.read_text("/plans/a.md") == "a"


async def test_moving_into_place_happens_where_the_file_is(workspace: Workspace, scope: Scope, directory: Path) -> None:
    await workspace.write_text("plans/.tmp-a.md", "new")
    await workspace.write_text("plans/a.md", "old")
    result = await workspace.run(["mv", "-f", "plans/.tmp-a.md", f"{directory}/plans/a.md"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert [stat.path for stat in scope.list_dir("/plans")] == ["/plans/a.md"]
    assert scope.read_text("/plans/a.md") == "new"
    missing = await workspace.run(["mv", "-f", "plans/missing", "plans/a.md"])
    assert missing.exit_code == 1
    assert str(directory) not in missing.stderr
    await workspace.write_text("out.md", "from below")
    assert (await workspace.run(["mv", "-f", "out.md", "plans/out.md"])).exit_code == 0
    assert scope.read_text("/plans/out.md") == "from below"
    assert not (directory / "out.md").exists()


async def test_what_is_below_may_be_read_only(scope: Scope, directory: Path) -> None:
    (directory / "main.py").write_text("print()")
    lower = ReadOnlyWorkspace(Workspace(LocalWorkspaceBackend(directory)))
    workspace = over(scope, lower)
    assert await workspace.read_text("main.py") == "print()"
    with pytest.raises(WorkspaceReadOnlyError):
        await workspace.write_text("main.py", "x")
    with pytest.raises(WorkspaceReadOnlyError):
        await workspace.run(["true"])
    await workspace.write_text("plans/a.md", "kept")
    assert scope.read_text("/plans/a.md") == "kept"


async def test_the_ref_leads_back_to_both(hive: Hivemind, scope: Scope, directory: Path) -> None:
    capability = HivemindWorkspace(hive, scope, over=LocalWorkspaceBackend(directory))
    workspace = Workspace(capability.backend())
    assert workspace.ref is None
    await workspace.write_text("plans/a.md", "a")
    ref = workspace.ref
    assert ref is not None
    again = Workspace(capability.backend(WorkspaceRef(provider=ref.provider, id=ref.id)))
    assert await again.read_text("plans/a.md") == "a"
    assert again.ref == ref
    await capability.destroy(ref)
    assert directory.exists()
    assert scope.children == ()


async def test_a_conversation_goes_on_over_the_same_workspace_only(scope: Scope, directory: Path) -> None:
    agent = Agent(TestModel(), deps_type=_Deps, capabilities=[HivemindWorkspace(over=LocalWorkspaceBackend(directory))])
    first = await agent.run("hello", deps=_Deps(scope))
    (recorded,) = [message.workspace_ref for message in first.all_messages() if isinstance(message, ModelResponse)]
    assert recorded is not None
    await agent.run("more", deps=_Deps(scope), message_history=first.all_messages())
    files_only = Agent(TestModel(), deps_type=_Deps, capabilities=[HivemindWorkspace()])
    with pytest.raises(UserError, match="workspace='new'"):
        await files_only.run("more", deps=_Deps(scope), message_history=first.all_messages())
    second = await files_only.run("hello", deps=_Deps(scope))
    for over in (LocalWorkspaceBackend(directory), LocalWorkspace(directory)):
        coder = Agent(TestModel(), deps_type=_Deps, capabilities=[HivemindWorkspace(over=over)])
        with pytest.raises(UserError, match="workspace='new'"):
            await coder.run("more", deps=_Deps(scope), message_history=second.all_messages())
        await coder.run("more", deps=_Deps(scope), message_history=second.all_messages(), workspace="new")
    elsewhere = Agent(TestModel(), deps_type=_Deps, capabilities=[HivemindWorkspace(over=LocalWorkspace("/"))])
    with pytest.raises(UserError, match="workspace='new'"):
        await elsewhere.run("more", deps=_Deps(scope), message_history=first.all_messages())


def test_commands_are_offered_where_they_run(scope: Scope, directory: Path) -> None:
    local = LocalWorkspaceBackend(directory)
    for over in (local, Workspace(local), LocalWorkspace(directory)):
        assert HivemindWorkspace(over=over).runs_commands
    for over in (None, scope.workspace(), ReadOnlyWorkspace(Workspace(local))):
        assert not HivemindWorkspace(over=over).runs_commands


class _Deps:
    """Dependencies of an app's own, with a backend as pydantic-deep's have it."""

    def __init__(self, scope: Scope) -> None:
        self.backend = HivemindBackend(scope)
