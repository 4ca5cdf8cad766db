"""SQLAlchemy statements, compiled once for a database and executed by its driver.

Executing a statement through SQLAlchemy costs 50 to 80 microseconds of Python; executing its compiled text costs 10. A
`Statement` is written in SQLAlchemy Core, so it suits every dialect, and is compiled when a shape is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic

from sqlalchemy import Insert, SelectBase, Table, UpdateBase, bindparam, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import BindParameter
from typing_extensions import ParamSpec

Value = str | int | float | bool | bytes | None
"""Types of arguments and results: those that every driver supports without conversion."""

Row = tuple[Any, ...]
"""A row as a driver returns it; its types depend on the statement."""

Shape = ParamSpec("Shape")


class Statement(Generic[Shape]):
    """A family of statements, one for each shape: the lengths of its lists of parameters.

    Args:
        build: Returns the statement of a shape.
        postgresql: The same for PostgreSQL, where its planner needs another way to say it.
    """

    def __init__(
        self,
        build: Callable[Shape, SelectBase | UpdateBase],
        *,
        postgresql: Callable[Shape, SelectBase | UpdateBase] | None = None,
    ) -> None:
        self._build = build
        self._builds = {} if postgresql is None else {"postgresql": postgresql}
        self._compiled: dict[tuple[str, object], tuple[str, dict[str, Value]]] = {}

    def bind(
        self, dialect: Dialect, values: Mapping[str, Value], *shape: Shape.args, **named: Shape.kwargs
    ) -> tuple[str, Mapping[str, Value]]:
        """Return the SQL for one shape, in the dialect's parameter style, and all its arguments."""
        key = (dialect.name, shape)
        found = self._compiled.get(key)
        if found is None:
            build = self._builds.get(dialect.name, self._build)
            compiled = build(*shape, **named).compile(dialect=dialect)
            # Numbers written into the statement became parameters too.
            constants: dict[str, Value] = {
                name: bind.value for name, bind in compiled.binds.items() if not bind.required
            }
            found = self._compiled[key] = (str(compiled), constants)
        text, constants = found
        return text, {**constants, **values} if constants else values


def param(name: str) -> BindParameter[Any]:
    """Return a named parameter."""
    return bindparam(name)


@lru_cache
def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{index}" for index in range(count))


def slots(name: str, count: int) -> list[BindParameter[Any]]:
    """Return `count` parameters called `name_0`, `name_1` and so on, for an IN."""
    return [param(numbered) for numbered in _numbered(name, count)]


def fill(name: str, values: Sequence[Value]) -> dict[str, Value]:
    """Return the arguments for `slots(name, len(values))`."""
    return dict(zip(_numbered(name, len(values)), values, strict=True))


def insert_row(table: Table, *, numbered: bool = False, without: Collection[str] = ()) -> Insert:
    """Return an INSERT of every column, or all but some; with `numbered` the database generates the id."""
    filled = (column for column in table.columns if not (numbered and column.primary_key))
    named = {column.name: param(column.name) for column in filled if column.name not in without}
    statement = insert(table).values(named)
    return statement.returning(*table.primary_key) if numbered else statement
