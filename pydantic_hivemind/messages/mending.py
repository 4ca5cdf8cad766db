"""Messages that pydantic-ai makes, and does not read again: their values in the types that it reads.

pydantic-ai validates a message when it is loaded, not when it is made. A provider's `usage` with a fraction, a text
part without text or an id that is a number would be stored as it is, and make the whole history unreadable. What was
paid for is not thrown away for that: the value is converted, and everything else stays as it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic_hivemind.messages.storable_copies import without_surrogates

MAX_MENDS = 20
"""Maximum number of rounds. Each mends all that the validation reports; a mended value may be wrong in another way."""

MAX_GROWTH = 4
"""How many times as long a message may become: what is mended again and again would otherwise fill the memory."""

Json = Any
"""What `json.loads` returns."""


def mend(message: Json, problems: Callable[[Json], list[Mapping[str, Any]]]) -> Json | None:
    """Return a message whose values pydantic-ai reads, or `None` if there is no telling what was meant.

    Args:
        message: The message as JSON values. It is changed.
        problems: Returns pydantic's errors of a message, with their locations from the message on.
    """
    message = _without_surrogates(message)
    before = json.dumps(message)
    longest = MAX_GROWTH * len(before) + 1000
    for _ in range(MAX_MENDS):
        found = problems(message)
        if not found:
            return message
        places: list[Any] = []
        # A text can be made of anything, so where one would do, it comes first.
        for problem in sorted(found, key=lambda problem: problem["type"] != "string_type"):
            # Of a union, each kind reports the value once: the first that is mended counts.
            place = _place(message, problem["loc"])
            if place[1] is None or place not in places:
                places.append(place)
                _mend_value(message, problem)
        after = json.dumps(message)
        if after == before or len(after) > longest:
            return None
        before = after
    return None


def _mend_value(message: Json, problem: Mapping[str, Any]) -> None:
    kind = problem["type"]
    if kind == "json_invalid":
        # It is nested too deeply, or has a number that is too long: as text it is neither.
        _write_out_contents(message)
        return
    holder, key = _place(message, problem["loc"])
    if key is None:
        return
    value = holder[key]
    if kind == "string_type":
        holder[key] = _text(value)
    elif kind in ("int_from_float", "int_type", "int_parsing"):
        holder[key] = int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0
    elif kind == "literal_error" and key == "finish_reason":
        # What the provider said stays beside it.
        details = holder.get("provider_details")
        holder["provider_details"] = {**(details if isinstance(details, dict) else {}), "finish_reason": value}
        holder[key] = None
    elif kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(value, dict):
        holder[key] = _as_known_part(cast("dict[str, Any]", value), in_response=message.get("kind") == "response")
    elif kind == "dict_type" and value is not None and key != "args":
        holder[key] = {"value": value}
    elif kind != "dict_type" and isinstance(holder, dict):
        # Of what is neither text nor a number, the default is read. What it needs is missed in the next round.
        del holder[key]
    elif kind == "dict_type" and value is None:
        del holder[key]


def _write_out_contents(message: Json) -> None:
    for part in message.get("parts", ()):
        for name in ("content", "args", "metadata"):
            value = part.get(name)
            if isinstance(value, (dict, list, int)) and not isinstance(value, bool):
                part[name] = {"value": _text(value)} if name == "metadata" else _text(value)


def _place(message: Json, location: tuple[int | str, ...]) -> tuple[Any, Any]:
    """Return what holds the value of a location, and its key there; tags of unions are no places."""
    holder: Any = None
    key: int | str | None = None
    value: Any = message
    for step in location:
        if _has(value, step):
            holder, key, value = value, step, value[step]
    return holder, key


def _has(value: Any, step: int | str) -> bool:
    return isinstance(step, int) if isinstance(value, list) else isinstance(value, dict) and step in value


def _text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_known_part(part: dict[str, Any], *, in_response: bool) -> dict[str, Any]:
    """Return a part of a kind that may stand where it stands: the return of a tool, or else a text."""
    if in_response:
        return {"content": json.dumps(part, ensure_ascii=False), "part_kind": "text"}
    if "tool_call_id" in part and "content" in part:
        known = {name: part[name] for name in ("tool_name", "content", "tool_call_id", "timestamp") if name in part}
        metadata = {"part_kind": part.get("part_kind")}
        return {"tool_name": "tool", **known, "metadata": metadata, "part_kind": "tool-return"}
    return {"content": json.dumps(part, ensure_ascii=False), "part_kind": "user-prompt"}


def _without_surrogates(value: Json) -> Json:
    """Return a value whose texts UTF-8 can encode: a lone surrogate becomes six characters, as Python writes it."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {_without_surrogates(key): _without_surrogates(inner) for key, inner in items}
    if isinstance(value, list):
        return [_without_surrogates(inner) for inner in cast("list[Any]", value)]
    return value
