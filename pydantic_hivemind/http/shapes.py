"""The JSON of the API: the fields of the package's own values, with bytes as base64."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, create_model

from pydantic_hivemind.base import values


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


Base64 = Annotated[
    bytes,
    PlainSerializer(_to_base64, return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes that are answered."""


def _from_base64(text: object) -> object:
    if not isinstance(text, str):
        return text
    with suppress(ValueError):
        # Not pydantic's, which leaves out what it does not know. Python 3.10 takes padding of nothing.
        if len(text) % 4 == 0:
            return base64.b64decode(text, validate=True)
    raise ValueError("this is no base64 (RFC 4648, section 4)")


GivenBase64 = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes that are asked with."""


class Shape(BaseModel):
    """What is answered: made from anything that has its fields."""

    model_config = ConfigDict(from_attributes=True)


class Asked(BaseModel):
    """What is asked: a field that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid")


@cache
def shape(value: type[object]) -> type[Shape]:
    """The model of one of the package's values: its name, its fields, its words."""
    fields = {name: (_shaped(hint), ...) for name, hint in get_type_hints(value).items()}
    make = cast(Any, create_model)
    return make(value.__name__, __base__=Shape, __doc__=inspect.getdoc(value), **fields)


def page_of(value: type[object]) -> type[Shape]:
    """The model of a page of such values."""
    make = cast(Any, create_model)
    return make(
        f"PageOf{value.__name__}",
        __base__=Shape,
        __doc__="Some of the items, and where the next ones are: give `next` as `cursor`; `null` after the last.",
        items=(cast(Any, list)[value if issubclass(value, Shape) else shape(value)], ...),
        next=(str | None, ...),
    )


def _shaped(hint: Any) -> Any:
    """A type of a field, with the package's own values in it replaced by their models."""
    if hint is bytes:
        return Base64
    if getattr(hint, "__module__", None) == values.__name__ and isinstance(hint, type):
        return shape(hint)
    parts = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(part if part is NoneType else _shaped(part) for part in parts)]  # noqa: UP007
    if get_origin(hint) is tuple and parts[-1] is Ellipsis:
        return cast(Any, Sequence)[_shaped(parts[0])]
    return hint
