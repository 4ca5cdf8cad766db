"""Checkpoints of messages that are changed in place between saves, as pydantic-ai and tools do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from forked_processes import fork, join
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage
from sample_messages import MOMENT, as_json, ask, checkpoint

from pydantic_hivemind import Scope
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.messages.history_cache import HistoryCache


class Note(BaseModel):
    text: str
    lines: list[str]


@dataclass
class Finding:
    text: str


def conversation() -> list[ModelMessage]:
    """One of everything that can be changed inside, as objects of a run's own."""
    return [
        ModelRequest(parts=[UserPromptPart(["see", BinaryContent(b"1", media_type="image/png")], timestamp=MOMENT)]),
        ModelResponse(
            parts=[
                ThinkingPart("hm", provider_details={"deep": {"er": []}}),
                TextPart("text"),
                ToolCallPart("t", {"a": {"b": [1]}}, tool_call_id="c"),
            ],
            usage=RequestUsage(input_tokens=1, details={"x": 1}),
            timestamp=MOMENT,
        ),
        ModelRequest(
            parts=[
                ToolReturnPart("t", Note(text="n", lines=[]), tool_call_id="c1", timestamp=MOMENT),
                ToolReturnPart("t", Finding("f"), tool_call_id="c2", timestamp=MOMENT),
                ToolReturnPart("t", {"list": [[1], (["in a tuple"],)]}, tool_call_id="c3", timestamp=MOMENT),
            ],
            metadata={"m": {}},
        ),
        ModelResponse(parts=[TextPart("bye")], timestamp=MOMENT),
    ]


def assign(index: int, name: str, value: object) -> Callable[[list[Any]], None]:
    return lambda history: setattr(history[index], name, value)


IN_PLACE: dict[str, Callable[[list[Any]], Any]] = {
    "instructions": assign(0, "instructions", "be kind"),
    "timestamp of a request": assign(0, "timestamp", MOMENT + timedelta(seconds=1)),
    "run id": assign(2, "run_id", "run"),
    "metadata of a request": assign(0, "metadata", {"durable": 1}),
    "inside metadata": lambda h: h[2].metadata["m"].update(x=1),
    "parts replaced": lambda h: setattr(h[2], "parts", [*h[2].parts, UserPromptPart("more", timestamp=MOMENT)]),
    "parts appended": lambda h: h[2].parts.append(UserPromptPart("more", timestamp=MOMENT)),
    "parts taken out": lambda h: h[2].parts.pop(0),
    "parts reordered": lambda h: h[1].parts.reverse(),
    "text of a part": lambda h: setattr(h[3].parts[0], "content", "guarded"),
    "content of a prompt": lambda h: h[0].parts[0].content.append("and this"),
    "file in a prompt": lambda h: setattr(h[0].parts[0].content[1], "data", b"2"),
    "arguments": lambda h: h[1].parts[2].args["a"]["b"].append(2),
    "arguments replaced": lambda h: setattr(h[1].parts[2], "args", "{}"),
    "tool call id": lambda h: setattr(h[1].parts[2], "tool_call_id", "other"),
    "provider details": lambda h: h[1].parts[0].provider_details["deep"]["er"].append("x"),
    "signature": lambda h: setattr(h[1].parts[0], "signature", "s"),
    "usage": lambda h: setattr(h[1].usage, "output_tokens", 7),
    "usage details": lambda h: h[1].usage.details.update(y=2),
    "usage replaced": lambda h: setattr(h[3], "usage", RequestUsage(input_tokens=5)),
    "finish reason": assign(3, "finish_reason", "stop"),
    "a tool's own model": lambda h: setattr(h[2].parts[0].content, "text", "changed"),
    "inside a tool's own model": lambda h: h[2].parts[0].content.lines.append("changed"),
    "a tool's own dataclass": lambda h: setattr(h[2].parts[1].content, "text", "changed"),
    "inside a tool's list": lambda h: h[2].parts[2].content["list"][0].append(2),
    "inside a tool's tuple": lambda h: h[2].parts[2].content["list"][1][0].append("changed"),
}
"""What a run, a capability or a tool may do to messages that were saved before, given those of `conversation`."""

