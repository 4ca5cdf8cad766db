"""`Driver`: the interface to a database, so that the rest of the ledger is the same for each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.engine import Dialect

from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.base.version_names import VersionNames
from pydantic_hivemind.errors import HivemindError

Cursor = Any
"""A cursor of the database's own library."""


class Driver(Protocol):
    """A database of a ledger. Its cursors do not begin transactions by themselves."""

    engine: Engine
    dialect: Dialect

    directory: Path | None
    """Where the database's file is; `None` if a server has it."""

    patience: float
    """Seconds that a write waits for others before it fails."""

    loop_read_bytes: int | None
    """Maximum size of a file that may be read on an event loop's thread, in bytes; `None` if any read may wait for a
    network or a lock."""

    known_actors: dict[Actor, int]
    """Ids of actors that are in the database, as far as this process has seen."""

    version_names: VersionNames
    """What callers see of the numbers of versions; there are none before the schema is up to date."""

    def now(self) -> float:
        """Return the time that decides about leases and lifetimes, in seconds since the epoch: the database's."""
        ...

    def begin_read(self, cursor: Cursor, connection: PoolProxiedConnection, within: Sequence[int] | None) -> None:
        """Prepare for statements that each are a transaction; of no scopes but `within` they see rows, if not of all.

        Only a server enforces that.
        """
        ...

    def begin_snapshot(self, cursor: Cursor, within: Sequence[int] | None) -> None:
        """Begin a read-only transaction in which all statements see the same state; `within` as for `begin_read`."""
        ...

    def begin_write(self, cursor: Cursor, chain: Sequence[int], seconds: float) -> None:
        """Begin a write to a scope of that chain; an empty chain is for creating a root, or for writes without a scope.

        Until it ends, no other write to the tree begins, and no scope of the chain is removed. It waits at most
        `seconds` for other processes. It sees rows of all scopes: what may be pruned depends on those below.
        """
        ...

    def join(self, cursor: Cursor, chain: Sequence[int]) -> None:
        """Let a write that began without a chain change the tree of one too; other writes to that tree wait."""
        ...

    def line(self, chain: Sequence[int] | None, seconds: float | None) -> AbstractContextManager[float | None]:
        """Held for the time of one write to the tree that a chain is in; with `None`, to any.

        Entered, it gives what is left of the seconds; without them it waits as long as it takes. Raises `StoreBusy`.
        """
        ...

    def fetch_binary(self, cursor: Cursor) -> None:
        """Have the rows of a cursor sent as they are stored, where the database would send them as text."""
        ...

    def is_alive(self, connection: PoolProxiedConnection) -> bool:
        """Return whether a connection that was idle can still be used."""
        ...

    def interrupt(self, connection: PoolProxiedConnection) -> None:
        """Stop the statement that another thread runs on a connection, if there is one. May wait for a network."""
        ...

    def after_fork(self) -> None:
        """Replace the locks in a forked child: a thread of the parent may have held them."""
        ...

    def holds_ledger(self, cursor: Cursor) -> bool:
        """Return whether the database contains a ledger.

        Raises:
            NotALedger: It contains something else.
        """
        ...

    def mark(self, cursor: Cursor) -> None:
        """Mark the database as a ledger's, in the transaction that creates its tables."""
        ...

    def advise(self, cursor: Cursor) -> None:
        """Configure the query planner, in the same transaction, after the tables were created."""
        ...

    def damage(self, cursor: Cursor) -> list[str]:
        """Return the damage that the database itself detects."""
        ...

    def can_write_within(self, cursor: Cursor, seconds: float) -> bool:
        """Return whether a write can begin within that time."""
        ...

    def compact(self, cursor: Cursor) -> None:
        """Return the space of deleted data to the disk."""
        ...

    def size(self, cursor: Cursor) -> int:
        """Return the disk space of the ledger, in bytes."""
        ...

    def translate(self, error: BaseException) -> HivemindError | None:
        """Return the package's error for an error of the database's library; `None` for any other error."""
        ...
