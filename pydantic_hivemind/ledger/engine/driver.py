"""`Driver`: what a database has to say for itself, so that everything else of the ledger is the same on each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.engine import Dialect

from pydantic_hivemind.errors import HivemindError

Cursor = Any
"""A cursor of the database's own library."""


class Driver(Protocol):
    """A database that a ledger is kept in. Its cursors begin no transactions by themselves."""

    engine: Engine
    dialect: Dialect

    patience: float
    """Seconds that a write waits for others before it fails."""

    loop_read_bytes: int | None
    """Most bytes of a file that may be read on an event loop's own thread; `None` where any read may wait for a network
    or for a lock."""

    begin_snapshot: str
    """Begins a transaction that sees one moment and changes nothing."""

    def begin_write(self, cursor: Cursor, chain: Sequence[int], seconds: float) -> None:
        """Begin a write to a scope of that chain; an empty one is for what makes a root, or concerns no tree.

        Until it ends, no other write to the tree begins, and none of the chain is removed. It waits for those of other
        processes so long at most.
        """
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
        """Whether a connection that nobody used for a while can be used still."""
        ...

    def interrupt(self, connection: PoolProxiedConnection) -> None:
        """Stop the statement that another thread runs on a connection, if there is one. May wait for a network."""
        ...

    def after_fork(self) -> None:
        """In a forked child: replace the locks, which a thread that is not here may have held."""
        ...

    def holds_ledger(self, cursor: Cursor) -> bool:
        """Whether there is a ledger already. Raises `NotALedger` where there is something else."""
        ...

    def mark(self, cursor: Cursor) -> None:
        """Mark the place as a ledger's, in the transaction that makes its tables."""
        ...

    def advise(self, cursor: Cursor) -> None:
        """Prepare the query planner, in the same transaction, after the tables were made."""
        ...

    def damage(self, cursor: Cursor) -> list[str]:
        """What the database itself finds wrong with what it stored."""
        ...

    def can_write_within(self, cursor: Cursor, seconds: float) -> bool:
        """Whether a write gets its turn in that time."""
        ...

    def compact(self, cursor: Cursor) -> None:
        """Give the room of what was deleted back to the disk."""
        ...

    def size(self, cursor: Cursor) -> int:
        """Bytes of disk that the ledger takes."""
        ...

    def translate(self, error: BaseException) -> HivemindError | None:
        """What an error of the database's library means here, or `None` for one that is none of the store's."""
        ...
