"""Conversations, and the turns and messages that they share with checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pydantic_ai.messages as parts
import pytest
from databases import new_store, opened
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ledger_integrity import rows
from pydantic import BaseModel
from pydantic_ai.messages import (
    BinaryContent,
    DocumentUrl,
    FilePart,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.errors import CheckpointError, ScopeGone
from pydantic_hivemind.ledger.integrity import problems
from pydantic_hivemind.messages.checkpoints import Checkpoints, Snapshot

MOMENT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class Report(BaseModel):
    title: str
    at: datetime


def ask(content: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(content, timestamp=MOMENT)], timestamp=MOMENT)


def answer(content: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(content)], usage=RequestUsage(input_tokens=3), timestamp=MOMENT)


def round_trip(messages: list[ModelMessage]) -> list[ModelMessage]:
    return ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages))


def newer_parts() -> list[Any]:
    """What earlier pydantic-ai does not have."""
    if not hasattr(parts, "RetryFeedbackPart"):
        return []
    return [
        ToolReturnPart("report", "again", tool_call_id="c5", outcome="retried", timestamp=MOMENT),
        parts.RetryFeedbackPart("once more", retry=parts.RetryInfo(cause="model_retry"), timestamp=MOMENT),
    ]


EVERY_KIND: list[ModelMessage] = [
    ModelRequest(
        parts=[
            SystemPromptPart("be kind", timestamp=MOMENT),
            UserPromptPart(
                [
                    "look at this",
                    ImageUrl("https://example.org/a.png", media_type="image/png"),
                    DocumentUrl("https://example.org/a.pdf"),
                    BinaryContent(bytes(range(256)), media_type="image/png", identifier="given"),
                    BinaryContent(b"\x00\xff", media_type="application/pdf"),
                ],
                timestamp=MOMENT,
            ),
        ],
        instructions="use the tools\r\nand \u2028 think \U0001f9e0",
        metadata={"nested": {"list": [1, 2.5, None, True]}},
    ),
    ModelResponse(
        parts=[
            ThinkingPart("hm", id="t1", signature="sig", provider_name="p", provider_details={"x": [1]}),
            TextPart("I will call it"),
            FilePart(BinaryContent(b"made", media_type="image/png")),
            ToolCallPart("report", {"deep": {"er": [{}]}}, tool_call_id="c1"),
            ToolCallPart("report", '{"as": "text"}', tool_call_id="c2"),
        ],
        usage=RequestUsage(input_tokens=10, output_tokens=2, details={"cached": 4}),
        model_name="m",
        provider_details={"a": 1},
        finish_reason="tool_call",
        timestamp=MOMENT,
    ),
    ModelRequest(
        parts=[
            ToolReturnPart("report", Report(title="t", at=MOMENT), tool_call_id="c1", timestamp=MOMENT),
            ToolReturnPart("report", {"when": MOMENT, "long": timedelta(1)}, tool_call_id="c2", timestamp=MOMENT),
            ToolReturnPart("report", [Report(title="u", at=MOMENT), None], tool_call_id="c3", metadata={"m": 1}),
            ToolReturnPart("report", BinaryContent(b"x", media_type="image/png"), tool_call_id="c4"),
            *newer_parts(),
        ]
    ),
    ModelResponse(
        parts=[
            parts.NativeToolCallPart("web_search", {"q": "x"}, tool_call_id="n1", provider_name="p"),
            parts.NativeToolReturnPart("web_search", {"hits": []}, tool_call_id="n1", provider_name="p"),
        ],
        timestamp=MOMENT,
    ),
]


def test_every_kind_of_part_comes_back_as_its_json_says(scope: Scope) -> None:
    scope.conversation("c").append(EVERY_KIND)
    assert scope.conversation("c").load() == round_trip(EVERY_KIND)
    assert ModelMessagesTypeAdapter.dump_json(scope.conversation("c").load()) == ModelMessagesTypeAdapter.dump_json(
        round_trip(EVERY_KIND)
    )


def test_append_replace_clear(scope: Scope) -> None:
    conversation = scope.conversation("c")
    assert conversation.load() == []
    conversation.append([])
    assert conversation.load() == []
    conversation.append([ask("1"), answer("2")])
    conversation.append([ask("3")])
    assert scope.conversation("c").load() == [ask("1"), answer("2"), ask("3")]
    conversation.replace([ask("1"), answer("other")])
    assert conversation.load() == [ask("1"), answer("other")]
    conversation.clear()
    conversation.clear()
    assert conversation.load() == []


def test_equal_messages_come_back_as_objects_of_their_own(scope: Scope) -> None:
    scope.conversation("c").append([ask("again"), answer("yes"), ask("again")])
    loaded = scope.conversation("c").load()
    assert loaded[0] == loaded[2]
    assert loaded[0] is not loaded[2]


@pytest.mark.parametrize(
    "id", ["", " ", "a/b", "%", "_", "ä", "a\u0308", "\u202e", "\U0001f9e0", "'; DROP TABLE turns"]
)
def test_ids_are_compared_exactly(scope: Scope, id: str) -> None:
    scope.conversation(id).append([ask(id)])
    assert scope.conversation(id).load() == [ask(id)]
    for other in {"", "a", "A/B", "\u00e4", "x"} - {id}:
        assert scope.conversation(other).load() == []


@pytest.mark.parametrize("id", ["a\0b", "\ud800"])
def test_ids_that_cannot_be_stored_are_refused(scope: Scope, id: str) -> None:
    with pytest.raises(CheckpointError, match="conversation's id"):
        scope.conversation(id)


def test_a_conversation_belongs_to_its_scope_alone(hive: Hivemind) -> None:
    above = hive.scope("project")
    below = hive.scope("user", parent=above)
    above.conversation("c").append([ask("above")])
    below.conversation("c").append([ask("below")])
    assert above.conversation("c").load() == [ask("above")]
    below.conversation("c").clear()
    assert above.conversation("c").load() == [ask("above")]


def test_what_is_no_json_changes_nothing(scope: Scope) -> None:
    conversation = scope.conversation("c")
    conversation.append([ask("1")])
    bad = ModelRequest(parts=[ToolReturnPart("t", object(), tool_call_id="c")])
    for change in (conversation.append, conversation.replace):
        for messages in ([ask("2"), bad], [bad]):
            with pytest.raises(CheckpointError, match="cannot be stored as JSON"):
                change(messages)
    assert conversation.load() == [ask("1")]


def test_a_gone_scope(hive: Hivemind) -> None:
    scope = hive.scope("gone")
    conversation = scope.conversation("c")
    conversation.append([ask("1")])
    scope.destroy()
    again = hive.scope("gone")
    for use in (conversation.load, conversation.clear, lambda: conversation.append([ask("2")])):
        with pytest.raises(ScopeGone):
            use()
    assert again.conversation("c").load() == []


def test_two_thousand_messages(scope: Scope) -> None:
    history = [ask(str(number)) if number % 2 else answer(str(number)) for number in range(2000)]
    conversation = scope.conversation("long")
    conversation.append(history)
    conversation.append([ask("last")])
    assert conversation.load() == [*history, ask("last")]
    conversation.replace(history[:1500])
    assert conversation.load() == history[:1500]


def test_appends_of_many_threads_all_land(scope: Scope) -> None:
    def work(name: int) -> None:
        for number in range(20):
            scope.conversation("c").append([ask(f"{name}-{number}"), answer(f"{name}-{number}")])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_interleaved(scope.conversation("c").load(), writers=6, each=20)


APPENDER = """
import sys
from databases import opened
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart
with opened(sys.argv[1]) as hive:
    conversation = hive.scope("user/ada").conversation("c")
    for number in range(20):
        name = f"{sys.argv[2]}-{number}"
        conversation.append([ModelRequest.user_text_prompt(name), ModelResponse(parts=[TextPart(name)])])
