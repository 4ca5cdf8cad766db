"""`ScopeHandle`: which scope of which hive something is; nothing of it asks the store."""

from __future__ import annotations

from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.scopes import ScopeRow


class ScopeHandle:
    """What a `Scope` and an `AsyncScope` have in common: the scope that they are of. Those of one scope are equal."""

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
        """Its name in the hive."""
        return self._row.name

    @property
    def chain(self) -> tuple[str, ...]:
        """Its name and those of its ancestors, nearest first."""
        return self._names

    def is_kept_in(self, database: Database) -> bool:
        """Whether it is a scope of that database."""
        return self._database == database

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """The ledger's ids of this scope and its ancestors, nearest first."""
        return self._row.chain

    @property
    def kept_as(self) -> tuple[Database, ScopeRow]:
        """The database it is kept in and its row there, for the package's own modules."""
        return self._database, self._row
