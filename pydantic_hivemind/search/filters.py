"""Filters of a search: which files are searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any, cast

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import is_below
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.limits import MAX_FILTER_DEPTH

Scalar = str | int | float | bool
Condition = Callable[[Head], bool]

KEYS = ("path", "collection", "modified_at", "size")
"""Keys of a `where`, besides `tag:NAME`, which is true for files with that tag."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_OPERATORS = ("$eq", "$ne", *_ORDER, "$in", "$nin")


def wanted(
    mounts: MountTable,
    *,
    under: str,
    tags: str | Sequence[str] | None,
    where: Mapping[str, Any] | None,
    since: float | datetime | None,
) -> Condition:
    """Return a predicate that is true for files that pass all filters.

    Raises:
        InvalidOption: `tags`, `where` or `since` is not valid.
    """
    conditions: list[Condition] = []
    if under != "/":
        conditions.append(lambda head: is_below(head.path, under))
    if tags is not None:
        named = _tags(tags)
        conditions.append(lambda head: not named.isdisjoint(head.tag_list()))
    if since is not None:
        earliest = _seconds(since)
        conditions.append(lambda head: head.modified_at >= earliest)
    if where is not None:
        conditions.append(_where(mounts, where))
    return lambda head: all(condition(head) for condition in conditions)


def _tags(tags: object) -> frozenset[str]:
    several = [tags] if isinstance(tags, str) else tags
    if not isinstance(several, Iterable):
        raise InvalidOption("`tags` must be a tag or a list of tags")
    return frozenset(map(str, cast("Iterable[object]", several)))


def _seconds(moment: object) -> float:
    with suppress(ValueError, OverflowError):
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
        if isinstance(seconds, (int, float)) and not math.isnan(seconds):
            return float(seconds)
    raise InvalidOption("`since` must be a datetime, or a number of seconds since the epoch")


def _where(mounts: MountTable, where: object, depth: int = 0) -> Condition:
    """Return the predicate of a filter in Chroma's language.

    Such as `{"key": value}`, `{"key": {"$gte": value}}` or `{"$and": [...]}`.
    """
    if depth > MAX_FILTER_DEPTH:
        raise InvalidOption(f"`where` is nested too deeply; {MAX_FILTER_DEPTH} levels are allowed")
    if not isinstance(where, Mapping):
        raise InvalidOption('`where` must be a mapping such as {"tag:deploy": True}')
    conditions = [_clause(mounts, key, value, depth) for key, value in cast("Mapping[object, object]", where).items()]
    return lambda head: all(condition(head) for condition in conditions)


def _clause(mounts: MountTable, key: object, value: object, depth: int) -> Condition:
    if key in {"$and", "$or"}:
        if not isinstance(value, (list, tuple)) or not value:
            raise InvalidOption(f"the value of {key} must be a list of conditions that is not empty")
        several = [_where(mounts, part, depth + 1) for part in cast("Sequence[object]", value)]
        join = all if key == "$and" else any
        return lambda head: join(condition(head) for condition in several)
    field = _field(mounts, key)
    operators = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {"$eq": value}
    tests = [_test(operator, operand) for operator, operand in operators.items()]
    return lambda head: all(test(field(head)) for test in tests)


def _field(mounts: MountTable, key: object) -> Callable[[Head], Scalar]:
    """Return a function that returns a file's value for a key."""
    if key == "collection":
        return lambda head: mounts.of(head.path).collection
    if key in KEYS:
        return lambda head: cast(Scalar, getattr(head, str(key)))
    if isinstance(key, str) and key.startswith("tag:"):
        tag = key.removeprefix("tag:")
        return lambda head: tag in head.tag_list()
    raise InvalidOption(f"unknown key {key!r} in `where`; use {', '.join(KEYS)} or tag:NAME")


def _test(operator: object, operand: object) -> Callable[[Scalar], bool]:
    if operator in {"$in", "$nin"}:
        if not isinstance(operand, (list, tuple)):
            raise InvalidOption(f"the value of {operator} must be a list of values")
        values = [_scalar(value) for value in cast("Sequence[object]", operand)]
        return lambda value: (value in values) == (operator == "$in")
    scalar = _scalar(operand)
    if operator in {"$eq", "$ne"}:
        return lambda value: (value == scalar) == (operator == "$eq")
    compare = _ORDER.get(str(operator))
    if compare is None:
        raise InvalidOption(f"unknown operator {operator!r} in `where`; use {', '.join(_OPERATORS)}")
    if not isinstance(scalar, (int, float)):
        raise InvalidOption(f"{operator} needs a number, not {scalar!r}")
    return lambda value: isinstance(value, (int, float)) and compare(value, scalar)


def _scalar(value: object) -> Scalar:
    if isinstance(value, (str, int, float, bool)):
        return value
    raise InvalidOption(f"`where` compares with text, numbers or booleans, not {value!r}")
