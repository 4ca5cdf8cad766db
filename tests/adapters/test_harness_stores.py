"""The harness's stores in scopes: beside its own in memory, and two users' on one agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic_ai.exceptions import UserError
from scripted_model import EVERYTHING, call, script, scripted_model

planning = pytest.importorskip("pydantic_ai_harness.planning")

from pydantic_ai_harness.media import MediaContext, externalize_media, restore_media  # noqa: E402
from pydantic_ai_harness.planning import InMemoryPlanStore, PlanItem, Planning, PlanStore, TaskStatus  # noqa: E402
from pydantic_ai_harness.spend import (  # noqa: E402
    BatchSpendStore,
    Budget,
    InMemorySpendStore,
    SpendEntry,
    SpendLimits,
)
from pydantic_ai_harness.step_persistence import (  # noqa: E402
    ContinuableSnapshot,
    InMemoryStepStore,
    RunRecord,
    StepEvent,
    StepPersistence,
    StepStore,
    ToolEffectRecord,
    continue_run,
)
from sample_messages import ask  # noqa: E402

from pydantic_hivemind import Hivemind, HivemindBackend, Scope  # noqa: E402
from pydantic_hivemind.adapters.harness.media_store import HivemindMediaStore  # noqa: E402
from pydantic_hivemind.adapters.harness.plan_store import HivemindPlanStore  # noqa: E402
from pydantic_hivemind.adapters.harness.spend_store import HivemindSpendStore  # noqa: E402
from pydantic_hivemind.adapters.harness.step_store import HivemindStepStore  # noqa: E402
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent  # noqa: E402

pytestmark = [pytest.mark.anyio, pytest.mark.any_store]

MOMENT = datetime(2026, 3, 4, tzinfo=timezone.utc)
QUIET = {
    "web_search": False,
    "web_fetch": False,
    "thinking": False,
    "cost_tracking": False,
    "include_history_archive": False,
    "include_skills": False,
}


@pytest.fixture
def ada(hive: Hivemind) -> Scope:
    return hive.scope("user/ada", parent=hive.scope("project/acme"))


@pytest.fixture
def bo(hive: Hivemind) -> Scope:
    return hive.scope("user/bo", parent=hive.scope("project/acme"))


def deps_of(scope: Scope) -> DeepAgentDeps:
    return DeepAgentDeps(backend=HivemindBackend(scope))


async def both(stores: list[Any], work: Callable[[Any], Any]) -> Any:
    """Ask both, and return what both answered."""
    ours, theirs = [await work(store) for store in stores]
    assert ours == theirs
    return ours


# -- plans ------------------------------------------------------------------------------------------


async def test_plans_are_what_the_store_in_memory_keeps(ada: Scope) -> None:
    stores = [HivemindPlanStore(ada), InMemoryPlanStore()]
    assert isinstance(stores[0], PlanStore)
    steps = [PlanItem(id=id, content=id) for id in ("b", "a", "c")]
    for step in steps:
        await both(stores, lambda store, step=step: store.add_item(step))
    for store in stores:
        with pytest.raises(ValueError, match="already in this plan"):
            await store.add_item(steps[0])
    await both(stores, lambda store: store.update_item("a", status=TaskStatus.completed, depends_on=["b"]))
    await both(stores, lambda store: store.update_item("none", content="x"))
    await both(stores, lambda store: store.get_items())
    await both(stores, lambda store: store.remove_item("b"))
    await both(stores, lambda store: store.remove_item("b"))
    await both(stores, lambda store: store.get_item("b"))
    await both(stores, lambda store: store.add_item(steps[0]))
    assert [step.id for step in await both(stores, lambda store: store.get_items())] == ["a", "c", "b"]
    await both(stores, lambda store: store.set_items(steps[1:]))
    await both(stores, lambda store: store.get_items())


async def test_parallel_changes_of_a_plan_all_land(ada: Scope) -> None:
    store = HivemindPlanStore(ada, conversation="c")
    await store.set_items([PlanItem(id=str(n), content="x") for n in range(10)])
    await asyncio.gather(*(store.update_item(str(n), content=f"done {n}") for n in range(10)))
    assert [step.content for step in await store.get_items()] == [f"done {n}" for n in range(10)]


async def test_each_user_and_conversation_has_a_plan(ada: Scope, bo: Scope) -> None:
    agent = create_deep_agent(
        scripted_model(), include_todo=False, capabilities=[Planning(store_resolver=HivemindPlanStore.of_run)], **QUIET
    )
    plan = [{"id": "s1", "content": "hide the present"}]
    await agent.run(script(call("write_plan", items=plan), EVERYTHING), deps=deps_of(ada), conversation_id="c")
    for scope, conversation, sees in ((ada, "c", True), (ada, "d", False), (bo, "c", False)):
        seen = await agent.run(script(call("read_plan"), EVERYTHING), deps=deps_of(scope), conversation_id=conversation)
        assert ("hide the present" in seen.output) == sees
    assert [step.id for step in await HivemindPlanStore(ada, conversation="c").get_items()] == ["s1"]


# -- spending ---------------------------------------------------------------------------------------


async def test_spending_is_what_the_store_in_memory_counts(ada: Scope) -> None:
    stores = [HivemindSpendStore(ada), InMemorySpendStore()]
    assert isinstance(stores[0], BatchSpendStore)
    entries = [
        SpendEntry(key="day", usd=Decimal("0.1"), tokens=3, requests=1, token="r1", ttl=timedelta(days=1)),
        SpendEntry(key="total", usd=Decimal("0.1"), tokens=3, requests=1, unpriced=1, token="r1"),
        SpendEntry(key="total", usd=Decimal("-0.0000000001")),
    ]
    await both(stores, lambda store: store.add_many(entries))
    await both(stores, lambda store: store.add_many(entries))
    assert (await both(stores, lambda store: store.get_many(["day", "total", "none"])))["day"].usd == Decimal("0.1")
    assert await HivemindSpendStore(ada).get_many(["day"]) == await stores[0].get_many(["day"])


async def test_counters_end_with_their_window(ada: Scope, clock: Any) -> None:
    store = HivemindSpendStore(ada)
    entry = SpendEntry(key="day", usd=Decimal(1), token="r", ttl=timedelta(minutes=1))
    await store.add_many([entry])
    clock.forward(61)
    assert (await store.get_many(["day"]))["day"].usd == 0
    assert (await store.add_many([entry]))["day"].usd == 1


async def test_what_ada_spends_does_not_stop_bo(ada: Scope, bo: Scope) -> None:
    limits = SpendLimits(budgets=[Budget(name="n", window="total", tokens=1)], store=HivemindSpendStore())
    agent = create_deep_agent(scripted_model(), capabilities=[limits], **QUIET)
    await agent.run(script(EVERYTHING), deps=deps_of(ada))
    with pytest.raises(Exception, match=r"(?i)budget|spend"):
        await agent.run(script(EVERYTHING), deps=deps_of(ada))
    await agent.run(script(EVERYTHING), deps=deps_of(bo))


# -- media ------------------------------------------------------------------------------------------


async def test_media_are_found_by_who_stored_them_alone(ada: Scope, bo: Scope) -> None:
    mine, yours = HivemindMediaStore(ada), HivemindMediaStore(bo)
    data = bytes(range(256)) * 300
    uri = await mine.put(data, context=MediaContext(metadata={"of": "ada"}))
    assert await mine.put(data, context=MediaContext(metadata={"of": "again"})) == uri
    assert await mine.get(uri) == data
    assert await mine.get_metadata(uri) == {"of": "ada"}
    assert await mine.public_url(uri) is None
    assert not await yours.exists(uri)
    for ask_for in (yours.get, yours.get_metadata):
        with pytest.raises(FileNotFoundError):
            await ask_for(uri)
    with pytest.raises(ValueError, match="media"):
        await mine.get("media+sha256://../x")
    part = {"kind": "binary", "media_type": "image/png", "data": "QUJD" * 100}
    small = await externalize_media([part], media_store=mine, threshold_bytes=10)
    assert small != [part]
    assert await restore_media(small, media_store=HivemindMediaStore(ada)) == [part]


# -- steps ------------------------------------------------------------------------------------------


def snapshot(run: str, step: int, *said: str, **fields: Any) -> ContinuableSnapshot:
    return ContinuableSnapshot(
        run_id=run, step_index=step, messages=[ask(text) for text in said], timestamp=MOMENT, **fields
    )


async def test_steps_are_what_the_store_in_memory_keeps(ada: Scope) -> None:
    stores = [HivemindStepStore(ada), InMemoryStepStore()]
    assert isinstance(stores[0], StepStore)
    for number, (run, conversation, parent) in enumerate([("2", "c", None), ("1", "c", "2"), ("3", None, "2")]):
        record = RunRecord(
            run_id=run, conversation_id=conversation, parent_run_id=parent, started_at=MOMENT - timedelta(number)
        )
        await both(stores, lambda store, record=record: store.register_run(record))
        event = StepEvent(run_id=run, kind="run_started", step_index=number, timestamp=MOMENT, error="\ud800")
        for made in (event, event, replace(event, idempotency_key="k"), replace(event, idempotency_key="k")):
            await both(stores, lambda store, made=made: store.append_event(made))
        effect = ToolEffectRecord(run_id=run, tool_call_id="t", tool_name="n", status="started", started_at=MOMENT)
        await both(stores, lambda store, effect=effect: store.record_tool_effect(effect))
    done = replace(effect, status="completed", ended_at=MOMENT)
    await both(stores, lambda store: store.record_tool_effect(done))
    for filters in (
        {},
        {"conversation_id": "c"},
        {"parent_run_id": "2"},
        {"conversation_id": "c", "parent_run_id": "2"},
    ):
        assert await both(stores, lambda store, filters=filters: store.list_runs(**filters))
    assert not await both(stores, lambda store: store.list_runs(conversation_id="none"))
    for run in ("1", "2", "3", "none"):
        await both(stores, lambda store, run=run: store.get_run(run_id=run))
        assert len(await both(stores, lambda store, run=run: store.list_events(run_id=run))) == (
            3 if run != "none" else 0
        )
        await both(stores, lambda store, run=run: store.get_tool_effect(run_id=run, tool_call_id="t"))
        await both(stores, lambda store, run=run: store.list_unresolved_tool_effects(run_id=run))


@pytest.mark.parametrize("most", [None, 1, 2])
async def test_snapshots_are_what_the_store_in_memory_keeps(ada: Scope, most: int | None) -> None:
    stores = [HivemindStepStore(ada, max_snapshots_per_run=most), InMemoryStepStore(max_snapshots_per_run=most)]
    saved = [
        snapshot("r", 1, "a", idempotency_key="1:x"),
        snapshot("r", 2, "a", "b", idempotency_key="2:x", conversation_id="c", agent_name="n"),
        snapshot("r", 2, "a", "b", idempotency_key="2:y"),
        snapshot("r", 3, "a", "b", "c", state="interrupted"),
        snapshot("r", 4, "c", state="interrupted"),
        snapshot("other", 1, "z"),
    ]
    for made in [*saved, *saved[:3]]:
        await both(stores, lambda store, made=made: store.save_snapshot(made))
        for run in ("r", "other", "none"):
            for all in (False, True):
                ask_for = {"run_id": run, "include_interrupted": all}
                await both(stores, lambda store, ask_for=ask_for: store.list_snapshots(**ask_for))
                await both(stores, lambda store, ask_for=ask_for: store.latest_snapshot(**ask_for))


async def test_a_run_is_continued_by_its_own_user_alone(ada: Scope, bo: Scope) -> None:
    agent = create_deep_agent(scripted_model(), capabilities=[StepPersistence(store=HivemindStepStore())], **QUIET)
    await asyncio.gather(
        *(
            agent.run(script(call("ls"), f"of {scope.name}", EVERYTHING), deps=deps_of(scope), conversation_id="same")
            for scope in (ada, bo)
        )
    )
    stores = [HivemindStepStore(scope) for scope in (ada, bo)]
    runs = [await store.list_runs(conversation_id="same") for store in stores]
    assert [len(found) for found in runs] == [1, 1]
    mine, yours = runs[0][0].run_id, runs[1][0].run_id
    assert mine != yours
    history = await continue_run(stores[0], run_id=mine)
    assert len(history) > 2
    assert "user/ada" in str(history)
    assert "user/bo" not in str(history)
    assert {event.kind for event in await stores[0].list_events(run_id=mine)} >= {"run_started", "run_completed"}
    with pytest.raises(LookupError):
        await continue_run(stores[1], run_id=mine)
    assert await stores[1].get_run(run_id=mine) is None
    assert await stores[1].list_events(run_id=mine) == []


async def test_steps_are_no_conversations_nor_checkpoints(ada: Scope) -> None:
    await HivemindStepStore(ada).save_snapshot(snapshot("r", 1, "a"))
    assert ada.checkpoints().list_all() == []
    assert ada.conversations() == []


async def test_outside_of_runs_a_store_needs_a_scope() -> None:
    with pytest.raises(UserError, match=r"HivemindStepStore\(scope\)"):
        await HivemindStepStore().list_runs()