"""


def test_appends_of_many_processes_all_land(place: str, scope: Scope) -> None:
    command = [sys.executable, "-c", APPENDER, place]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen([*command, str(name)], env=paths) for name in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    check_interleaved(scope.conversation("c").load(), writers=2, each=20)


def check_interleaved(messages: list[ModelMessage], *, writers: int, each: int) -> None:
    """Each append stayed whole, and each writer's are in its order."""
    said = [message.parts[0].content for message in messages]
    assert said[::2] == said[1::2]
    assert len(said) == writers * each * 2
    for name in range(writers):
        assert [line for line in said[::2] if line.startswith(f"{name}-")] == [f"{name}-{n}" for n in range(each)]


NAMES = st.sampled_from(["one", "two", "three"])
INSTRUCTIONS = [None, "short", "long " * 100, 'longer \u2028" ' * 100]


def instructed(number: int) -> ModelRequest:
    return replace(ask(str(number % 3)), instructions=INSTRUCTIONS[number % 4])


HISTORIES = st.lists(st.integers(0, 11).map(instructed), max_size=6)
WHICH = st.integers(0, 1)


class SharedTurns(RuleBasedStateMachine):
    """Conversations and checkpoints of two scopes against dicts of lists.

    Few different messages, so that histories share beginnings, ends and single messages all the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept = ExitStack()
        self.hive = self.kept.enter_context(opened(self.kept.enter_context(new_store())))
        below = self.hive.scope("a")
        self.scopes = [below, self.hive.scope("b", parent=below)]
        self.stores: list[Checkpoints] = [scope.checkpoints() for scope in self.scopes]
        self.conversations: list[dict[str, list[ModelMessage]]] = [{}, {}]
        self.checkpoints: list[dict[str, list[ModelMessage]]] = [{}, {}]

    def teardown(self) -> None:
        self.kept.close()

    @rule(which=WHICH, name=NAMES, added=HISTORIES)
    def append(self, which: int, name: str, added: list[ModelMessage]) -> None:
        self.scopes[which].conversation(name).append(added)
        self.conversations[which].setdefault(name, []).extend(added)

    @rule(which=WHICH, name=NAMES, history=HISTORIES)
    def replace(self, which: int, name: str, history: list[ModelMessage]) -> None:
        self.scopes[which].conversation(name).replace(history)
        self.conversations[which][name] = list(history)

    @rule(which=WHICH, name=NAMES)
    def clear_conversation(self, which: int, name: str) -> None:
        self.scopes[which].conversation(name).clear()
        self.conversations[which].pop(name, None)

    @rule(which=WHICH, name=NAMES, history=HISTORIES)
    def save(self, which: int, name: str, history: list[ModelMessage]) -> None:
        self.stores[which].save(snapshot(name, history))
        self.checkpoints[which][name] = list(history)

    @rule(which=WHICH, name=NAMES, conversation=NAMES)
    def save_conversation(self, which: int, name: str, conversation: str) -> None:
        self.save(which, name, self.conversations[which].get(conversation, []))

    @rule(which=WHICH, name=NAMES)
    def remove(self, which: int, name: str) -> None:
        assert self.stores[which].remove(name) == (name in self.checkpoints[which])
        self.checkpoints[which].pop(name, None)

    @rule(which=WHICH)
    def clear_checkpoints(self, which: int) -> None:
        self.stores[which].clear()
        self.checkpoints[which].clear()

    @rule(which=WHICH)
    def another_process_takes_over(self, which: int) -> None:
        self.stores[which] = self.scopes[which].checkpoints()

    @invariant()
    def everything_is_there(self) -> None:
        for scope, store, conversations, checkpoints in zip(
            self.scopes, self.stores, self.conversations, self.checkpoints, strict=True
        ):
            for name in ("one", "two", "three"):
                assert scope.conversation(name).load() == conversations.get(name, [])
            assert {saved.id: saved.messages for saved in store.list_all()} == checkpoints
            assert store.count() == len(checkpoints)

    @invariant()
    def nothing_else_is_stored(self) -> None:
        messages = self._messages()
        apart = {(which, text) for which, (_, text) in messages if text in INSTRUCTIONS[2:]}
        for query, expected in (
            ("turns", self._prefixes()),
            ("messages WHERE uses IS NULL", messages),
            ("messages WHERE instructions IS NOT NULL", {each for each in messages if each[1][1] in INSTRUCTIONS[2:]}),
            ("messages WHERE uses > 0", apart),
            ("messages WHERE uses <= 0", ()),
        ):
            assert len(rows(self.hive, f"SELECT * FROM {query}")) == len(expected)
        with self.hive._database.read() as tx:
            assert problems(tx) == []

    def _prefixes(self) -> set[tuple[object, ...]]:
        return {
            (which, *(said(message) for message in history[:end]))
            for which, history in self._histories()
            for end in range(1, len(history) + 1)
        }

    def _messages(self) -> set[tuple[int, tuple[str, str | None]]]:
        return {(which, said(message)) for which, history in self._histories() for message in history}

    def _histories(self) -> Iterator[tuple[int, list[ModelMessage]]]:
        for which in (0, 1):
            for histories in (self.conversations[which], self.checkpoints[which]):
                for history in histories.values():
                    yield which, history


def said(message: ModelMessage) -> tuple[str, str | None]:
    return str(message.parts[0].content), message.instructions


def snapshot(id: str, history: list[ModelMessage]) -> Snapshot:
    return Snapshot(id, "label", 1, list(history), len(history), MOMENT, {})


TestSharedTurns = pytest.mark.any_store(SharedTurns.TestCase)
TestSharedTurns.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
