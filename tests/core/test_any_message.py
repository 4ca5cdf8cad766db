"""Whatever a message is made of: it is stored so that it is read again, or refused before anything is stored."""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from functools import reduce
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai import messages
from pydantic_ai.messages import (
    BinaryContent,
    DocumentUrl,
    FilePart,
    ImageUrl,
    ModelMessage,
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

from pydantic_hivemind import Scope
from pydantic_hivemind.errors import CheckpointError


def retry(content: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Newer versions of pydantic-ai make other parts of it.
        return cast(Any, messages).RetryPromptPart(content, **kwargs)


# Lone surrogates, NUL and all else that a `str` can hold.
texts = st.text(st.characters(), max_size=8) | st.sampled_from(["", "\ud800", "\ud83d\ude00", "a\0b", "\u2028"])
# Of 4,300 digits and more Python writes no decimals, nor does Hypothesis say what it has drawn from.
large = st.sampled_from([63, 14_000, 16_000]).map(lambda bits: 2**bits)
numbers = st.integers() | st.floats() | large | st.sampled_from([math.nan, math.inf])
scalars = st.none() | st.booleans() | numbers | texts | st.binary(max_size=4) | st.just(Decimal("1.5"))
nested = st.integers(100, 400).map(lambda depth: reduce(lambda inner, _: [inner], range(depth), 1))
urls = st.builds(ImageUrl, texts) | st.builds(DocumentUrl, texts, media_type=st.just("application/pdf"))
files = urls | st.builds(BinaryContent, st.binary(max_size=8), media_type=st.just("image/png"))
contents = st.recursive(
    scalars | nested | files,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=6,
)
anything = contents | st.builds(object) | st.just({1, 2})
request_parts = st.one_of(
    st.builds(SystemPromptPart, texts),
    st.builds(UserPromptPart, texts | st.lists(texts | files, max_size=3)),
    st.builds(ToolReturnPart, texts, contents, texts),
    st.builds(retry, anything, tool_name=st.none() | texts),
)
response_parts = st.one_of(
    st.builds(TextPart, texts),
    st.builds(ThinkingPart, texts, signature=st.none() | texts),
    st.builds(ToolCallPart, texts, st.none() | texts | st.dictionaries(texts, contents, max_size=3)),
    st.builds(FilePart, st.builds(BinaryContent, st.binary(max_size=8), media_type=st.just("image/png"))),
)
requests = st.builds(ModelRequest, st.lists(request_parts, max_size=3), instructions=st.none() | texts)
usages = st.builds(
    RequestUsage, input_tokens=st.integers(0, 2**70), details=st.dictionaries(texts, numbers, max_size=2)
)
responses = st.builds(ModelResponse, st.lists(response_parts, max_size=3), usage=usages, model_name=st.none() | texts)


@st.composite
def any_message(draw: st.DrawFn) -> ModelMessage:
    """A message, in which a provider or an app may have put anything into any place."""
    message = draw(requests | responses)
    for _ in range(draw(st.integers(0, 2))):
        place: Any = draw(st.sampled_from([message, *message.parts]))
        name: str = draw(st.sampled_from(sorted(cast("dict[str, Any]", vars(place)))))
        if name not in ("kind", "part_kind", "parts"):
            setattr(place, name, draw(anything))
    return message


@pytest.fixture(scope="module")
def numbers_of_conversations() -> Any:
    return iter(range(10**9))


@given(history=st.lists(any_message(), min_size=1, max_size=3))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_is_accepted_is_read_again(scope: Scope, numbers_of_conversations: Any, history: list[Any]) -> None:
    conversation = scope.conversation(str(next(numbers_of_conversations)))
    try:
        conversation.append(history)
    except CheckpointError:
        assert conversation.load() == []
        return
    found = conversation.load()
    assert [message.kind for message in found] == [message.kind for message in history]
    # From then on it is what it is.
    conversation.replace(found)
    assert conversation.load() == found
