"""Scopes whose names look alike are strangers through the adapters too."""

import asyncio

import pytest
from confusable_names import CONFUSABLE_NAMES

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.errors import HivemindError

SECRET = "/d/secret.md"


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_backends(hive, one, other):
    first, second = HivemindBackend(hive.scope(one)), HivemindBackend(hive.scope(other))
    first.write(SECRET, "secret")
    assert second.ls_info("/") == second.ls_info("/d") == second.glob_info("**") == second.grep_raw("secret") == []
    assert not second.exists(SECRET)
    assert second.read_bytes(SECRET) == b""
    assert second.read(SECRET).startswith("Error: ")
    assert second.edit(SECRET, "secret", "x").error
    second.delete(SECRET)
    second.write(SECRET, "mine")
    second.delete("/d")
    assert first.read_bytes(SECRET) == b"secret"


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_workspaces(hive, one, other):
    """A ref of one names it and nothing else, and a capability of the other does not take it."""
    pytest.importorskip("pydantic_ai.workspaces")
    from pydantic_ai import RunContext
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models.test import TestModel
    from pydantic_ai.usage import RunUsage

    from pydantic_hivemind.adapters.pydantic_ai.hivemind_workspace import HivemindWorkspace
    from pydantic_hivemind.deep import DeepAgentDeps

    first, second = hive.scope(one).workspace(), hive.scope(other).workspace()

    async def attack() -> None:
        await first.write_bytes(SECRET, b"secret")
        assert await second.list_dir("/") == []
        assert not await second.exists(SECRET)
        for use in (second.read_bytes, second.stat, second.remove):
            with pytest.raises((FileNotFoundError, HivemindError)):
                await use(SECRET)
        await second.write_bytes(SECRET, b"mine")
        await second.remove("/d")
        assert await first.read_bytes(SECRET) == b"secret"

    asyncio.run(attack())
    assert first.ref != second.ref
    deps = DeepAgentDeps(backend=HivemindBackend(hive.scope(other)))
    context = RunContext(deps=deps, model=TestModel(), usage=RunUsage())
    with pytest.raises(UserError, match="another workspace"):
        HivemindWorkspace().get_workspace(context, ref=first.ref)
    assert HivemindWorkspace().get_workspace(context, ref=second.ref).ref == second.ref
