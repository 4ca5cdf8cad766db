"""The conversations of a scope as an app lists them, and changes of one that are asked for again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart, UserPromptPart

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.errors import CheckpointError, OperationConflict, ScopeGone
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.messages.conversations import Conversation

MOMENT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def ask(content: str) -> ModelMessage:
    return ModelRequest(parts=[UserPromptPart(content, timestamp=MOMENT)], timestamp=MOMENT)


def ids(scope: Scope) -> list[str]:
    return [info.id for info in scope.conversations()]


# -- the conversations of a scope ------------------------------------------------------------------


def test_conversations_are_listed_by_id(scope: Scope) -> None:
    assert ids(scope) == []
    for id in ("b", "", "a/2", "A", "a", "\u00e4", "a\u0308", "\U0001f9e0", "%"):
        scope.conversation(id).append([ask(id)])
    assert ids(scope) == sorted(["b", "", "a/2", "A", "a", "\u00e4", "a\u0308", "\U0001f9e0", "%"])


def test_empty_conversations_are_not_listed(scope: Scope) -> None:
    scope.conversation("looked at").load()
    scope.conversation("nothing").append([])
    scope.conversation("gone").append([ask("1")])
    scope.conversation("there").replace([ask("1")])
    assert ids(scope) == ["gone", "there"]
    scope.conversation("gone").clear()
    assert ids(scope) == ["there"]


def test_conversations_of_other_scopes_are_not_listed(hive: Hivemind) -> None:
    above = hive.scope("project")
    below = hive.scope("user", parent=above)
    beside = hive.scope("other", parent=above)
    for scope, id in ((above, "of the project"), (below, "of the user"), (beside, "of somebody else")):
        scope.conversation(id).append([ask("1")])
    assert ids(below) == ["of the user"]
    assert ids(above) == ["of the project"]
    assert ids(below.spawn()) == []
    below.destroy(cascade=True)
    with pytest.raises(ScopeGone):
        below.conversations()
    assert ids(hive.scope("user")) == []


def test_when_a_conversation_was_created_and_modified(scope: Scope, clock: Any) -> None:
    before = clock()
    scope.conversation("a").append([ask("1")])
    scope.conversation("b").title = "B"
    clock.forward(60)
    scope.conversation("a").append([ask("2")])
    scope.conversation("b").append([ask("1")])
    scope.conversation("a").title = "A"
    for info in scope.conversations():
        assert info.created_at is not None
        assert before <= info.created_at < before + 30
        assert before + 60 <= info.modified_at < before + 90
    scope.conversation("a").replace([ask("3")])
    scope.conversation("b").clear()
    assert all(info.created_at is not None and info.created_at < before + 30 for info in scope.conversations())


# -- what is read ----------------------------------------------------------------------------------


def test_what_is_at_the_end_is_read_alone(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = scope.conversation("c")
    history = [ask(str(number)) for number in range(300)]
    conversation.append(history)
    rows = 0
    run = Transaction.rows

    def count(self: Transaction, *args: Any, **kwargs: Any) -> list[Any]:
        nonlocal rows
        found = run(self, *args, **kwargs)
        rows += len(found)
        return found

    monkeypatch.setattr(Transaction, "rows", count)
    for work in (
        lambda: conversation.load(last=2),
        lambda: conversation.append([ask("more")], expected_count=300),
        lambda: conversation.append([ask("more")], expected_count=300),
        lambda: conversation.append([ask("298"), ask("299")], expected_count=298),
    ):
        rows = 0
        work()
        assert 0 < rows < 10
    assert conversation.load() == [*history, ask("more")]
    assert conversation.load(last=2) == [ask("299"), ask("more")]


# -- changes that are asked for again --------------------------------------------------------------

APPEND, REPLACE = Conversation.append, Conversation.replace
Change = Callable[..., None]
either = pytest.mark.parametrize("change", [APPEND, REPLACE])


@either
def test_a_retry_changes_nothing(scope: Scope, change: Change) -> None:
    conversation = scope.conversation("c")
    change(conversation, [ask("1"), ask("2")], operation_id="request")
    conversation.append([ask("3")])
    change(scope.conversation("c"), [ask("1"), ask("2")], operation_id="request")
    assert conversation.load() == [ask("1"), ask("2"), ask("3")]


@either
def test_a_retry_after_a_restart_changes_nothing(tmp_path: Path, change: Change) -> None:
    for _ in range(2):
        with Hivemind.open(tmp_path / "hive", durability="normal") as hive:
            conversation = hive.scope("user/ada").conversation("c")
            change(conversation, [ask("1")], operation_id="request")
            conversation.append([ask("and more")])
    with Hivemind.open(tmp_path / "hive") as hive:
        assert hive.scope("user/ada").conversation("c").load() == [ask("1"), ask("and more"), ask("and more")]


def test_without_an_operation_id_the_same_may_be_said_twice(scope: Scope) -> None:
    for _ in range(2):
        scope.conversation("c").append([ask("again")])
    scope.conversation("c").append([ask("again")], operation_id="1")
    scope.conversation("c").append([ask("again")], operation_id="2")
    assert scope.conversation("c").load() == [ask("again")] * 4


@either
def test_an_operation_id_stands_for_one_change(scope: Scope, change: Change) -> None:
    conversation = scope.conversation("c")
    change(conversation, [ask("1"), ask("2")], operation_id="request")
    scope.write_text("/a.txt", "1", operation_id="write")
    other = REPLACE if change is APPEND else APPEND
    for attempt in (
        lambda: change(conversation, [ask("1"), ask("other")], operation_id="request"),
        lambda: change(conversation, [ask("1")], operation_id="request"),
        lambda: change(conversation, [], operation_id="request"),
        lambda: change(scope.conversation("d"), [ask("1"), ask("2")], operation_id="request"),
        lambda: other(conversation, [ask("1"), ask("2")], operation_id="request"),
        lambda: change(conversation, [ask("1"), ask("2")], operation_id="write"),
        lambda: change(conversation, [ask("1"), ask("2")], operation_id=""),
    ):
        with pytest.raises(OperationConflict):
            attempt()
    assert conversation.load() == [ask("1"), ask("2")]
    assert ids(scope) == ["c"]


def test_operation_ids_of_two_scopes_are_different_ones(hive: Hivemind) -> None:
    above = hive.scope("project")
    for scope in (above, above.spawn()):
        scope.conversation("c").append([ask(scope.name)], operation_id="request")
        assert scope.conversation("c").load() == [ask(scope.name)]


@either
def test_what_failed_may_be_tried_again(scope: Scope, change: Change) -> None:
    conversation = scope.conversation("c")
    with pytest.raises(CheckpointError):
        change(
            conversation,
            [ModelRequest(parts=[ToolReturnPart("t", object(), tool_call_id="c")])],
            operation_id="request",
        )
    change(conversation, [ask("1")], operation_id="request")
    assert conversation.load() == [ask("1")]


def test_retries_of_many_threads_at_once_land_once(scope: Scope) -> None:
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        for number in range(20):
            scope.conversation("c").append([ask(f"{number}"), ask("answer")], operation_id=f"request {number}")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [message for number in range(20) for message in (ask(f"{number}"), ask("answer"))]
    assert scope.conversation("c").load() == expected
