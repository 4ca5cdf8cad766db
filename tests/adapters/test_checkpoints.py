"""`HivemindCheckpointStore` beside `InMemoryCheckpointStore`, and under a real agent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from databases import new_store, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_deep import DeepAgentDeps, create_deep_agent
from pydantic_deep.features.checkpointing import (
    Checkpoint,
    CheckpointStore,
    InMemoryCheckpointStore,
    RewindRequested,
    fork_from_checkpoint,
)
from pydantic_deep.features.checkpointing.store import _save_and_prune
from sample_messages import MOMENT, ask, checkpoint, frozen

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.errors import CheckpointError, ScopeGone

# -- the protocol ------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "A", "b", "%", "\u00e9", "e\u0301", ""])
LABELS = st.sampled_from(["one", "two", "\U0001f9e0", ""])
ZONES = st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(seconds=61))])
METADATA = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5), st.lists
    ),
    max_size=2,
)
HISTORIES = st.lists(st.sampled_from([ask("1"), ask("2"), ModelResponse(parts=[TextPart("3")], timestamp=MOMENT)]))


def steps(moments: st.SearchStrategy[datetime]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    made = st.builds(Checkpoint, IDS, LABELS, st.integers(0, 9), HISTORIES, st.integers(0, 9), moments, METADATA)
    step = st.one_of(
        st.tuples(st.just("save"), made),
        st.tuples(st.just("save"), made),
        st.tuples(st.sampled_from(["get", "remove"]), IDS),
        st.tuples(st.just("get_by_label"), LABELS),
        st.tuples(st.sampled_from(["list_all", "remove_oldest", "count"])),
        st.tuples(st.just("clear")),
    )
    return st.lists(step, max_size=25)


# A few close together, so that there are ties, and the ends of time, so that nothing is rounded.
NAIVE = st.sampled_from([MOMENT.replace(tzinfo=None) + timedelta(microseconds=n) for n in range(3)]) | st.datetimes()
AWARE = st.sampled_from([MOMENT + timedelta(microseconds=n) for n in range(3)]) | st.datetimes(timezones=ZONES)


@settings(max_examples=60, deadline=None)
@given(steps(NAIVE) | steps(AWARE))
def test_answers_what_the_in_memory_store_answers(plan: list[tuple[Any, ...]]) -> None:
    async def run(scope: Scope) -> None:
        ours, oracle = HivemindCheckpointStore(scope), InMemoryCheckpointStore()
        for name, *arguments in plan:
            answer = await getattr(ours, name)(*arguments)
            assert answer == await getattr(oracle, name)(*arguments)
            listed = await ours.list_all()
            assert listed == await oracle.list_all()
            assert [made.created_at.utcoffset() for made in listed] == [
                made.created_at.utcoffset() for made in await oracle.list_all()
            ]
            assert await ours.count() == await oracle.count()

    with new_store() as place, opened(place) as hive:
        asyncio.run(run(hive.scope("s")))


async def _all(store: CheckpointStore) -> list[str]:
    return [made.id for made in await store.list_all()]


def test_is_a_checkpoint_store_that_is_never_false(scope: Scope) -> None:
    store = HivemindCheckpointStore(scope)
    assert isinstance(store, CheckpointStore)
    assert store
    assert not hasattr(store, "__len__")


def test_naive_and_aware_moments_can_be_mixed(scope: Scope) -> None:
    async def run() -> None:
        store = HivemindCheckpointStore(scope)
        naive = MOMENT.replace(tzinfo=None)
        await store.save(checkpoint("2", [], created_at=naive))
        await store.save(checkpoint("1", [], created_at=MOMENT - timedelta(seconds=1)))
        await store.save(checkpoint("3", [], created_at=MOMENT))
        assert await _all(store) == ["1", "2", "3"]
        assert await store.remove_oldest()
        assert (await store.list_all())[0].created_at == naive

    asyncio.run(run())


def test_checkpoints_outlive_the_process(tmp_path: Path) -> None:
    saved = [checkpoint(str(n), [ask(str(m)) for m in range(n)], metadata={"n": n}) for n in range(5)]

    async def save(scope: Scope) -> None:
        for one in saved:
            await HivemindCheckpointStore(scope).save(one)

    async def load(scope: Scope) -> list[Checkpoint]:
        return await HivemindCheckpointStore(scope).list_all()

    with Hivemind.open(tmp_path / "h") as hive:
        asyncio.run(save(hive.scope("s")))
    with Hivemind.open(tmp_path / "h") as hive:
        assert asyncio.run(load(hive.scope("s"))) == saved


def test_saving_and_pruning(scope: Scope) -> None:
    async def run() -> None:
        ours, oracle = HivemindCheckpointStore(scope), InMemoryCheckpointStore()
        history: list[ModelMessage] = []
        for turn in range(20):
            history.append(ask(str(turn)))
            made = checkpoint(str(turn), history, created_at=MOMENT + timedelta(seconds=turn))
            for store in (ours, oracle):
                await _save_and_prune(store, made, 3)
            assert await ours.list_all() == await oracle.list_all()
        assert await _all(ours) == ["17", "18", "19"]
        assert await fork_from_checkpoint(ours, "18") == history[:19]

    asyncio.run(run())


def test_only_the_own_checkpoints_are_seen(hive: Hivemind) -> None:
    async def run() -> None:
        above = hive.scope("project")
        middle = hive.scope("user", parent=above)
        stores = [HivemindCheckpointStore(scope) for scope in (above, middle, middle.spawn(), hive.scope("user2"))]
        own = stores[1]
        for number, store in enumerate(stores):
            if store is not own:
                await store.save(checkpoint(f"id-{number}", [ask("secret")], label="label"))
        for number in range(len(stores)):
            assert await own.get(f"id-{number}") is None
            assert not await own.remove(f"id-{number}")
        assert await own.get_by_label("label") is None
        assert await own.list_all() == []
        assert await own.count() == 0
        assert not await own.remove_oldest()
        await own.clear()
        assert [await store.count() for store in stores] == [1, 0, 1, 1]

    asyncio.run(run())


@pytest.mark.parametrize(
    "bad",
    [
        checkpoint("x", [], metadata={"a": object()}),
        checkpoint("x", [ask("1"), ModelRequest(parts=[ToolReturnPart("t", object(), tool_call_id="c")])]),
        checkpoint("\ud800", []),
        checkpoint("x", [], label="a\0b"),
        replace(checkpoint("x", []), turn=2**63),
    ],
)
def test_what_cannot_be_stored_changes_nothing(scope: Scope, bad: Checkpoint) -> None:
    async def run() -> None:
        store = HivemindCheckpointStore(scope)
        good = checkpoint("x", [ask("1"), ask("2")])
        await store.save(good)
        with pytest.raises(CheckpointError):
            await store.save(bad)
        assert await store.list_all() == [good]
        await store.save(replace(good, messages=[ask("1")]))
        assert (await store.list_all())[0].messages == [ask("1")]

    asyncio.run(run())


def test_a_forged_id_that_no_store_could_have_is_not_found(scope: Scope) -> None:
    async def run() -> None:
        store = HivemindCheckpointStore(scope)
        for forged in ("\ud800", "a\0b", "../x", "%", "x" * 100_000):
            assert await store.get(forged) is None
            assert await store.get_by_label(forged) is None
            assert not await store.remove(forged)

    asyncio.run(run())


def test_a_gone_scope(hive: Hivemind) -> None:
    async def run() -> None:
        scope = hive.scope("gone")
        store = HivemindCheckpointStore(scope)
        await store.save(checkpoint("1", [ask("1")]))
        scope.destroy()
        calls = [store.count, store.list_all, store.remove_oldest, store.clear]
        calls += [lambda: store.save(checkpoint("2", [])), lambda: store.get("1"), lambda: store.remove("1")]
        for call in calls:
            with pytest.raises(ScopeGone):
                await call()
        assert await HivemindCheckpointStore(hive.scope("gone")).count() == 0

    asyncio.run(run())


def test_saves_of_many_tasks_at_once(scope: Scope) -> None:
    async def run() -> None:
        store = HivemindCheckpointStore(scope)
        history: list[ModelMessage] = [ask(str(n)) for n in range(30)]
        saves = [checkpoint(str(n), history[: n + 1]) for n in range(30)]
        await asyncio.gather(*map(store.save, saves))
        assert sorted(await store.list_all(), key=lambda made: int(made.id)) == saves

    asyncio.run(run())


def test_what_another_process_pruned_is_stored_again(scope: Scope) -> None:
    async def run() -> None:
        here, there = HivemindCheckpointStore(scope), HivemindCheckpointStore(scope)
        history: list[ModelMessage] = [ask("1"), ask("2")]
        await here.save(checkpoint("1", history))
        await there.clear()
        history.append(ask("3"))
        await here.save(checkpoint("2", history))
        assert (await there.list_all()) == [checkpoint("2", history)]

    asyncio.run(run())


# -- a real agent ------------------------------------------------------------------------------


def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Looks five times, goes back to its fourth look, and says so when it is there again."""
    looks = sum(isinstance(part, ToolCallPart) and part.tool_name == "look" for m in messages for part in m.parts)
    if any(isinstance(part, UserPromptPart) and part.content == "go on" for m in messages for part in m.parts):
        return ModelResponse(parts=[TextPart(f"back at {looks}")])
    if looks < 5:
        return ModelResponse(parts=[ToolCallPart("look", {"at": looks}, tool_call_id=f"look-{looks}")])
    listed = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if listed[-1].tool_name == "look":
        return ModelResponse(parts=[ToolCallPart("list_checkpoints", {}, tool_call_id="list")])
    # The oldest is pruned when the listing is saved.
    second = str(listed[-1].content).split("id: `")[2].split("`")[0]
    return ModelResponse(parts=[ToolCallPart("rewind_to", {"checkpoint_id": second}, tool_call_id="rewind")])


