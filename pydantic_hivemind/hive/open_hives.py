"""The hives that are open in this process, and the functions that open others, for what is unpickled here."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakSet

from pydantic_hivemind.base.fork_safety import Lock

_changing = Lock()
_hives: WeakSet[object] = WeakSet()
_openers: list[Callable[[], object]] = []


def add(hive: object) -> None:
    """Add a hive that was opened, as long as somebody has it."""
    with _changing:
        _hives.add(hive)


def hives() -> list[object]:
    """Return the hives of this process, closed ones included."""
    with _changing:
        return list(_hives)


def register(opener: Callable[[], object]) -> None:
    """Add a function that opens a hive."""
    with _changing:
        _openers.append(opener)


def openers() -> list[Callable[[], object]]:
    """Return the functions that open a hive, in the order in which they were added."""
    with _changing:
        return list(_openers)
