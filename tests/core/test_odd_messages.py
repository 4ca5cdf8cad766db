"""Messages that pydantic-ai makes and would not read again: they are stored so that it does, and lose nothing else."""

import math
import warnings
from datetime import datetime, timezone
from functools import reduce

import pydantic_ai.messages
import pytest
from pydantic_ai.messages import (
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from pydantic_hivemind import Snapshot, errors
from pydantic_hivemind.messages import encoding

MOMENT = datetime(2026, 3, 4, tzinfo=timezone.utc)


def of_search(**kwargs):
    kind = getattr(pydantic_ai.messages, "NativeToolSearchReturnPart", None)
    return kind(**kwargs) if kind else pytest.skip("this pydantic-ai has no such part")


def retry(content, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Newer versions of pydantic-ai make other parts of it.
        return RetryPromptPart(content, **kwargs)


ODD = {
    "a fraction in the usage": (
        lambda: ModelResponse([TextPart("x")], usage=RequestUsage(details={"a": 1.5})),
        lambda found: found.usage.details == {"a": 1},
    ),
    "a part of another kind of message": (
        lambda: ModelRequest([of_search(content={"tools": []}, tool_call_id="1")]),
        lambda found: found.parts[0].content == {"tools": []} and found.parts[0].tool_call_id == "1",
    ),
    "no text": (lambda: ModelResponse([TextPart(None)]), lambda found: found.parts[0].content == ""),
    "no thought": (lambda: ModelResponse([ThinkingPart(None)]), lambda found: found.parts[0].content == ""),
    "no id of a call": (
        lambda: ModelRequest([ToolReturnPart("t", "kept", None)]),
        lambda found: found.parts[0].content == "kept",
    ),
    "a list of arguments": (
        lambda: ModelResponse([ToolCallPart("t", [1, "b"])]),
        lambda found: found.parts[0].args == '[1, "b"]',
    ),
    "a run's id that is a number": (
        lambda: ModelRequest([UserPromptPart("x")], run_id=7),
        lambda found: found.run_id == "7",
    ),
    "a tool's name that is a number": (
        lambda: ModelResponse([ToolCallPart(5, {"a": 1})]),
        lambda found: found.parts[0].tool_name == "5",
    ),
    "a list of instructions": (
        lambda: ModelRequest([UserPromptPart("x")], instructions=["a"]),
        lambda found: found.instructions == '["a"]',
    ),
    "an unknown reason to finish": (
        lambda: ModelResponse([TextPart("x")], finish_reason="exploded"),
        lambda found: found.finish_reason is None and found.provider_details == {"finish_reason": "exploded"},
    ),
    "a lone surrogate": (
        lambda: ModelRequest([ToolReturnPart("t", "a\ud800b", "1")]),
        lambda found: found.parts[0].content == "a\\ud800b",
    ),
    "a pair of surrogates": (
        lambda: ModelRequest([ToolReturnPart("t", "a\ud83d\ude00b", "1")]),
        lambda found: found.parts[0].content == "a\U0001f600b",
    ),
    "lone surrogates inside": (
        lambda: ModelRequest([ToolReturnPart("t", {"\udc00": ["\udfff"]}, "1")]),
        lambda found: [*found.parts[0].content.values()] == [["\\udfff"]],
    ),
    "a number that is none": (
        lambda: ModelResponse([TextPart("x")], usage=RequestUsage(details={"a": math.nan})),
        lambda found: found.parts[0].content == "x",
    ),
    "a prompt in a response": (
        lambda: ModelResponse([UserPromptPart("kept")]),
        lambda found: "kept" in found.parts[0].content,
    ),
    "a result in a response": (
        lambda: ModelResponse([ToolReturnPart("t", "kept", "1")]),
        lambda found: "kept" in found.parts[0].content,
    ),
    "an unknown state": (
        lambda: ModelResponse([TextPart("x")], state="weird"),
        lambda found: found.parts[0].content == "x",
    ),
    "no moment": (lambda: ModelResponse([TextPart("x")], timestamp=None), lambda found: found.timestamp is not None),
    "no usage": (lambda: ModelResponse([TextPart("x")], usage=None), lambda found: found.usage.input_tokens == 0),
    "a list of metadata": (
        lambda: ModelRequest([UserPromptPart("x")], metadata=[1]),
        lambda found: found.metadata == {"value": [1]},
    ),
    "a result that is nested deeply": (
        lambda: ModelRequest([ToolReturnPart("t", reduce(lambda inner, _: [inner], range(220), 1), "1")]),
        lambda found: found.parts[0].content.startswith("[[["),
    ),
    "a long number": (
        lambda: ModelRequest([ToolReturnPart("t", 10**4299, "1")]),
        lambda found: str(found.parts[0].content).startswith("1000"),
    ),
    "a result that is nested very deeply": (
        lambda: ModelRequest([ToolReturnPart("t", reduce(lambda inner, _: {"a": [inner]}, range(450), "x"), "1")]),
        lambda found: found.parts[0].content == '{"a": [' * 450 + '"x"' + "]}" * 450,
    ),
    "details that are nested very deeply": (
        lambda: ModelResponse([TextPart("x", provider_details=reduce(lambda inner, _: {"a": inner}, range(900), 1))]),
        lambda found: list(found.parts[0].provider_details) == ["value"],
    ),
    "numbers that no parser reads": (
        lambda: ModelRequest([ToolReturnPart("t", {"a": [10**5000, -(10**5000)]}, "1")]),
        lambda found: found.parts[0].content == {"a": ["1" + "0" * 5000, "-1" + "0" * 5000]},
    ),
    "a lone surrogate in a URL": (
        lambda: ModelRequest([UserPromptPart(["a", ImageUrl("http://x/\ud800.png")])]),
        lambda found: found.parts[0].content == ["a", ImageUrl("http://x/\\ud800.png")],
    ),
    "a URL that does not tell its media type": (
        lambda: ModelRequest([UserPromptPart([ImageUrl("http://x/y"), DocumentUrl("http://x/y")])]),
        lambda found: found.parts[0].content == [ImageUrl("http://x/y"), DocumentUrl("http://x/y")],
    ),
    "a URL in a result": (
        lambda: ModelRequest([ToolReturnPart("t", [ImageUrl("http://x/\ud800")], "1")]),
        # Some versions of pydantic-ai read one without a media type as a dict here.
        lambda found: (
            getattr(found.parts[0].content[0], "__dict__", found.parts[0].content[0])["url"] == "http://x/\\ud800"
        ),
    ),
    "a retry without a message": (  # raise ModelRetry(None)
        lambda: ModelRequest([retry(None, tool_name="t", tool_call_id="1")]),
        lambda found: found.parts[0].content == "",
    ),
    "a retry whose message is a dict": (
        lambda: ModelRequest([retry({"a": 1})]),
        lambda found: found.parts[0].content == '{"a": 1}',
    ),
    "a retry for an object": (  # a tool validates something of its own
        lambda: ModelRequest([retry([{"type": "x", "loc": ("a", 1), "msg": "m", "input": object()}])]),
        lambda found: found.parts[0].content[0]["input"] == "<object>",
    ),
    "several at once": (
        lambda: ModelResponse([TextPart(None), ToolCallPart(5, [1])], finish_reason="exploded", run_id=7),
        lambda found: [part.part_kind for part in found.parts] == ["text", "tool-call"] and found.run_id == "7",
    ),
}


@pytest.fixture(params=ODD, ids=str)
def odd(request):
    make, is_right = ODD[request.param]
    return make(), is_right


PLAIN = [ModelRequest([UserPromptPart("Hello.", timestamp=MOMENT)]), ModelResponse([TextPart("Hi.")], timestamp=MOMENT)]


def test_a_conversation_is_read_again(scope, odd):
    message, is_right = odd
    talk = scope.conversation("main")
    talk.append(PLAIN)
    talk.append([message])
    talk.append(PLAIN)
    found = talk.load()
    assert len(found) == 5
    assert is_right(found[2])
    # What is loaded is stored as it is from then on.
    talk.replace(found)
    assert talk.load() == found


def test_a_checkpoint_is_read_again(scope, odd):
    message, is_right = odd
    checkpoints = scope.checkpoints()
    history = [*PLAIN, message]
    for id in ("1", "2"):
        checkpoints.save(Snapshot(id, "label", 1, history, len(history), MOMENT, {}))
    assert all(is_right(found.messages[2]) for found in checkpoints.list_all())
    assert is_right(checkpoints.get("1").messages[2])


def test_what_cannot_be_stored_at_all_changes_nothing(scope):
    talk = scope.conversation("main")
    talk.append(PLAIN)
    for content in (object(), {"a": object()}):
        with pytest.raises(errors.CheckpointError, match="cannot be stored"):
            talk.append([PLAIN[0], ModelRequest([ToolReturnPart("t", content, "1")])])
    around = [1]
    around.append({"a": around})
    with pytest.raises(errors.CheckpointError, match="contains itself"):
        talk.append([PLAIN[0], ModelRequest([ToolReturnPart("t", around, "1")])])
    assert talk.load() == PLAIN


# -- records that this version cannot read ---------------------------------------------------------


@pytest.fixture
def from_later(monkeypatch):
    """Stores a message as it is, as a later version may have done."""

    def store(scope, conversation, data, id="later"):
        with monkeypatch.context() as patch:
            patch.setattr(encoding, "encode", lambda _: data)
            scope.conversation(conversation).append(PLAIN[:1])
            scope.checkpoints().save(Snapshot(id, "later", 1, PLAIN[:1], 1, MOMENT, {}))

    return store


UNKNOWN = b'{"kind":"dream","about":"sheep"}'


def test_a_record_that_cannot_be_read_hides_no_other(scope, from_later):
    talk = scope.conversation("main")
    talk.append(PLAIN)
    from_later(scope, "main", UNKNOWN)
    talk.append(PLAIN)
    with pytest.raises(errors.CheckpointError, match=r"1 of 5 .* skip_unreadable"):
        talk.load()
    assert talk.load(skip_unreadable=True) == [*PLAIN, *PLAIN]
    checkpoints = scope.checkpoints()
    checkpoints.save(Snapshot("1", "label", 1, PLAIN, 2, MOMENT, {}))
    assert [found.id for found in checkpoints.list_all()] == ["1"]
    with pytest.raises(errors.CheckpointError, match="cannot be read"):
        checkpoints.get("later")
    assert checkpoints.remove("later")


def test_a_turn_over_a_message_that_cannot_be_read(scope, from_later):
    talk = scope.conversation("main")
    talk.append(PLAIN)
    from_later(scope, "main", UNKNOWN)
    with talk.turn() as history:
        assert history == PLAIN
        talk.append(PLAIN[:1], expected_count=len(history))
        talk.append(PLAIN[:1], expected_count=len(history))  # a retry
        with pytest.raises(errors.VersionConflict) as conflict:
            talk.append(PLAIN[1:], expected_count=len(history))
        assert (conflict.value.expected, conflict.value.actual) == (2, 3)
    assert scope.conversations()[0].messages == 4
    assert talk.load(skip_unreadable=True) == [*PLAIN, PLAIN[0]]
    with talk.turn() as history:
        talk.replace(history)  # now without it
        talk.append(PLAIN[1:], expected_count=len(history))
    assert talk.load() == [*PLAIN, *PLAIN]


def test_what_an_earlier_version_stored_is_mended(scope, from_later):
    from_later(scope, "main", b'{"kind":"response","parts":[{"part_kind":"text","content":null}]}')
    assert scope.conversation("main").load()[0].parts == [TextPart("")]
    assert len(scope.checkpoints().list_all()) == 1


def test_the_doctor_finds_them(hive, scope, from_later):
    assert [found for found in hive.doctor() if found.part == "messages"] == []
    from_later(scope, "main", UNKNOWN)
    [found] = [found for found in hive.doctor() if found.part == "messages"]
    assert "1 " in found.problem
    assert scope.name not in found.problem


# -- retries ---------------------------------------------------------------------------------------


def test_messages_that_were_built_again_are_a_retry(scope):
    talk = scope.conversation("main")
    for moment in (MOMENT, datetime.now(timezone.utc)):
        built = [
            ModelRequest([UserPromptPart("Hello.", timestamp=moment)], timestamp=moment),
            ModelResponse([TextPart("Hi.")], timestamp=moment),
        ]
        talk.append(built, operation_id="job-7")
    assert len(talk.load()) == 2
    with pytest.raises(errors.OperationConflict):
        talk.append(PLAIN[:1], operation_id="job-7")
