"""What is particular to PostgreSQL: how it is opened, how writes take turns, and what its errors mean."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from sqlalchemy import URL, Engine, NullPool, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.base.version_names import NO_NAMES
from pydantic_hivemind.errors import HivemindError, InvalidOption, NotALedger
from pydantic_hivemind.ledger.engine.driver import Cursor
from pydantic_hivemind.ledger.engine.postgresql_errors import lacks_permission, meaning
from pydantic_hivemind.ledger.engine.write_queue import WriteQueue
from pydantic_hivemind.ledger.schema import metadata
from pydantic_hivemind.limits import BUSY_SECONDS

SCHEMA = "hivemind"
"""The schema that the tables are in, so that a database may have others beside them."""

LOCK_SPACE = 0x48564D44 << 32
"""The advisory locks of a hive are this and above: "HVMD", and the number of a root scope."""

_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8"

INTERRUPT_TIMEOUT = 5.0
"""Seconds to wait for the server to take note that a statement is to be stopped; it takes a new connection."""

QUEUES = 16
"""Most writes of one process at a time, of different trees. Each has a connection, of which servers allow a hundred."""


class PostgresDriver:
    """A schema of a PostgreSQL database, shared by any number of processes and hosts.

    Writes to the scopes of one tree, which all read through to one root, take turns; those of different trees do not
    wait for each other. So whatever reads and changes a tree in one transaction sees nothing of it change meanwhile,
    and its versions are numbered in the order in which they are committed.
    """

    # It goes over a network, and waits where another session has locked a table, as to compact it does.
    loop_read_bytes: int | None = None
    directory: Path | None = None

    def __init__(self, url: str, *, row_security: bool = True) -> None:
        self._row_security = row_security
        self.known_actors: dict[Actor, int] = {}
        self.version_names = NO_NAMES
        self._server_time = 0.0, 0.0
        self._psycopg = _psycopg()
        self.patience: float = BUSY_SECONDS
        # Parameters are given by name, as to SQLite.
        self.dialect: Dialect = PGDialect_psycopg()
        self.engine: Engine = create_engine(
            _with_driver(url),
            poolclass=NullPool,
            # Nothing is left in a connection that is closed, and one that is lost cannot be asked.
            pool_reset_on_return=None,
            connect_args={"autocommit": True, "client_encoding": "utf8", "application_name": "hivemind"},
        )
        event.listen(self.engine, "connect", self._connected)
        self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: replace the locks, which a thread that is not here may have held."""
        # Threads wait here for other threads of the tree, so that only one of them needs a connection.
        self._queues = [WriteQueue() for _ in range(QUEUES)]

    def line(self, chain: Sequence[int] | None, seconds: float | None) -> AbstractContextManager[float | None]:
        """Held for the time of one write to the tree that a chain is in; with `None`, to any."""
        return self._every_line(seconds) if chain is None else self._queues[_root(chain) % QUEUES].within(seconds)

    @contextmanager
    def _every_line(self, seconds: float | None) -> Generator[float | None]:
        with ExitStack() as every:
            for line in self._queues:
                seconds = every.enter_context(line.within(seconds))
            yield seconds

    def now(self) -> float:
        """Return the server's time, as it was when it last sent it and the time that went by since.

        It sends it with the beginning of every write and every snapshot: what a host takes for the time decides
        nothing, since a host that is two hours ahead would remove the sessions of others.
        """
        sent, at = self._server_time
        return sent + time.monotonic() - at

    def begin_read(self, cursor: Cursor, connection: PoolProxiedConnection, within: Sequence[int] | None) -> None:
        """Have the statements of a connection see rows of some scopes only; without, of all."""
        wanted = _seen(within)
        if self._row_security and connection.info.get(_SEEN) != wanted:
            # Until it is known to be done.
            connection.info[_SEEN] = None
            cursor.execute(f"SET hivemind.chain = {wanted}")
            connection.info[_SEEN] = wanted

    def begin_snapshot(self, cursor: Cursor, within: Sequence[int] | None) -> None:
        """Begin a read."""
        cursor.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._see(within)}{_TIME}")
        self._take_time(cursor)

    def _see(self, within: Sequence[int] | None) -> str:
        """Return what has the transaction see rows of some scopes only, or of all."""
        return f"SET LOCAL hivemind.chain = {_seen(within)}; " if self._row_security else ""

    def _take_time(self, cursor: Cursor) -> None:
        """Read the server's time from the last of several answers."""
        while cursor.nextset():
            pass
        self._server_time = float(cursor.fetchone()[0]), time.monotonic()

    def begin_write(self, cursor: Cursor, chain: Sequence[int], seconds: float) -> None:
        """Begin a write to a scope of that chain; an empty one is for what makes a root, or concerns no tree."""
        take_turn = f"SELECT pg_advisory_xact_lock({LOCK_SPACE + _root(chain)})"
        if seconds != self.patience:
            take_turn = f"{_wait(seconds)}; {take_turn}; {_wait(self.patience)}"
        # In one message, to wait for one answer.
        begin = f"BEGIN; {self._see(None)}{take_turn}"
        if chain:
            # Scopes past their ttl are removed by writes to other trees too, but not while they are written to.
            begin += f"; SELECT id FROM scopes WHERE id IN ({', '.join(map(str, chain))}) FOR KEY SHARE"  # noqa: S608
        cursor.execute(f"{begin}; {_TIME}")
        self._take_time(cursor)

    def join(self, cursor: Cursor, chain: Sequence[int]) -> None:
        """Take the turn of another tree. Only a write that began without a chain may: it has no other's turn yet."""
        if chain:
            cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK_SPACE + _root(chain)})")
            cursor.execute(f"SELECT id FROM scopes WHERE id IN ({', '.join(map(str, chain))}) FOR KEY SHARE")  # noqa: S608

    def fetch_binary(self, cursor: Cursor) -> None:
        """Have rows sent in the binary format: bytes as text have twice the size, and take the interpreter to decode.

        Only one statement can be sent at a time then, so it is said after that which begins a write.
        """
        cursor.format = self._psycopg.pq.Format.BINARY

    def is_alive(self, connection: PoolProxiedConnection) -> bool:
        """Whether the server still answers: it, or something on the way, may have ended a connection meanwhile."""
        try:
            connection.cursor().execute("SELECT 1")
        except self._psycopg.Error:
            return False
        return True

    def interrupt(self, connection: PoolProxiedConnection) -> None:
        """Ask the server to stop the statement that another thread runs, also one that waits for a lock."""
        # A server that cannot be reached has nothing to stop, or ends it by its timeouts.
        with suppress(self._psycopg.Error):
            cast(Any, connection.driver_connection).cancel_safe(timeout=INTERRUPT_TIMEOUT)

    def _connected(self, connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_SEEN] = _seen(None)
        cursor = connection.execute(
            f"SET search_path = {SCHEMA}; SET hivemind.chain = {_seen(None)}; {_wait(self.patience)}; "
            f"SET idle_in_transaction_session_timeout = {round(self.patience * 1000)}; {_TIME}"
        )
        self._take_time(cursor)

    def holds_ledger(self, cursor: Cursor) -> bool:
        """Whether the schema holds a ledger already.

        Raises:
            NotALedger: It holds something else.
            StoreReadOnly: The user of the database may not use the schema.
        """
        found = cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA]).fetchall()
        tables = {name for (name,) in found}
        if tables and not tables >= {"alembic_version", "scopes"}:
            raise NotALedger(
                f"the schema {SCHEMA!r} of the database contains tables of another program; use another database"
            )
        # Without USAGE the tables are there, and not found by their names.
        if tables and cursor.execute("SELECT has_schema_privilege(%s, 'USAGE')", [SCHEMA]).fetchone() != (True,):
            raise lacks_permission()
        return bool(tables)

    def mark(self, cursor: Cursor) -> None:
        """Make the schema, in the transaction that makes its tables.

        Raises:
            NotALedger: The database cannot hold every text.
        """
        if cursor.execute("SHOW server_encoding").fetchone() != ("UTF8",):
            raise NotALedger("the database's encoding is not UTF-8; create a database with ENCODING 'UTF8'")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")

    def advise(self, cursor: Cursor) -> None:
        """Nothing: the server counts rows by itself."""

    def damage(self, cursor: Cursor) -> list[str]:  # noqa: ARG002
        """Nothing: a server checks its pages itself, if it was made with checksums."""
        return []

    def can_write_within(self, cursor: Cursor, seconds: float) -> bool:
        """Whether a write that concerns no tree gets its turn in that time."""
        try:
            self.begin_write(cursor, (), seconds)
        except self._psycopg.errors.LockNotAvailable:
            return False
        finally:
            cursor.execute("ROLLBACK")
        return True

    def compact(self, cursor: Cursor) -> None:
        """Write the tables anew, without what was deleted."""
        for table in metadata.sorted_tables:
            cursor.execute(f"VACUUM (FULL, ANALYZE) {table.name}")

    def size(self, cursor: Cursor) -> int:
        """Bytes of the tables and their indexes."""
        counted = "SELECT sum(pg_total_relation_size(quote_ident(schemaname) || '.' || quote_ident(tablename)))::bigint"
        return cursor.execute(f"{counted} FROM pg_tables WHERE schemaname = %s", [SCHEMA]).fetchone()[0]

    def translate(self, error: BaseException) -> HivemindError | None:
        """What an error of psycopg's means here, or `None` for one that is none of its."""
        if not isinstance(error, self._psycopg.Error):
            return None
        return meaning(self._psycopg, error)


