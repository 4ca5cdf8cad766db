"""Transactions on the ledger's database, and bringing its schema up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from sqlalchemy import Connection, PoolProxiedConnection
from sqlalchemy.engine.interfaces import DBAPICursor
from typing_extensions import Self

from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.base.version_names import VersionNames
from pydantic_hivemind.errors import LedgerTooNew, NotALedger, StoreBusy
from pydantic_hivemind.ledger.engine.driver import Driver
from pydantic_hivemind.ledger.engine.interruption import Interruption, interruption
from pydantic_hivemind.ledger.engine.pool import Connections
from pydantic_hivemind.ledger.engine.statements import Row, Shape, Statement, Value
from pydantic_hivemind.ledger.schema import REVISION


class Transaction:
    """Runs statements on one connection while it is entered, once. Each sees the database at a moment of its own."""

    __slots__ = (
        "_call",
        "_connections",
        "_cursor",
        "_dialect",
        "_driver",
        "_within",
        "abandoned",
        "added_actors",
        "connection",
        "known_actors",
    )

    connection: PoolProxiedConnection

    def __init__(self, connections: Connections, driver: Driver, within: Sequence[int] | None) -> None:
        self._connections = connections
        self._driver = driver
        self._within = within
        self._dialect = driver.dialect
        self._call: Interruption | None = None
        self.abandoned = False
        # Ids of actors: those that are committed, of the whole process, and those that this transaction added.
        self.known_actors = driver.known_actors
        self.added_actors: dict[Actor, int] = {}

    def __enter__(self) -> Self:
        self.connection = self._connections.take()
        try:
            call = interruption.get()
            if call is not None:
                call.begin(self._stop)
                self._call = call
            self._cursor: DBAPICursor = self.connection.cursor()
        except BaseException as error:
            self._connections.give_back(self.connection, error)
            raise
        try:
            self._begin()
            self._driver.fetch_binary(self._cursor)
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._end()
            except BaseException as failure:
                self._leave(failure)
                raise
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        # An error can keep the cursor alive. Who frees it, with a statement that is not through, would wait in SQLite
        # for whoever waits for other writes with the same connection then.
        self._cursor.close()
        call = self._call
        if call is None:
            self._connections.give_back(self.connection, error)
            return
        call.end(self._stop)
        # A request to stop may reach the server only now: it must not meet the next use of the connection.
        self._connections.give_back(self.connection, error, keep=not call.requested)

    def _stop(self) -> None:
        """Called by another thread: stop the statement that is running."""
        self._driver.interrupt(self.connection)

    def _begin(self) -> None:
        """What comes before the first statement."""
        self._driver.begin_read(self._cursor, self.connection, self._within)

    def _end(self) -> None:
        """What comes after the last one; after an error everything is undone instead."""

    def now(self) -> float:
        """Return the time that leases and lifetimes are measured by, in seconds since the epoch."""
        return self._driver.now()

    @property
    def version_names(self) -> VersionNames:
        """What callers see of the numbers of versions."""
        return self._driver.version_names

    def join(self, chain: Sequence[int]) -> None:
        """Let this write, which began without a chain, change the tree of one too."""
        self._driver.join(self._cursor, chain)

    def abandon(self) -> None:
        """Undo everything when the block ends, without an error."""
        self.abandoned = True

    def rows(
        self,
        statement: Statement[Shape],
        values: Mapping[str, Value],
        *shape: Shape.args,
        **named: Shape.kwargs,
    ) -> list[Row]:
        """The rows of a query, or of a change with RETURNING."""
        if self._call is not None:
            self._call.check()
        self._cursor.execute(*statement.bind(self._dialect, values, *shape, **named))
        return cast("list[Row]", self._cursor.fetchall())

    def run(
        self,
        statement: Statement[Shape],
        values: Mapping[str, Value],
        *shape: Shape.args,
        **named: Shape.kwargs,
    ) -> int:
        """The number of rows a change touched."""
        if self._call is not None:
            self._call.check()
        self._cursor.execute(*statement.bind(self._dialect, values, *shape, **named))
        return self._cursor.rowcount

    def run_all(
        self,
        statement: Statement[Shape],
        rows: Sequence[Mapping[str, Value]],
        *shape: Shape.args,
        **named: Shape.kwargs,
    ) -> None:
        """Run a change once for each of some arguments, all sent together."""
        if rows:
            text, first = statement.bind(self._dialect, rows[0], *shape, **named)
            constants = {name: value for name, value in first.items() if name not in rows[0]}
            self._cursor.executemany(text, [{**constants, **values} for values in rows])


class _Snapshot(Transaction):
    __slots__ = ()

    def _begin(self) -> None:
        self._driver.begin_snapshot(self._cursor, self._within)

    def _end(self) -> None:
        self.connection.rollback()


class _Write(Transaction):
    __slots__ = ("_chain", "_left", "_patience", "_turn")

    def __init__(self, connections: Connections, driver: Driver, chain: Sequence[int], patience: float) -> None:
        super().__init__(connections, driver, None)
        self._chain = chain
        self._patience = patience

    def __enter__(self) -> Self:
        with ExitStack() as turn:
            left = turn.enter_context(self._driver.line(self._chain, self._patience))
            self._left = self._patience if left is None else left
            super().__enter__()
            self._turn = turn.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            super().__exit__(kind, error, trace)

    def _begin(self) -> None:
        self._driver.begin_write(self._cursor, self._chain, self._left)

    def _end(self) -> None:
        if self.abandoned:
            self.connection.rollback()
            return
        if self._call is not None:
            self._call.check()
        self.connection.commit()


class Database:
    """The ledger's database. Safe for threads, other processes, and forks."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._connections = Connections(driver)
        try:
            self._bring_up_to_date()
        except BaseException:
            self._connections.close()
            raise

    def read(self, within: Sequence[int] | None = None) -> Transaction:
        """For one query; each statement sees the database at a moment of its own.

        `within` are the only scopes of which it sees rows, where the database enforces that; without, those of all.
        """
        return Transaction(self._connections, self._driver, within)

    def snapshot(self, within: Sequence[int] | None = None) -> Transaction:
        """For several queries that must see the same moment; `within` as for `read`."""
        return _Snapshot(self._connections, self._driver, within)

    def write(self, chain: Sequence[int] = (), *, patience: float | None = None) -> Transaction:
        """One transaction: all of it is durable when the block ends, or none of it happened.

        `chain` is that of the scope that changes. No other write to the tree it is in is under way meanwhile; without
        one, none else that makes a root or concerns no tree. `patience` is how many seconds it waits for others.
        """
        return _Write(self._connections, self._driver, chain, self._driver.patience if patience is None else patience)

    def now(self) -> float:
        """Return the time that leases and lifetimes are measured by, in seconds since the epoch."""
        return self._driver.now()

    @property
    def version_names(self) -> VersionNames:
        """What callers see of the numbers of versions."""
        return self._driver.version_names

    def may_read_on_loop(self, size: int = 0) -> bool:
        """Whether a read of a few rows, and of that many bytes of a file, may run on an event loop's own thread."""
        most = self._driver.loop_read_bytes
        return most is not None and size <= most

    def watched(self, used: Callable[[], None]) -> Database:
        """The same database, calling `used` before each transaction."""
        return _WatchedDatabase(self, used)

    @property
    def directory(self) -> Path | None:
        """Where the database's file is; `None` if a server has it."""
        return self._driver.directory

    def damage(self) -> list[str]:
        """What the database itself finds wrong with what it stored."""
        with self.read() as tx:
            return self._driver.damage(cast(Any, tx.connection.cursor()))

    def can_write_within(self, seconds: float) -> bool:
        """Whether a write gets its turn in that time."""
        with suppress(StoreBusy), self._driver.line(None, seconds), self.read() as tx:
            return self._driver.can_write_within(cast(Any, tx.connection.cursor()), seconds)
        return False

    def compact(self) -> None:
        """Give the room of what was deleted back to the disk; writes wait meanwhile."""
        with self._driver.line(None, self._driver.patience), self.read() as tx:
            self._driver.compact(cast(Any, tx.connection.cursor()))

    def size(self) -> int:
        """Bytes of disk that it takes."""
        with self.read() as tx:
            return self._driver.size(cast(Any, tx.connection.cursor()))

    def close(self) -> None:
        """Close every connection when the write that has begun is done; later calls raise `StoreClosed`."""
        with self._driver.line(None, None):
            self._connections.close()

    def _bring_up_to_date(self) -> None:
        with self.read() as tx:
            if self._revision(tx.connection) == REVISION:
                self._driver.version_names = _version_names(tx.connection)
                return
        with self.write() as tx:
            # Another process may have been first.
            if self._revision(tx.connection) != REVISION:
                self._migrate(tx.connection)
            self._driver.version_names = _version_names(tx.connection)

    def _revision(self, connection: PoolProxiedConnection) -> str | None:
        """The schema's revision; `None` for a database that holds nothing yet."""
        cursor = cast(Any, connection.cursor())
        if not self._driver.holds_ledger(cursor):
            return None
        row = cursor.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else cast(str, row[0])

    def _migrate(self, connection: PoolProxiedConnection) -> None:
        # Imported here: most openings find the schema up to date and need no alembic.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("path_separator", "os")
        config.set_main_option("script_location", str(resources.files("pydantic_hivemind.ledger") / "migrations"))
        through_sqlalchemy = Connection(self._driver.engine, connection)
        # Tells alembic that there is a transaction already, which it then does not end.
        through_sqlalchemy.begin()
        config.attributes["connection"] = through_sqlalchemy
        found = self._revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise LedgerTooNew("the ledger was written by a newer pydantic-hivemind; upgrade the package to open it")
        self._driver.mark(cast(Any, connection.cursor()))
        command.upgrade(config, REVISION)
        self._driver.advise(cast(Any, connection.cursor()))


