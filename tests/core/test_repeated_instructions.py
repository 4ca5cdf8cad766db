"""Instructions that an agent repeats in every request: stored once, and read in every message."""

import json

import pytest
from ledger_integrity import rows
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from pydantic_hivemind.ledger import integrity, message_rows
from pydantic_hivemind.messages import encoding

TEXT = 'Use the tools.\r\n"Quoted" \\ \u2028 \U0001f9e0 {"instructions":"no"} ' * 40


def say(text, instructions=TEXT, **kwargs):
    return ModelRequest([UserPromptPart(text)], instructions=instructions, **kwargs)


def stored_bytes(hive):
    return sum(len(data) for (data,) in rows(hive, "SELECT data FROM messages"))


def test_they_are_stored_once(hive, scope):
    history = [message for number in range(50) for message in (say(str(number)), ModelResponse([TextPart("yes")]))]
    scope.conversation("main").append(history)
    whole = len(ModelMessagesTypeAdapter.dump_json(history))
    assert stored_bytes(hive) < whole - 48 * len(TEXT)
    assert scope.conversation("main").load() == history
    assert rows(hive, "SELECT uses FROM messages WHERE uses IS NOT NULL") == [(50,)]


def test_the_last_message_that_needs_them_takes_them_along(hive, scope):
    one, other = scope.conversation("one"), scope.conversation("other")
    one.append([say("1"), say("2", "another text " * 50)])
    other.append([say("1"), say("3")])
    one.clear()
    assert other.load()[0].instructions == TEXT
    assert rows(hive, "SELECT uses FROM messages WHERE uses IS NOT NULL") == [(2,)]
    other.clear()
    assert rows(hive, "SELECT * FROM messages") == []


@pytest.mark.parametrize(
    "message",
    [
        say("x", metadata={"instructions": TEXT}),
        say("x", None, metadata={"instructions": TEXT}),
        ModelRequest([ToolReturnPart("t", {"instructions": TEXT}, "1")]),
        ModelRequest([ToolReturnPart("t", {"instructions": None}, "1")], instructions=TEXT),
        ModelResponse([ToolCallPart("t", {"instructions": TEXT}, "1")]),
        ModelResponse([ToolCallPart("t", {"instructions": TEXT, "kind": "request"}, "1")]),
        say('"instructions":null'),
        say("\ud800"),
        say("x", "\ud800" * 300),
        say("x", [TEXT]),
        say("x", ""),
    ],
    # Not their text, which has the time at which they were made: every worker has to call a test the same.
    ids=lambda message: message.kind,
)
def test_whatever_else_is_called_so_comes_back(scope, message):
    data = encoding.encode(message)
    assert message_rows.joined(*message_rows.cut(data)) == data
    [expected] = ModelMessagesTypeAdapter.validate_json(b"[" + data + b"]")
    scope.conversation("main").append([message, message])
    assert scope.conversation("main").load() == [expected, expected]


def test_what_was_stored_whole_stays_whole(hive, scope, monkeypatch):
    talk = scope.conversation("main")
    with monkeypatch.context() as patch:
        patch.setattr(message_rows, "cut", lambda data: (data, None))
        talk.append([say("old")])
    talk.append([say("new")])
    assert [message.instructions for message in talk.load()] == [TEXT, TEXT]
    talk.replace(talk.load()[:1])
    assert rows(hive, "SELECT count(*) FROM messages") == [(1,)]
    assert [found for found in hive.doctor() if found.part in ("ledger", "messages")] == []


def test_the_doctor_reads_and_counts_them(hive, scope):
    scope.conversation("main").append([say("1"), say("2")])
    assert [found for found in hive.doctor() if found.part in ("ledger", "messages")] == []
    with hive._database.read() as tx:
        assert all(json.loads(data)["instructions"] == TEXT for data in message_rows.every_message(tx))
    with hive._database.write() as tx:
        tx.connection.cursor().execute("UPDATE messages SET uses = 7 WHERE uses IS NOT NULL")
    with hive._database.read() as tx:
        assert integrity.problems(tx) == ["1 instructions that another number of messages need"]
    with hive._database.write() as tx:
        tx.connection.cursor().execute("DELETE FROM messages WHERE uses IS NOT NULL")
    with hive._database.read() as tx:
        assert integrity.problems(tx) == ["2 message(s) whose instructions are missing"]
    # What was said is not lost with them.
    assert [message.parts[0].content for message in scope.conversation("main").load()] == ["1", "2"]