RESHAPED: dict[str, Callable[[list[Any]], Any]] = {
    "a message replaced": lambda h: h.__setitem__(1, ModelResponse(parts=[TextPart("summary")], timestamp=MOMENT)),
    "a message taken out": lambda h: h.pop(1),
    "the last message taken out": lambda h: h.pop(),
    "a message put in front": lambda h: h.insert(0, ask("first")),
    "a message twice": lambda h: h.append(h[1]),
    "nothing": lambda h: None,
}
"""What happens to a history as a list."""

with contextlib.suppress(ImportError):
    from pydantic_ai.messages import WorkspaceRef

    IN_PLACE["workspace of a run"] = assign(3, "workspace_ref", WorkspaceRef(provider="p", id="i"))


@pytest.mark.parametrize("change", [*IN_PLACE, *RESHAPED])
def test_a_change_in_place_is_in_the_next_checkpoint(scope: Scope, change: str) -> None:
    async def run() -> None:
        store, history = HivemindCheckpointStore(scope), conversation()
        for id in ("1", "2", "3"):
            await store.save(checkpoint(id, history))
            before = as_json(history)
        (IN_PLACE | RESHAPED)[change](history)
        assert (as_json(history) != before) == (change != "nothing")
        await store.save(checkpoint("4", history))
        for id, expected in (("3", before), ("4", as_json(history))):
            found = await store.get(id)
            assert found is not None
            assert as_json(found.messages) == as_json(ModelMessagesTypeAdapter.validate_json(expected))

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*IN_PLACE, *RESHAPED]), max_size=12))
def test_the_cache_encodes_what_is_there_now(changes: list[str]) -> None:
    cache, original = HistoryCache(), conversation()
    history = original.copy()
    for change in changes:
        with contextlib.suppress(AttributeError, IndexError, TypeError):
            # What an earlier change took away cannot be changed again.
            if change in IN_PLACE:
                IN_PLACE[change](original)
            else:
                RESHAPED[change](history)
        encoded = cache.encode(history)
        fresh = HistoryCache().encode(history)
        assert [turn.data for turn in encoded] == [as_json([message])[1:-1] for message in history]
        assert encoded == fresh


def test_the_cache_keeps_up_with_changes_of_other_threads() -> None:
    cache, history, done = HistoryCache(), conversation(), threading.Event()

    def change() -> None:
        for number in range(2000):
            for index in (1, 3):
                history[index].usage.output_tokens = number
                history[index].usage.details["x"] = number
                history[index].parts[-1].tool_call_id = str(number)
        done.set()

    thread = threading.Thread(target=change)
    thread.start()
    while not done.is_set():
        cache.encode(history)
    thread.join()
    assert [turn.data for turn in cache.encode(history)] == [as_json([message])[1:-1] for message in history]


def test_lists_that_hold_themselves_are_refused(scope: Scope) -> None:
    async def run() -> None:
        endless: list[object] = []
        endless.append(endless)
        request = ModelRequest(parts=[ToolReturnPart("t", endless, tool_call_id="c")])
        with pytest.raises(CheckpointError):
            await HivemindCheckpointStore(scope).save(checkpoint("1", [request]))

    asyncio.run(run())


class NotComparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = object.__hash__


def test_what_cannot_be_compared_is_refused_as_no_json(scope: Scope) -> None:
    history = conversation()
    store = HivemindCheckpointStore(scope)
    asyncio.run(store.save(checkpoint("1", history)))
    call: Any = history[1].parts[2]
    call.args["a"] = NotComparable()
    with pytest.raises(CheckpointError):
        asyncio.run(store.save(checkpoint("2", history)))


def test_a_child_that_is_forked_while_others_save_goes_on(scope: Scope) -> None:
    """Whatever the thread that is not there had begun."""
    store = HivemindCheckpointStore(scope)
    history = conversation()
    done = threading.Event()

    def save() -> None:
        while not done.is_set():
            asyncio.run(store.save(checkpoint("1", history)))
            history[-1] = ModelResponse(parts=[TextPart("other")], timestamp=MOMENT)

    def save_in_child() -> None:
        asyncio.run(store.save(checkpoint("child", history)))
        assert asyncio.run(store.get("child")) is not None

    thread = threading.Thread(target=save)
    thread.start()
    children = [fork(save_in_child) for _ in range(10)]
    done.set()
    thread.join()
    assert join(children)