_SEEN = "hivemind.chain"
"""Where it is noted which rows the statements of a connection see."""


def _seen(within: Sequence[int] | None) -> str:
    """Return the ids of the scopes whose rows are seen, as the policies of the tables read them; 0 is for all."""
    return f"'{{{','.join(map(str, within)) if within is not None else '0'}}}'"


def _root(chain: Sequence[int]) -> int:
    return chain[-1] if chain else 0


def _wait(seconds: float) -> str:
    """Wait so long for other writes; undone with the transaction that it is said in. Zero would be for good."""
    return f"SET lock_timeout = {max(1, round(seconds * 1000))}"


def _psycopg() -> ModuleType:
    try:
        import psycopg
    except ImportError:
        raise InvalidOption("psycopg is not installed; PostgreSQL needs `pydantic-hivemind[postgresql]`") from None
    return psycopg


def has_password(url: str) -> bool:
    """Return whether a database's URL has a password in it, also as a parameter.

    Raises:
        InvalidOption: It is none of PostgreSQL's.
    """
    made = _with_driver(url)
    return bool(made.password) or not made.query.keys().isdisjoint(("password", "sslpassword"))


def _with_driver(url: str) -> URL:
    """A database's URL, for psycopg.

    Raises:
        InvalidOption: It is none of PostgreSQL's.
    """
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        made = None
    if made is None or made.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise InvalidOption("the URL is not one of PostgreSQL; it must be postgresql://USER:PASSWORD@HOST/DATABASE")
    return made.set(drivername="postgresql+psycopg")
