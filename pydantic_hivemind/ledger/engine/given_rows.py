"""Many rows of parameters in one statement, as a table `given` that is joined with others.

Paths come as one parameter, a JSON array. What holds bytes comes row by row: `path_0`, `kind_0` and so on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, TableValuedAlias, Text, bindparam, column, values
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

from pydantic_hivemind.ledger.columns import Key
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value

BATCHES = (256, 32, 4, 1)
"""Rows of one statement, each size of which is compiled once."""

MOST_VALUES = 512
"""Parameters of one statement. They have names, which SQLite looks up one by one: the time grows with the square."""

Columns = tuple[tuple[str, "TypeEngine[Any]"], ...]
"""Names and types of the columns."""


def given(columns: Columns, count: int) -> CTE:
    """Return the table, to be joined with others."""
    rows = [tuple(bindparam(f"{name}_{number}", type_=of) for name, of in columns) for number in range(count)]
    return values(*(column(name, of) for name, of in columns), name="given").data(rows).cte("given")


class _Texts(GenericFunction[str]):
    """A JSON array of texts as rows."""

    name = "json_texts"
    inherit_cache = True


@compiles(_Texts, "sqlite")
def _in_sqlite(texts: _Texts, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(texts.clauses, **options)})"


@compiles(_Texts, "postgresql")
def _in_postgresql(texts: _Texts, compiler: Any, **options: Any) -> str:
    array = f"json_array_elements_text(CAST({compiler.process(texts.clauses, **options)} AS json))"
    return f'(SELECT value COLLATE "C" AS value FROM {array})'  # noqa: S608 - a parameter of the statement


def given_paths() -> TableValuedAlias:
    """Return the table of the paths that are the parameter `paths`; its column is `value`."""
    return _Texts(bindparam("paths", type_=Text())).table_valued(column("value", Key), name="given")


def paths_of(paths: Sequence[str]) -> str:
    """Return the parameter `paths`."""
    return json.dumps(list(paths), ensure_ascii=False)


@dataclass(frozen=True)
class Batch:
    """Some rows, and the parameters that they are."""

    count: int
    values: dict[str, Value]


def batches(columns: Columns, rows: Sequence[Sequence[Value]]) -> Iterator[Batch]:
    """Return the parameters of all rows, as many at a time as one statement takes."""
    start, most = 0, MOST_VALUES // len(columns)
    while start < len(rows):
        left = min(len(rows) - start, most)
        count = next(size for size in BATCHES if size <= left)
        named: dict[str, Value] = {}
        for number, row in enumerate(rows[start : start + count]):
            for (name, _), value in zip(columns, row, strict=True):
                named[f"{name}_{number}"] = value
        yield Batch(count, named)
        start += count


def run(
    tx: Transaction, statement: Statement[[int]], columns: Columns, rows: Sequence[Sequence[Value]], **shared: Value
) -> None:
    """Run a change for all rows."""
    for batch in batches(columns, rows):
        tx.run(statement, shared | batch.values, batch.count)
