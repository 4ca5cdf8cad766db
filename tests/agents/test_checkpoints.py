"""Checkpoints that agents save and rewind to, on both lines of pydantic-deep."""

from __future__ import annotations

import pytest
from pydantic_deep import RewindRequested

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio


async def test_rewinding_goes_back_to_what_was_said(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/dead-end.txt", "this leads nowhere")
    agent = make_agent(include_checkpoints=True)
    first = await agent.run(
        script(call("ls"), call("save_checkpoint", label="early"), call("read_file", path="/dead-end.txt"), EVERYTHING),
        deps=deps_of(ada, checkpoint_store=HivemindCheckpointStore(ada)),
    )
    assert "this leads nowhere" in first.output
    # Another request, with dependencies of its own, finds them in the scope.
    deps = deps_of(ada, checkpoint_store=HivemindCheckpointStore(ada))
    with pytest.raises(RewindRequested) as rewind:
        await agent.run(
            script(call("list_checkpoints"), call("rewind_to", checkpoint_id="<<early.*?([0-9a-f]{8}[0-9a-f-]*)>>")),
            deps=deps,
            message_history=first.all_messages(),
        )
    assert rewind.value.label == "early"
    history = rewind.value.messages
    assert 0 < len(history) < len(first.all_messages())
    again = await agent.run(script(EVERYTHING), deps=deps, message_history=history)
    assert "this leads nowhere" not in again.output


async def test_automatic_checkpoints_are_pruned_in_their_own_scope(
    make_agent: MakeAgent, hive: Hivemind, ada: Scope
) -> None:
    ben = HivemindCheckpointStore(hive.scope("user/ben"))
    agent = make_agent(include_checkpoints=True, max_checkpoints=2)
    work = script(*[call("write_file", path=f"/{number}.txt", content="x") for number in range(4)])
    await agent.run(work, deps=deps_of(hive.scope("user/ben"), checkpoint_store=ben))
    kept = await ben.list_all()
    store = HivemindCheckpointStore(ada)
    await agent.run(work, deps=deps_of(ada, checkpoint_store=store))
    assert len(await store.list_all()) == 2
    assert await ben.list_all() == kept
