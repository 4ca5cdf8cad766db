"""Checkpoints of histories that were loaded, as each request to an app loads one: saving them costs what is new."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from sample_messages import MOMENT, as_json, ask, checkpoint
from test_checkpoints_in_place import IN_PLACE, RESHAPED, conversation

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.messages import encoding, history_cache
from pydantic_hivemind.messages.history_cache import HistoryCache


def said(number: int) -> list[ModelMessage]:
    return [ask(f"question {number}"), ModelResponse(parts=[TextPart(f"answer {number}")], timestamp=MOMENT)]


LONG = [message for number in range(100) for message in said(number)]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ModelMessage]]:
    """The messages that were encoded."""
    found: list[ModelMessage] = []
    encode = encoding.encode

    def note(message: ModelMessage) -> bytes:
        found.append(message)
        return encode(message)

    monkeypatch.setattr(encoding, "encode", note)
    return found


def save(scope: Scope, id: str, messages: list[ModelMessage]) -> None:
    asyncio.run(save_now(scope, id, messages))


async def save_now(scope: Scope, id: str, messages: list[ModelMessage]) -> None:
    """With a store object made for it."""
    await HivemindCheckpointStore(scope, conversation="main").save(checkpoint(id, messages))


def get(scope: Scope, id: str) -> list[ModelMessage]:
    found = asyncio.run(HivemindCheckpointStore(scope, conversation="main").get(id))
    assert found is not None
    return found.messages


def test_only_new_messages_are_encoded(scope: Scope, encoded: list[ModelMessage]) -> None:
    scope.conversation("main").append(LONG)
    history = scope.conversation("main").load()
    encoded.clear()
    for number in range(3):
        history += said(1000 + number)
        save(scope, str(number), history)
        assert encoded == [message for new in range(number + 1) for message in said(1000 + new)]
        encoded.clear()
    # So it is with the history of a checkpoint, and with one that is put in the place of another.
    history = get(scope, "1")
    save(scope, "again", [*history, *said(2000)])
    assert encoded == said(2000)
    scope.conversation("main").replace([*history, *said(3000)])
    assert encoded == [*said(2000), *said(3000)]
    assert scope.conversation("main").load() == [*LONG, *said(1000), *said(1001), *said(3000)]
    assert get(scope, "again") == [*LONG, *said(1000), *said(1001), *said(2000)]


@pytest.mark.parametrize("index", [100, 190])
def test_what_is_behind_a_change_is_not_encoded_again(scope: Scope, encoded: list[ModelMessage], index: int) -> None:
    scope.conversation("main").append(LONG)
    history: list[Any] = scope.conversation("main").load()
    encoded.clear()
    history.pop(index)
    save(scope, "1", history)
    assert encoded == []
    history = scope.conversation("main").load()
    history[195].parts[0].content = "changed"
    save(scope, "2", history)
    assert encoded == [history[195]]
    assert get(scope, "1") == [*LONG[:index], *LONG[index + 1 :]]
    assert get(scope, "2") == history


def test_a_run_of_an_agent_changes_nothing_of_it(scope: Scope, encoded: list[ModelMessage]) -> None:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await save_now(scope, str(len(messages)), messages)
        return ModelResponse(parts=[TextPart("yes")])

    async def work() -> None:
        history = scope.conversation("main").load()
        encoded.clear()
        agent = Agent(FunctionModel(answer), instructions="Be kind.")
        result = await agent.run("Really?", message_history=history)
        await save_now(scope, "after", result.all_messages())
        scope.conversation("main").append(result.new_messages())

    scope.conversation("main").append(LONG)
    for _ in range(2):
        asyncio.run(work())
        # The request: before the answer, and after it; the answer; and both when they are appended.
        assert len(encoded) <= 5
    assert len(scope.conversation("main").load()) == len(LONG) + 4


@pytest.mark.parametrize("change", [*IN_PLACE, *RESHAPED])
@pytest.mark.parametrize("before", [0, 63, 64, 100])
def test_a_change_of_what_was_loaded_is_saved(scope: Scope, change: str, before: int) -> None:
    talk = scope.conversation("main")
    talk.append([*LONG[:before], *conversation(), *LONG[:10]])
    history = talk.load()
    middle = history[before : before + 4]
    with contextlib.suppress(AttributeError, TypeError):
        # Some change objects that are dicts once they are loaded.
        (IN_PLACE | RESHAPED)[change](history if change in RESHAPED else middle)
    save(scope, "1", history)
    assert as_json(get(scope, "1")) == as_json(encoding_of(history))
    talk.replace(history)
    assert as_json(talk.load()) == as_json(encoding_of(history))


def encoding_of(history: list[ModelMessage]) -> list[ModelMessage]:
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_json(as_json(history))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*IN_PLACE, *RESHAPED]), max_size=8), st.sampled_from([0, 62, 64]))
def test_the_cache_knows_what_was_loaded(scope: Scope, changes: list[str], before: int) -> None:
    scope.conversation("main").replace([*LONG[:before], *conversation(), *LONG[:70]])
    history = scope.conversation("main").load()
    middle = history[before : before + 4]
    cache = HistoryCache()
    for change in changes:
        with contextlib.suppress(AttributeError, IndexError, TypeError):
            (IN_PLACE | RESHAPED)[change](history if change in RESHAPED else middle)
        turns = cache.encode(history)
        fresh = HistoryCache().encode(history, loaded=False)
        assert [turn._replace(data=None) for turn in turns] == [turn._replace(data=None) for turn in fresh]


CUTS: dict[str, Callable[[list[ModelMessage]], list[ModelMessage]]] = {
    "the end": lambda history: history[:130],
    "the beginning": lambda history: history[30:],
    "all": lambda history: [],
    "the middle": lambda history: history[:20] + history[100:],
    "nothing": lambda history: history,
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_part_of_what_was_loaded(scope: Scope, cut: str) -> None:
    scope.conversation("main").append(LONG)
    history = CUTS[cut](scope.conversation("main").load())
    save(scope, "1", history)
    assert get(scope, "1") == CUTS[cut](LONG)
    scope.conversation("main").replace(history)
    assert scope.conversation("main").load() == CUTS[cut](LONG)


def test_what_was_loaded_is_saved_in_another_scope(hive: Hivemind, scope: Scope) -> None:
    scope.conversation("main").append(LONG)
    other = hive.scope("user/bo")
    save(other, "1", scope.conversation("main").load())
    assert get(other, "1") == LONG
    other.conversation("main").replace(scope.conversation("main").load())
    assert other.conversation("main").load() == LONG


def test_what_was_loaded_and_then_removed_is_saved(scope: Scope) -> None:
    talk = scope.conversation("main")
    talk.append(LONG)
    history = talk.load()
    talk.clear()
    save(scope, "1", history)
    assert get(scope, "1") == LONG
    asyncio.run(HivemindCheckpointStore(scope, conversation="main").clear())
    talk.replace(history)
    assert talk.load() == LONG
    # What cannot be stored changes nothing still.
    with pytest.raises(CheckpointError):
        talk.replace([*history, ModelResponse([TextPart(object())])])  # pyright: ignore[reportArgumentType]
    assert talk.load() == LONG


def test_it_is_forgotten_with_the_history(scope: Scope) -> None:
    scope.conversation("main").append(LONG)
    gc.collect()
    before = len(history_cache._loaded)
    history: Any = scope.conversation("main").load()
    assert len(history_cache._loaded) == before + 1
    save(scope, "1", history)
    del history
    gc.collect()
    assert len(history_cache._loaded) == before


def test_checkpoints_of_histories_that_branch_are_listed(scope: Scope) -> None:
    store = HivemindCheckpointStore(scope, conversation="main")

    async def work() -> None:
        histories = [LONG[:count] for count in (0, 2, 3, 2, 150, 4)] + [[*LONG[:3], *said(5000)], [*said(6000)]]
        for index, history in enumerate(histories):
            await store.save(checkpoint(f"{index}", history))
        found = await store.list_all()
        assert [each.messages for each in found] == histories
        found[1].messages.append(ask("mine"))
        assert found[3].messages == LONG[:2]
        await store.clear()
        assert await store.list_all() == []

    asyncio.run(work())
