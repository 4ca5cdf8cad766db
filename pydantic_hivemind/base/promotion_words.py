"""The words of `on_conflict`; those of `strategy`, which it replaces, are refused as they named the sides wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from pydantic_hivemind.base.values import OnConflict
from pydantic_hivemind.errors import InvalidOption

BEFORE: dict[str, OnConflict] = {"merge": "fail", "ours": "keep_target", "theirs": "take_source"}
"""What each word of `strategy` is now. `child.promote(strategy="ours")` kept the side of the parent."""


def check_on_conflict(on_conflict: object, strategy: object = None) -> None:
    """Check how conflicts are to be settled.

    Raises:
        InvalidOption: `on_conflict` has no such value, or `strategy` is used.
    """
    if strategy is not None:
        raise InvalidOption(_refusal("strategy", strategy))
    if on_conflict not in get_args(OnConflict):
        raise InvalidOption(_refusal("on_conflict", on_conflict))


def check_fields(fields: object) -> object:
    """Return the fields of a request, for a validator of pydantic's that comes before others.

    Raises:
        ValueError: They have a `strategy`.
    """
    if isinstance(fields, Mapping) and "strategy" in fields:
        raise ValueError(_refusal("strategy", cast("Mapping[str, object]", fields)["strategy"]))
    return cast(object, fields)


def _refusal(option: str, given: object) -> str:
    if isinstance(given, str) and given in BEFORE:
        return f"{option}={given!r} is on_conflict={BEFORE[given]!r} now; pass that"
    words = ", ".join(map(repr, get_args(OnConflict)))
    if option == "strategy":
        return f"there is no `strategy` any more; pass `on_conflict` with one of {words}"
    return f"on_conflict cannot be {given!r:.50}; choose one of {words}"
