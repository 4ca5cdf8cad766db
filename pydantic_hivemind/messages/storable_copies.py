"""Copies of messages whose values JSON can hold: texts of UTF-8, numbers and nesting that a parser takes.

Tools return what they like, a failed validation keeps the value that it was about, and `ModelRetry` takes any message.
pydantic's serializer refuses a lone surrogate in a URL and what is nested deeper than 255 levels, and its parser what
is nested deeper than 200, and integers of more than 4,300 digits. Some versions of pydantic-ai refuse a URL that does
not tell its media type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from pydantic_hivemind.errors import CheckpointError

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

MAX_DEPTH = 150
"""Levels of nesting in a value of a message; the message has some of its own around it."""

LONG = 10**4300
"""The least integer that neither pydantic nor Python reads from JSON."""

MAX_WRITTEN = 1_000_000
"""Values written as one text. A nested list that is shared stands in the text as often as it is shared."""

UNKNOWN = "application/x-hivemind-unknown"
"""Stands for a media type that cannot be told, until the message is a dict."""


def storable_values(message: ModelMessage) -> Any:
    """Return a message as JSON values, with those that JSON cannot hold as texts.

    Raises:
        CheckpointError: A value contains itself, or is too large to be written as text.
        Exception: Another value cannot be written as JSON.
    """
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    [values] = ModelMessagesTypeAdapter.dump_python([storable_copy(message)], mode="json", warnings=False)
    return _without_unknown(values)


def storable_copy(message: ModelMessage) -> ModelMessage:
    """Return a copy of a message in which values that JSON cannot hold are texts.

    Raises:
        CheckpointError: A value contains itself, or is too large to be written as text.
    """
    return _of_object(message)


def without_surrogates(text: str) -> str:
    """Return a text that UTF-8 can encode: a lone surrogate becomes six characters, as Python writes it."""
    # First those that are pairs, which are characters.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return joined.encode("utf-8", "backslashreplace").decode()


def _of_object(value: Any) -> Any:
    # Not with `copy`, which calls the class: pydantic-ai warns of those that it deprecates.
    copied = object.__new__(cast("type[Any]", type(value)))
    is_retry = str(getattr(value, "part_kind", "")).startswith("retry")
    attributes = cast("dict[str, Any]", vars(value))
    for name, inner in attributes.items():
        object.__setattr__(copied, name, _of_value(inner))
        if is_retry and name == "content" and isinstance(inner, list):
            object.__setattr__(copied, name, [_of_problem(each) for each in getattr(copied, name)])
    if "_media_type" in vars(copied) and not _has_media_type(copied):
        object.__setattr__(copied, "_media_type", UNKNOWN)
    return copied


def _has_media_type(file: Any) -> bool:
    try:
        _ = file.media_type
    except ValueError:
        return False
    return True


def _without_unknown(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: None if inner == UNKNOWN else _without_unknown(inner) for key, inner in items}
    if isinstance(value, list):
        return [*map(_without_unknown, cast("list[Any]", value))]
    return value


def _of_value(value: Any) -> Any:
    return _written(value) if _is_deep(value) else _of_shallow(value)


def _of_shallow(value: Any) -> Any:
    kind = cast("type[Any]", type(value))
    if kind is str:
        return without_surrogates(value)
    if kind is int:
        return _digits(value) if abs(value) >= LONG else value
    if kind is dict:
        items = cast("dict[Any, Any]", value).items()
        return {_of_shallow(key): _of_shallow(inner) for key, inner in items}
    if kind is list:
        return [_of_shallow(inner) for inner in cast("list[Any]", value)]
    if kind is tuple:
        return tuple(_of_shallow(inner) for inner in cast("tuple[Any, ...]", value))
    if kind.__module__.startswith("pydantic_ai.") and hasattr(value, "__dict__"):
        return _of_object(value)
    return value


def _of_problem(problem: Any) -> Any:
    """Return one of pydantic's errors, with the name of its type for an input that is no JSON."""
    from pydantic_core import PydanticSerializationError, to_json

    if not isinstance(problem, dict):
        return problem
    known = cast("dict[str, Any]", problem)
    try:
        to_json(known.get("input"))
    except (PydanticSerializationError, ValueError):
        return {**known, "input": f"<{type(known['input']).__name__}>"}
    return known


def _is_deep(value: Any) -> bool:
    level: list[Any] = [value] if isinstance(value, (dict, list, tuple)) else []
    for _ in range(MAX_DEPTH):
        inside: dict[int, Any] = {
            id(cast(Any, inner)): inner
            for each in level
            for inner in _inside(each)
            if isinstance(inner, (dict, list, tuple))
        }
        if not inside:
            return False
        level = [*inside.values()]
    return True


def _inside(value: Any) -> Iterable[Any]:
    return cast("dict[Any, Any]", value).values() if isinstance(value, dict) else value


class _Mark(str):
    """Text between values."""

    __slots__ = ()


class _End:
    """Where a container ends."""

    def __init__(self, container: int, mark: str) -> None:
        self.container = container
        self.mark = mark


def _written(value: Any) -> str:
    """Return nested values as JSON, however deep they are."""
    written: list[str] = []
    left: list[Any] = [value]
    around: set[int] = set()
    while left:
        each = left.pop()
        if isinstance(each, _Mark):
            written.append(each)
        elif isinstance(each, _End):
            around.discard(each.container)
            written.append(each.mark)
        elif isinstance(each, (dict, list, tuple)):
            if id(cast(Any, each)) in around:
                raise CheckpointError("a message contains a value that contains itself; leave it out")
            around.add(id(cast(Any, each)))
            left += _tokens(cast("dict[Any, Any] | list[Any] | tuple[Any, ...]", each))
        else:
            written.append(_digits(each) if type(each) is int else _plain(each))
        if len(written) > MAX_WRITTEN:
            raise CheckpointError(
                f"a message contains a value nested more than {MAX_DEPTH} levels deep that is too large to be written "
                "as text; make it flat, or leave it out"
            )
    return "".join(written)


def _tokens(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    """Return what a container is written as, the last first."""
    begin, end = "{}" if isinstance(container, dict) else "[]"
    tokens: list[Any] = [_Mark(begin)]
    for index, each in enumerate(container):
        if index:
            tokens.append(_Mark(", "))
        if isinstance(container, dict):
            tokens += (_Mark(_plain(str(each)) + ": "), container[each])
        else:
            tokens.append(each)
    tokens.append(_End(id(container), end))
    return tokens[::-1]


def _plain(value: Any) -> str:
    text = without_surrogates(value) if isinstance(value, str) else value
    try:
        return json.dumps(text, ensure_ascii=False)
    except (TypeError, ValueError):
        return json.dumps(f"<{type(value).__name__}>")


def _digits(number: int) -> str:
    """Return the decimal digits of an integer, which `str` limits."""
    from pydantic_core import to_json

    return to_json(number).decode()
