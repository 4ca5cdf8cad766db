"""Checkpoints of the conversations of one scope, which share nothing but their messages' rows."""

from datetime import datetime, timezone

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import Snapshot, errors

MOMENT = datetime(2026, 3, 4, tzinfo=timezone.utc)


def snapshot(id, *texts, label="label"):
    messages = [ModelRequest([UserPromptPart(text, timestamp=MOMENT)], timestamp=MOMENT) for text in texts]
    return Snapshot(id, label, 1, messages, len(messages), MOMENT, {})


def ids(checkpoints):
    return [found.id for found in checkpoints.list_all()]


def test_each_has_its_own(scope):
    own = {name: scope.checkpoints(name) for name in (None, "taxes", "holidays")}
    for name, checkpoints in own.items():
        checkpoints.save(snapshot("1", "hello", str(name), label=str(name)))
    for name, checkpoints in own.items():
        assert checkpoints.conversation == name
        assert ids(checkpoints) == ["1"]
        assert checkpoints.get("1").label == str(name)
        assert checkpoints.get_by_label("taxes") == (checkpoints.get("1") if name == "taxes" else None)
    assert own["taxes"].remove_oldest()
    assert not own["taxes"].remove_oldest()
    own["holidays"].save(snapshot("2"))
    own["holidays"].clear()
    assert own[None].get("1").messages == snapshot("1", "hello", "None").messages
    assert [own[name].count() for name in own] == [1, 0, 0]


def test_a_message_of_two_conversations_stays_as_long_as_one_of_them_has_it(scope):
    for name in ("taxes", "holidays"):
        scope.checkpoints(name).save(snapshot("1", "hello"))
    scope.checkpoints("taxes").clear()
    assert scope.checkpoints("holidays").get("1") == snapshot("1", "hello")


def test_a_name_that_another_scope_has_too(scope, hive):
    other = hive.scope("user/bo")
    scope.checkpoints("taxes").save(snapshot("1"))
    assert ids(other.checkpoints("taxes")) == ids(scope.spawn().checkpoints("taxes")) == []


@pytest.mark.parametrize("id", ["", "a\0b", "\ud800"])
def test_an_id_that_cannot_be_stored(scope, id):
    with pytest.raises(errors.CheckpointError, match="conversation"):
        scope.checkpoints(id)
