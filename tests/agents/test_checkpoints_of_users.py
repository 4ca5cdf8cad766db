"""One agent with checkpoints, several users and conversations, and no store in anybody's dependencies."""

from __future__ import annotations

import asyncio

import pytest
from pydantic_ai.exceptions import UserError
from pydantic_deep import InMemoryCheckpointStore, RewindRequested

from pydantic_hivemind import Hivemind, HivemindCheckpointStore, Scope, SessionManager
from pydantic_hivemind.deep import DeepAgent, DeepAgentDeps, continue_here

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script, scripted_model

pytestmark = [pytest.mark.anyio, pytest.mark.any_store]

SAVES = (call("write_file", path="/a.txt", content="x"), call("save_checkpoint", label="mine"))


@pytest.fixture
def bo(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/bo", parent=project)


async def test_bo_neither_sees_nor_reaches_what_ada_saved(make_agent: MakeAgent, ada: Scope, bo: Scope) -> None:
    agent = make_agent(include_checkpoints=True)
    await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(ada), conversation_id="taxes")
    saved = await HivemindCheckpointStore(ada, conversation="taxes").get_by_label("mine")
    assert saved is not None
    for conversation in ("taxes", "another"):
        seen = await agent.run(
            script(call("list_checkpoints"), call("rewind_to", checkpoint_id=saved.id), EVERYTHING),
            deps=deps_of(bo),
            conversation_id=conversation,
        )
        assert saved.id[:8] not in seen.output.replace(saved.id, "")
        assert "mine" not in seen.output
    with pytest.raises(RewindRequested):
        await agent.run(script(call("rewind_to", checkpoint_id=saved.id)), deps=deps_of(ada), conversation_id="taxes")


async def test_both_at_once(make_agent: MakeAgent, ada: Scope, bo: Scope) -> None:
    agent = make_agent(include_checkpoints=True)
    await asyncio.gather(
        *(agent.run(script(*SAVES, EVERYTHING), deps=deps_of(user), conversation_id="c") for user in (ada, bo))
    )
    for user in (ada, bo):
        assert await HivemindCheckpointStore(user, conversation="c").count() == 2
        assert await HivemindCheckpointStore(user).count() == 0


async def test_one_conversation_does_not_prune_another(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent(include_checkpoints=True, max_checkpoints=2)
    await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(ada), conversation_id="taxes")
    writes = [call("write_file", path=f"/{number}.txt", content="x") for number in range(6)]
    await agent.run(script(*writes, EVERYTHING), deps=deps_of(ada), conversation_id="holidays")
    assert await HivemindCheckpointStore(ada, conversation="taxes").count() == 2
    assert await HivemindCheckpointStore(ada, conversation="holidays").count() == 2


async def test_a_history_goes_on_with_its_own(make_agent: MakeAgent, ada: Scope) -> None:
    """A run that continues one belongs to its conversation, as pydantic-ai has it."""
    agent = make_agent(include_checkpoints=True)
    first = await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(ada))
    again = await agent.run(
        script(call("list_checkpoints"), EVERYTHING),
        deps=deps_of(ada),
        message_history=first.all_messages(),
        **continue_here(),
    )
    assert "mine" in again.output
    other = await agent.run(script(call("list_checkpoints"), EVERYTHING), deps=deps_of(ada))
    assert "mine" not in other.output


async def test_a_store_of_another_scope_is_refused(make_agent: MakeAgent, ada: Scope, bo: Scope) -> None:
    agent = make_agent(include_checkpoints=True)
    for store in (HivemindCheckpointStore(ada), HivemindCheckpointStore(bo.parent or bo)):
        with pytest.raises(UserError, match="several users") as refusal:
            await agent.run(script(EVERYTHING), deps=deps_of(bo, checkpoint_store=store))
        assert "ada" not in str(refusal.value)
    await agent.run(script(EVERYTHING), deps=deps_of(bo, checkpoint_store=HivemindCheckpointStore(bo)))


async def test_a_store_of_the_agent_is_refused(make_agent: MakeAgent, ada: Scope, bo: Scope) -> None:
    with pytest.raises(UserError, match="InMemoryCheckpointStore"):
        make_agent(include_checkpoints=True, checkpoint_store=InMemoryCheckpointStore())
    agent = make_agent(include_checkpoints=True, checkpoint_store=HivemindCheckpointStore(ada))
    await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(ada))
    assert await HivemindCheckpointStore(ada).count() == 2
    with pytest.raises(UserError, match="several users"):
        await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(bo))


async def test_a_session_may_save_in_the_scope_it_is_of(make_agent: MakeAgent, ada: Scope) -> None:
    agent = make_agent(include_checkpoints=True)
    run = ada.spawn("run")
    await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(run, checkpoint_store=HivemindCheckpointStore(ada)))
    assert await HivemindCheckpointStore(ada).count() == 2


async def test_sessions_of_a_manager_have_their_own(make_agent: MakeAgent, hive: Hivemind, project: Scope) -> None:
    agent = make_agent(include_checkpoints=True)
    manager = SessionManager(hive, parent=project)
    ada, bo = [await manager.get_or_create(name) for name in ("ada", "bo")]
    await agent.run(script(*SAVES, EVERYTHING), deps=DeepAgentDeps(backend=ada), conversation_id="c")
    seen = await agent.run(
        script(call("list_checkpoints"), EVERYTHING), deps=DeepAgentDeps(backend=bo), conversation_id="c"
    )
    assert "mine" not in seen.output
    await manager.shutdown()


async def test_agents_from_specs_too(ada: Scope, bo: Scope) -> None:
    quiet = {"web_search": False, "web_fetch": False, "thinking": False, "cost_tracking": False}
    agent, _ = DeepAgent.from_spec(
        {"include_checkpoints": True, "include_history_archive": False, "include_skills": False, **quiet},
        model=scripted_model(),
    )
    await agent.run(script(*SAVES, EVERYTHING), deps=deps_of(ada), conversation_id="c")
    seen = await agent.run(script(call("list_checkpoints"), EVERYTHING), deps=deps_of(bo), conversation_id="c")
    assert "mine" not in seen.output
