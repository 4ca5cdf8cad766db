"""Validation that takes what clients send, and whose cost and answer stay small, however much is wrong with it.

Models and generated clients fill in every argument: one that is `null` or empty is taken for one that was left out.
Pydantic keeps an error for each wrong item: one megabyte of them took 0.7 GB and was answered with 35 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator
from pydantic_core import PydanticCustomError

from pydantic_hivemind.limits import MAX_REPORTED_MISTAKES

MAX_PLACE_CHARS = 100
"""Longest place of a mistake, in characters: names in it are the caller's own."""

MAX_REASON_CHARS = 300
"""Longest text of a mistake, in characters; those of pydantic's that have none of what was sent are shorter."""


LARGEST_NUMBER = 2**63 - 1
"""What every database can count to."""


class FirstMistake(FailFast):
    """Pydantic's `FailFast`, which a `Union` of Python 3.10 does not take: it can be hashed."""

    def __hash__(self) -> int:
        return hash(type(self))


def _listed(sent: object) -> object:
    """Return a list for one that was sent as JSON in a text."""
    if isinstance(sent, str) and sent.lstrip().startswith("["):
        try:
            return cast(object, json.loads(sent))
        except (ValueError, RecursionError):
            pass
    return sent


TextList = Annotated[list[str], FirstMistake(), BeforeValidator(_listed)]
"""Texts, also as JSON in a text; of those that are something else the first is told."""


SentVersion = (
    Annotated[str, Field(pattern=r"^(v[0-9a-f]{12}|[0-9]{1,18})$")] | Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
)
"""A version: its name, 0 for no file, or a number that was recorded before versions had names."""


def is_empty(sent: object) -> bool:
    """Return whether an argument is one that stands for its default: `null`, an empty text, list or object."""
    return sent is None or (isinstance(sent, str | list | tuple | dict) and not sent)


def or_default(default: object) -> BeforeValidator:
    """Return what makes an argument that is `null` or empty its default; it is not told in a schema."""
    return BeforeValidator(lambda sent: default if is_empty(sent) else cast(object, sent))


class StrictModel(BaseModel):
    """A model to which a field that it does not know is a mistake; of very many such fields none is told.

    A field that is `null` or empty has its default, if it has one.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, fields: object) -> object:
        known = list(cls.model_fields)
        if isinstance(fields, dict) and len(fields) > len(known) + MAX_REPORTED_MISTAKES:  # pyright: ignore[reportUnknownArgumentType]
            raise PydanticCustomError(
                "too_many_fields", "this takes no fields but {names}", {"names": ", ".join(known) or "none at all"}
            )
        if not isinstance(fields, dict):
            return fields
        sent = cast("dict[object, object]", fields)
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in sent.items() if not (name in optional and is_empty(value))}


def reasons(errors: Iterable[Mapping[str, Any]]) -> str:
    """Return what is wrong as one text: `place: reason; place: reason`.

    Args:
        errors: What pydantic's `errors()` returns. What was sent is not told, since it may be a secret.
    """
    found = list(errors)
    told = [_reason(error) for error in found[:MAX_REPORTED_MISTAKES]]
    if len(found) > MAX_REPORTED_MISTAKES:
        told.append("and more")
    return "; ".join(told)


def _reason(error: Mapping[str, Any]) -> str:
    place = ".".join(_short(str(part), MAX_PLACE_CHARS) for part in error["loc"])
    return f"{_short(place, MAX_PLACE_CHARS)}: {_short(error['msg'], MAX_REASON_CHARS)}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
