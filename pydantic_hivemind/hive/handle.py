"""`ScopeHandle`: the identity of a scope, without access to its files."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from enum import Enum
from typing import Final

from pydantic_hivemind.base.pickled import Pickled
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.scopes import ScopeRow


class Keep(Enum):
    """What stands for an argument that is left out, where `None` says something."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP


class ScopeHandle(Pickled):
    """The identity of a scope: base class of `Scope` and `AsyncScope`. Handles of the same scope are equal."""

    __slots__ = ("_database", "_names", "_row")

    def __init__(self, database: Database, row: ScopeRow, names: tuple[str, ...]) -> None:
        self._database = database
        self._row = row
        self._names = names

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScopeHandle) and self._row.id == other._row.id and self._database == other._database

    def __hash__(self) -> int:
        return hash(self._row.id)

    @property
    def name(self) -> str:
        """Name of the scope in the hive."""
        return self._row.name

    @property
    def chain(self) -> tuple[str, ...]:
        """Names of the scope and its ancestors, nearest first."""
        return self._names


def database_of(handle: ScopeHandle) -> Database:
    """Return the database that a scope is in, for the package's own modules."""
    return handle._database  # noqa: SLF001


def row_of(handle: ScopeHandle) -> ScopeRow:
    """Return a scope's id in the ledger and those of its ancestors, for the package's own modules."""
    return handle._row  # noqa: SLF001
