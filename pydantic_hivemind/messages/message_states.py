"""The state of messages at a moment, to find out at the speed of C whether they were changed in place since."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

_IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime, date, timedelta, Decimal})


class MessageState:
    """The state of values: pydantic-ai's objects with their referents, and lists and dicts with a copy of each.

    Asking an object for its referents takes a quarter of the time of comparing its attributes by name. Values that `==`
    does not distinguish count as unchanged, and so does an object whose `__dict__` was replaced as a whole.
    """

    __slots__ = ("_containers", "_copies", "_owners", "_referents")

    def __init__(self) -> None:
        # What holds the attributes of each object, and the attributes of all of them.
        self._owners: list[object] = []
        self._referents: list[object] = []
        self._containers: list[object] = []
        self._copies: list[object] = []

    def is_current(self) -> bool:
        """Return whether every value still has the state in which it was added."""
        try:
            return self._containers == self._copies and gc.get_referents(*self._owners) == self._referents
        except Exception:  # noqa: BLE001 - what is there now cannot even be compared, as with an array
            return False

    def is_of(self, messages: Sequence[ModelMessage]) -> bool:
        """Return whether it is the state of these objects, if it was made by `add_read`."""
        if all(map(is_, map(vars, messages), self._owners)):
            return True
        # From Python 3.13 on, an object may hold its attributes itself.
        return all(
            owner is vars(message) or owner is message for message, owner in zip(messages, self._owners, strict=False)
        )

    def owners(self, count: int) -> list[object]:
        """Return the first owners: if it was made by `add_read`, those of the messages."""
        return self._owners[:count]

    def extend(self, other: MessageState) -> None:
        """Add the values of another state."""
        self._owners += other._owners
        self._referents += other._referents
        self._containers += other._containers
        self._copies += other._copies

    def add(self, value: object) -> bool:
        """Add a value and everything it contains.

        Returns:
            Whether that covers its whole state: that of an app's own objects is not known.
        """
        kind = type(value)
        if kind in _IMMUTABLE:
            return True
        if kind is list:
            return self._add_container(value, inside := cast("list[object]", value).copy(), inside)
        if kind is dict:
            copy = cast("dict[object, object]", value).copy()
            return self._add_container(value, copy, (*copy, *copy.values()))
        return _is_known(kind) and hasattr(value, "__dict__") and self._add_object(value)

    def add_read(self, messages: Sequence[ModelMessage]) -> bool:
        """Add messages that were just read from JSON, which is several times as fast as `add`.

        Returns:
            Whether that covers their whole state.
        """
        level: list[Any] = [*messages]
        while level:
            lists, tuples, dicts, objects = (list[Any]() for _ in range(4))
            of_kind: dict[Any, list[Any]] = {list: lists, tuple: tuples, dict: dicts}
            for value in level:
                of_kind.get(cast(Any, type(value)), objects).append(value)
            if not all(_is_known(kind) and kind.__dictoffset__ for kind in {*map(type, objects)}):
                return False
            owners: list[Any] = [*map(vars, objects)]
            values = referents = gc.get_referents(*owners)
            if len(values) != sum(map(len, owners)):
                values = [*chain.from_iterable(map(dict[str, Any].values, owners))]
                owners = [*map(_owner, objects)]
                referents = gc.get_referents(*owners)
            self._owners += owners
            self._referents += referents
            self._containers += (*lists, *dicts)
            self._copies += (*map(list[Any].copy, lists), *map(dict[Any, Any].copy, dicts))
            inside = chain(values, *lists, *tuples, chain.from_iterable(map(dict[Any, Any].values, dicts)))
            level = [value for value in inside if type(value) not in _IMMUTABLE]
        return True

    def _add_container(self, value: object, copy: object, inside: Iterable[object]) -> bool:
        self._containers.append(value)
        self._copies.append(copy)
        return all(map(self.add, inside))

    def _add_object(self, value: object) -> bool:
        values = [*vars(value).values()]
        owner = _owner(value)
        self._owners.append(owner)
        self._referents += gc.get_referents(owner)
        return all(map(self.add, values))


def _owner(value: object) -> object:
    """Return what refers to the attributes: a dict, and from Python 3.13 on often the object itself."""
    attributes = vars(value)
    return attributes if len(gc.get_referents(attributes)) == len(attributes) else value


def _is_known(kind: type[object]) -> bool:
    return kind.__module__.startswith("pydantic_ai.")
