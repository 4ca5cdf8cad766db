"""A scope as a pydantic-ai workspace: the ecosystem's own rules, and which scope a run gets."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

pytest.importorskip("pydantic_ai.workspaces.conformance")

from pydantic_ai import Agent, AgentRunResult, RunContext
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.workspaces import Workspace, WorkspaceBackend, WorkspaceRef, WorkspaceUnavailableError
from pydantic_ai.workspaces.conformance import WorkspaceBackendSuite
from pydantic_ai_backends import StateBackend

from pydantic_hivemind import Hivemind
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.backends.session_manager import Session, SessionManager
from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
from pydantic_hivemind.adapters.pydantic_ai.refs import join_refs, scope_name, scope_ref, split_ref
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.deep import DeepAgentDeps


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hive(tmp_path) -> Iterator[Hivemind]:
    with Hivemind.open(tmp_path / "hive") as hive:
        yield hive


class TestScope(WorkspaceBackendSuite):
    """The workspace of a scope that exists."""

    @pytest.fixture
    def has_real_posix_shell(self) -> bool:
        return False

    @pytest.fixture
    def backend(self, hive: Hivemind) -> WorkspaceBackend:
        project = hive.scope("project/acme")
        project.write_text("/AGENTS.md", "shared")
        return hive.scope("user/ada", parent=project).workspace()

    @pytest.fixture
    def attach_backend(self, hive: Hivemind) -> Callable[[WorkspaceRef], WorkspaceBackend]:
        return lambda ref: ScopeWorkspace(lambda: hive.scope(scope_name(ref), create=False), ref=ref)

    @pytest.fixture
    def destructive_backend(self, hive: Hivemind) -> Callable[[], WorkspaceBackend]:
        return lambda: hive.scope("user/ben").workspace()

    @pytest.fixture
    def destroy_environment(self) -> Callable[[WorkspaceBackend], Awaitable[None]]:
        async def destroy(backend: WorkspaceBackend) -> None:
            assert isinstance(backend, ScopeWorkspace)
            await backend.destroy()

        return destroy


class TestSession(TestScope):
    """The workspace of a session that is made on first use."""

    @pytest.fixture(params=["user/ada", None])
    def capability(self, hive: Hivemind, request: pytest.FixtureRequest) -> HivemindWorkspace:
        return HivemindWorkspace(hive, request.param)

    @pytest.fixture
    def backend(self, capability: HivemindWorkspace) -> WorkspaceBackend:
        return capability.backend()

    @pytest.fixture
    def fresh_backend(self, capability: HivemindWorkspace) -> Callable[[], WorkspaceBackend]:
        return capability.backend

    @pytest.fixture
    def destructive_backend(self, fresh_backend: Callable[[], WorkspaceBackend]) -> Callable[[], WorkspaceBackend]:
        return fresh_backend

    @pytest.fixture
    def attach_backend(self, capability: HivemindWorkspace) -> Callable[[WorkspaceRef], WorkspaceBackend]:
        return capability.backend

    @pytest.fixture
    def destroy_environment(self, capability: HivemindWorkspace) -> Callable[[WorkspaceBackend], Awaitable[None]]:
        async def destroy(backend: WorkspaceBackend) -> None:
            assert backend.ref is not None
            await capability.destroy(backend.ref)

        return destroy


@dataclass
class Deps:
    """Dependencies of an app's own, with a backend as pydantic-deep's have it."""

    backend: Any


def agent_with(capability: HivemindWorkspace) -> Agent[Deps | None, str]:
    """An agent that looks at everything it can reach and notes that it was there."""

    async def look(ctx: RunContext[Deps | None]) -> str:
        entries = await ctx.workspace.list_dir("/")
        found = {entry.path: (await ctx.workspace.read_bytes(entry.path)).decode() for entry in entries}
        await ctx.workspace.write_text("/visited.txt", "yes")
        return json.dumps(found)

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        returned = [part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse(parts=[TextPart(returned[0]) if returned else ToolCallPart("look", {})])

    return Agent(FunctionModel(respond), deps_type=Any, capabilities=[capability], tools=[look])


def refs_of(result: AgentRunResult[str]) -> set[WorkspaceRef | None]:
    return {message.workspace_ref for message in result.all_messages() if isinstance(message, ModelResponse)}


class TestWhichScope:
    pytestmark = pytest.mark.anyio

    async def test_the_backend_of_the_dependencies_decides(self, hive: Hivemind) -> None:
        scopes = [hive.scope("user/ada"), hive.scope("user/ben")]
        agent = agent_with(HivemindWorkspace())
        for scope in scopes:
            scope.write_text("/name.txt", scope.name)
            result = await agent.run("look", deps=Deps(HivemindBackend(scope)))
            assert json.loads(result.output) == {"/name.txt": scope.name}
            assert scope.exists("/visited.txt")

    async def test_a_replayed_history_opens_nothing(self, hive: Hivemind) -> None:
        ada, mallory = hive.scope("user/ada"), hive.scope("user/mallory")
        ada.write_text("/secret.txt", "s")
        agent = agent_with(HivemindWorkspace(hive, hive.scope("sessions")))
        history = (await agent.run("look", deps=Deps(HivemindBackend(ada)))).all_messages()
        with pytest.raises(UserError, match="workspace='new'") as refused:
            await agent.run("look", deps=Deps(HivemindBackend(mallory)), message_history=history)
        assert "ada" not in str(refused.value)
        assert mallory.list_dir("/") == []
        moved = await agent.run("look", deps=Deps(HivemindBackend(mallory)), message_history=history, workspace="new")
        assert "secret" not in moved.output
        # Without dependencies a ref leads to the sessions that were made for refs, and to no other scope.
        with pytest.raises(UserError, match="workspace='new'") as refused:
            await agent.run("look", message_history=history)
        assert "ada" not in str(refused.value)

    @pytest.mark.parametrize("parent", ["sessions", None])
    @pytest.mark.parametrize(
        "id",
        [
            "user/ada",
            "other",
            "sessions",
            "workspaces",
            "long-lived",
            "run-1",
            "sessions%23ada",
            "workspaces%23ada",
            "workspace-" + "0" * 32,
            "workspace-" + "1" * 32,
            "workspace-" + "1" * 32 + "%0A",
            "user%2Fada",
            "../user/ada",
            "other+local:%2F",
            "",
            "%00",
        ],
    )
    async def test_a_forged_ref_opens_nothing(self, hive: Hivemind, id: str, parent: str | None) -> None:
        """Neither another's session, nor a scope that is not a session, nor the parent itself."""
        above = hive.scope(parent or "workspaces")
        others = [
            hive.scope("user/ada"),
            hive.scope("user/ada").spawn("other"),
            hive.scope("user/ada").spawn("workspace-" + "0" * 32),
            hive.scope("long-lived", parent=above),
            above.spawn("run-1"),
            (await SessionManager(hive, above).get_or_create("ada")).scope,
        ]
        for scope in others:
            scope.write_text("/secret.txt", "s")
        capability = HivemindWorkspace(hive, parent)
        agent = agent_with(capability)
        ref = WorkspaceRef(provider="hivemind", id=id)
        with pytest.raises((UserError, WorkspaceUnavailableError)):
            await agent.run("look", workspace=ref)
        with pytest.raises((UserError, WorkspaceUnavailableError)):
            await agent.run("look", workspace=ref, deps=Deps(HivemindBackend(above.spawn("mine"))))
        with pytest.raises((UserError, WorkspaceUnavailableError)):
            await capability.backend(ref).working_dir()
        if id.startswith("workspace-") and not id.endswith("%0A"):
            await capability.destroy(ref)
        else:
            with pytest.raises(UserError):
                await capability.destroy(ref)
        for scope in others:
            assert scope.read_text("/secret.txt") == "s"

    async def test_refs_cannot_be_guessed(self, hive: Hivemind) -> None:
        agent = agent_with(HivemindWorkspace(hive))
        ids = [ref.id for _ in range(3) for ref in refs_of(await agent.run("look")) if ref]
        assert len(set(ids)) == 3
        assert all(re.fullmatch("workspace-[0-9a-f]{32}", id) for id in ids)

    async def test_without_a_backend_each_conversation_has_a_session(self, hive: Hivemind) -> None:
        parent = hive.scope("user/ada")
        parent.write_text("/name.txt", "ada")
        agent = agent_with(HivemindWorkspace(hive, "user/ada", ttl=3600))
        first = await agent.run("look")
        again = await agent.run("look", message_history=first.all_messages())
        assert len(refs_of(again)) == 1
        assert "/visited.txt" in again.output
        other = await agent.run("look")
        assert "/visited.txt" not in other.output
        assert [info.session for info in hive.scopes() if info.parent == "user/ada"] == [True, True]
        assert all(info.expires_at for info in hive.scopes() if info.parent == "user/ada")
        assert [stat.path for stat in parent.list_dir("/")] == ["/name.txt"]

    async def test_a_session_that_is_gone_is_not_replaced(self, hive: Hivemind) -> None:
        capability = HivemindWorkspace(hive, "user/ada")
        agent = agent_with(capability)
        first = await agent.run("look")
        (ref,) = refs_of(first)
        assert ref is not None
        await capability.destroy(ref)
        await capability.destroy(ref)
        with pytest.raises(WorkspaceUnavailableError):
            await agent.run("look", message_history=first.all_messages())
        assert hive.scope("user/ada").children == ()

    async def test_a_session_starts_beside_the_event_loop(self, hive: Hivemind, tmp_path: Any) -> None:
        """Where the store is busy, the run waits, and nothing else does."""
        agent = agent_with(HivemindWorkspace())
        user = hive.scope("user/ada")
        other = sqlite3.connect(tmp_path / "hive" / "ledger.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        session = Session(user, "run-1")
        run = asyncio.create_task(agent.run("look", deps=DeepAgentDeps(backend=session)))
        await asyncio.sleep(0.05)
        assert not run.done()
        other.execute("ROLLBACK")
        other.close()
        await run
        assert session.exists("/visited.txt")

    async def test_what_is_missing_is_said(self, hive: Hivemind) -> None:
        with pytest.raises(UserError, match="This run has no scope"):
            await agent_with(HivemindWorkspace()).run("look")
        with pytest.raises(UserError, match="HivemindBackend"):
            await agent_with(HivemindWorkspace(hive)).run("look", deps=Deps(StateBackend()))
        with pytest.raises(UserError, match="hive"):
            HivemindWorkspace().backend(WorkspaceRef(provider="hivemind", id="x"))
        with pytest.raises(ValueError, match="hivemind"):
            HivemindWorkspace(hive).backend(WorkspaceRef(provider="local", id="/"))

    async def test_the_last_of_several_counts(self, hive: Hivemind) -> None:
        agent = agent_with(HivemindWorkspace(hive, "one"))
        await agent.run("look", capabilities=[HivemindWorkspace(hive, "two")])
        assert {info.parent for info in hive.scopes() if info.session} == {"two"}


class TestScopeThatIsGone:
    pytestmark = pytest.mark.anyio

    @pytest.fixture(params=["destroyed", "closed"])
    def workspace(self, hive: Hivemind, request: pytest.FixtureRequest) -> Workspace:
        scope = hive.scope("user/ada")
        workspace = Workspace(scope.workspace())
        hive.close() if request.param == "closed" else scope.destroy()
        return workspace

    async def test_every_operation_says_so(self, workspace: Workspace) -> None:
        operations = [workspace.read_bytes, workspace.stat, workspace.list_dir, workspace.make_dir, workspace.remove]
        for operation in (*operations, workspace.exists, partial(workspace.write_bytes, data=b"x")):
            with pytest.raises(WorkspaceUnavailableError):
                await operation("/file")

    async def test_also_after_it_was_used(self, hive: Hivemind) -> None:
        scope = hive.scope("user/ada")
        workspace = Workspace(scope.workspace())
        await workspace.write_text("/file", "x")
        scope.destroy()
        for operation in (workspace.read_bytes, partial(workspace.write_bytes, data=b"x"), workspace.exists):
            with pytest.raises(WorkspaceUnavailableError):
                await operation("/file")


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["user/ada", "a+b", "a%2Bb", "ä ö", "run:1#2", "a?b&c", "%", "+"])
def test_refs_name_one_scope_each(name: str) -> None:
    ref = scope_ref(name)
    assert scope_name(ref) == name
    assert split_ref(ref) == (ref, None)
    below = WorkspaceRef(provider="a:b", id="/tmp/x+y:z")
    assert split_ref(join_refs(ref, below)) == (ref, below)