class Look(BaseModel):
    at: int
    when: datetime


def look(ctx: RunContext[DeepAgentDeps], at: int) -> Look:
    return Look(at=at, when=MOMENT)


def make_agent() -> Any:
    return create_deep_agent(
        FunctionModel(scripted),
        tools=[look],
        include_checkpoints=True,
        checkpoint_frequency="every_tool",
        max_checkpoints=3,
        include_todo=False,
        include_filesystem=False,
        include_subagents=False,
        include_skills=False,
        include_plan=False,
        include_memory=False,
        include_execute=False,
        web_search=False,
        web_fetch=False,
        context_manager=False,
        cost_tracking=False,
    )


def test_an_agent_rewinds(scope: Scope) -> None:
    async def run() -> None:
        both = Both(HivemindCheckpointStore(scope), InMemoryCheckpointStore())
        agent = make_agent()
        with pytest.raises(RewindRequested) as rewind:
            await agent.run("look around", deps=DeepAgentDeps(checkpoint_store=both))
        assert await both.count() == 3
        kept = rewind.value.messages
        assert [part.tool_call_id for part in kept[-1].parts] == ["look-3"]
        reopened = HivemindCheckpointStore(scope)
        assert await fork_from_checkpoint(reopened, rewind.value.checkpoint_id) == kept
        result = await agent.run("go on", deps=DeepAgentDeps(checkpoint_store=reopened), message_history=kept)
        assert result.output == "back at 4"

    asyncio.run(run())


class Both(HivemindCheckpointStore):
    """Saves in the in-memory store too, as it is at that moment, and compares after each save."""

    def __init__(self, ours: HivemindCheckpointStore, oracle: InMemoryCheckpointStore) -> None:
        self._checkpoints = ours._checkpoints
        self._oracle = oracle

    async def save(self, checkpoint: Checkpoint) -> None:
        await self._oracle.save(frozen(checkpoint))
        await super().save(checkpoint)
        assert await self.list_all() == await self._oracle.list_all()

    async def remove_oldest(self) -> bool:
        removed = await self._oracle.remove_oldest()
        assert await super().remove_oldest() == removed
        return removed
