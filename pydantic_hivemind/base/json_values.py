"""The JSON of values: the fields of a dataclass by their names, with bytes as base64.

`to_json_value` makes it without pydantic, whose import takes longer than opening a hive. For pydantic, and so for
FastAPI, the types of fields say the same: `JsonBytes` instead of `bytes`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

Value = TypeVar("Value")


def to_base64(data: bytes) -> str:
    """Return bytes as text (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Return the bytes that a text stands for.

    Raises:
        ValueError: It stands for none; padding that is missing or superfluous, or anything around it, is no base64.
    """
    # Python 3.10 takes padding of nothing.
    if len(text) % 4 == 0:
        return base64.b64decode(text, validate=True)
    raise ValueError("the length of base64 is a multiple of 4")


def to_json_value(value: object, *, readable_bytes: bool = False) -> Any:
    """Return a value made of what JSON has; numbers that are not finite are `None`.

    Args:
        value: A dataclass, or what JSON has, or bytes; in lists, tuples and mappings too.
        readable_bytes: For people: bytes are text, or `{"base64": ...}` where they are not UTF-8.
    """
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return {name: to_json_value(getattr(value, name), readable_bytes=readable_bytes) for name in names}
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): to_json_value(item, readable_bytes=readable_bytes) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item, readable_bytes=readable_bytes) for item in cast("Sequence[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        if not readable_bytes:
            return to_base64(value)
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": to_base64(value)}
    return value


def from_json(kind: type[Value], text: bytes | str) -> Value:
    """Return a value from its JSON.

    Args:
        kind: Its type, as pydantic takes them.
        text: The JSON.

    Raises:
        ValueError: It is no JSON, or that of no such value.
    """
    return _adapter(kind).validate_json(text)


class _Base64:
    """Tells pydantic of bytes that are base64 in JSON."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            _decoded,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                to_base64, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "contentEncoding": "base64"}


JsonBytes = Annotated[bytes, _Base64()]
"""Bytes that are base64 in JSON."""


def _decoded(data: object) -> object:
    if not isinstance(data, str):
        return data
    try:
        return from_base64(data)
    except ValueError:
        raise ValueError("the text is not base64 (RFC 4648, section 4)") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # On first use: to import it takes half as long as to import the rest of what opens a hive.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