def _version_names(connection: PoolProxiedConnection) -> VersionNames:
    """The names of the store's versions, which are made with it.

    Raises:
        NotALedger: They are gone.
    """
    cursor = cast(Any, connection.cursor())
    row = cursor.execute("SELECT value FROM secrets WHERE name = 'versions'").fetchone()
    if row is None:
        raise NotALedger("the ledger is damaged: it has no key for versions; restore it from a backup")
    return VersionNames.unpacked(cast(bytes, row[0]))


class _WatchedDatabase(Database):
    """Somebody's way to a database: it tells them when it is used, and equals the database itself."""

    def __init__(self, database: Database, used: Callable[[], None]) -> None:
        self._database = database
        self._used = used

    def __eq__(self, other: object) -> bool:
        return self._database == (other._database if isinstance(other, _WatchedDatabase) else other)

    def __hash__(self) -> int:
        return hash(self._database)

    def read(self, within: Sequence[int] | None = None) -> Transaction:
        self._used()
        return self._database.read(within)

    def snapshot(self, within: Sequence[int] | None = None) -> Transaction:
        self._used()
        return self._database.snapshot(within)

    def write(self, chain: Sequence[int] = (), *, patience: float | None = None) -> Transaction:
        self._used()
        return self._database.write(chain, patience=patience)

    def now(self) -> float:
        return self._database.now()

    @property
    def directory(self) -> Path | None:
        return self._database.directory

    @property
    def version_names(self) -> VersionNames:
        return self._database.version_names

    def may_read_on_loop(self, size: int = 0) -> bool:
        return self._database.may_read_on_loop(size)

    def close(self) -> None:
        self._database.close()
