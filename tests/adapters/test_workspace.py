"""A scope as a pydantic-ai workspace: the ecosystem's own conformance rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

pytest.importorskip("pydantic_ai.workspaces.conformance")

from pydantic_ai.workspaces import WorkspaceBackend, WorkspaceRef
from pydantic_ai.workspaces.conformance import WorkspaceBackendSuite

from pydantic_hivemind import Hivemind
from pydantic_hivemind.adapters.workspace import HivemindWorkspace


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
        return HivemindWorkspace(hive).backend

    @pytest.fixture
    def destructive_backend(self, hive: Hivemind) -> Callable[[], WorkspaceBackend]:
        return lambda: hive.scope("user/ben").workspace()

    @pytest.fixture
    def destroy_environment(self, hive: Hivemind) -> Callable[[WorkspaceBackend], Awaitable[None]]:
        async def destroy(backend: WorkspaceBackend) -> None:
            assert backend.ref is not None
            await HivemindWorkspace(hive).destroy(backend.ref)

        return destroy


class TestSession(TestScope):
    """The workspace of a session that is made on first use."""

    @pytest.fixture
    def capability(self, hive: Hivemind) -> HivemindWorkspace:
        return HivemindWorkspace(hive, hive.scope("user/ada"))

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
