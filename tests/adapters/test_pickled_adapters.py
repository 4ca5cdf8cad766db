"""What an app's jobs take along: backends, stores and deps of an agent."""

import pickle
from datetime import datetime, timezone

import pytest
from pydantic_deep.features.checkpointing import Checkpoint

from pydantic_hivemind import HivemindBackend, HivemindCheckpointStore, SessionManager
from pydantic_hivemind.adapters.backends.async_backend import AsyncBackend
from pydantic_hivemind.deep import DeepAgentDeps


def again(value):
    return pickle.loads(pickle.dumps(value))


def test_a_backend(scope):
    HivemindBackend(scope).write("/a.md", "one")
    assert again(HivemindBackend(scope)).read_bytes("/a.md") == b"one"


@pytest.mark.anyio
async def test_a_backend_whose_methods_are_awaited(scope):
    scope.write_text("/a.md", "one")
    assert await again(AsyncBackend(HivemindBackend(scope))).read_bytes("/a.md") == b"one"


@pytest.mark.anyio
async def test_a_session_is_a_backend_of_its_scope(hive, scope):
    manager = SessionManager(hive, parent=scope)
    session = await manager.get_or_create("chat")
    session.write("/a.md", "one")
    assert again(session).read_bytes("/a.md") == b"one"
    await manager.shutdown()


@pytest.mark.anyio
async def test_a_checkpoint_store(scope):
    store = HivemindCheckpointStore(scope)
    await store.save(Checkpoint("id", "label", 1, [], 0, datetime.now(timezone.utc), {}))
    assert [found.id for found in await again(store).list_all()] == ["id"]


def test_a_workspace(scope):
    pytest.importorskip("pydantic_ai.workspaces")
    workspace = again(scope.workspace())
    assert workspace.open() == scope
    assert workspace.ref == scope.workspace().ref


@pytest.mark.anyio
async def test_deps(scope):
    deps = again(DeepAgentDeps(backend=HivemindBackend(scope), checkpoint_store=HivemindCheckpointStore(scope)))
    assert await deps.checkpoint_store.count() == 0
    await deps.backend.write("/a.md", "one")
    assert scope.read_text("/a.md") == "one"
