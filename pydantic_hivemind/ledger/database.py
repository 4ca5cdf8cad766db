"""Connections and transactions on the ledger's database, and bringing its schema up to date."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError

from pydantic_hivemind.errors import HivemindError, LedgerTooNew, StoreClosed
from pydantic_hivemind.ledger.forks import Gate
from pydantic_hivemind.ledger.schema import REVISION
from pydantic_hivemind.ledger.sqlite import SqliteDriver
from pydantic_hivemind.ledger.statements import Row, Shape, Statement, Value


class Transaction:
    """Runs statements on one connection."""

    __slots__ = ("_cursor", "_dialect", "abandoned")

    def __init__(self, cursor: DBAPICursor, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self.abandoned = False

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
        self._cursor.execute(*statement.bind(self._dialect, values, *shape, **named))
        return self._cursor.rowcount


class Database:
    """The ledger's database. Safe for threads, other processes, and forks."""

    def __init__(self, driver: SqliteDriver) -> None:
        self._driver = driver
        self._closed = False
        self._gate = Gate(self)
        try:
            with self._gate.passing():
                self._bring_up_to_date()
        except BaseException:
            driver.engine.dispose()
            raise

    @contextmanager
    def read(self) -> Generator[Transaction, None, None]:
        """For one query; each statement sees the database at a moment of its own."""
        with self._connection() as connection:
            yield Transaction(connection.cursor(), self._driver.dialect)

    @contextmanager
    def snapshot(self) -> Generator[Transaction, None, None]:
        """For several queries that must see the same moment."""
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            try:
                yield Transaction(cursor, self._driver.dialect)
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Generator[Transaction, None, None]:
        """One transaction: all of it is durable when the block ends, or none of it happened."""
        with self._driver.line(), self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute(self._driver.begin_write)
            try:
                tx = Transaction(cursor, self._driver.dialect)
                yield tx
                if tx.abandoned:
                    connection.rollback()
                else:
                    connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def watched(self, used: Callable[[], None]) -> Database:
        """The same database, calling `used` before each transaction."""
        return _WatchedDatabase(self, used)

    def before_fork(self) -> None:
        """Close the connections; the next call opens one again."""
        self._driver.engine.dispose()

    def after_fork(self) -> None:
        """Begin anew in a forked child."""
        self._driver.after_fork()

    def close(self) -> None:
        """Close every connection when the write that has begun is done; later calls raise `StoreClosed`."""
        with self._driver.line():
            self._closed = True
            self._driver.engine.dispose()

    @contextmanager
    def _connection(self) -> Generator[DBAPIConnection, None, None]:
        if self._closed:
            raise StoreClosed("the hive is closed; open it again")
        with self._gate.passing(), self._translated():
            pooled = self._driver.engine.raw_connection()
            try:
                yield cast(DBAPIConnection, pooled)
            finally:
                pooled.close()

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except HivemindError:
            raise
        except DBAPIError as error:
            raise self._driver.translate(cast(BaseException, error.orig)) or error from None
        except Exception as error:
            meaning = self._driver.translate(error)
            if meaning is None:
                raise
            raise meaning from None

    def _bring_up_to_date(self) -> None:
        with self._translated(), self._driver.engine.connect() as connection:
            if self._revision(connection) == REVISION:
                return
            with self._driver.line():
                connection.exec_driver_sql(self._driver.begin_write)
                try:
                    # Another process may have been first.
                    if self._revision(connection) != REVISION:
                        self._migrate(connection)
                    connection.exec_driver_sql("COMMIT")
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise

    def _revision(self, connection: Connection) -> str | None:
        """The schema's revision; `None` for a database that holds nothing yet."""
        cursor = cast(Any, connection.connection.cursor())
        if not self._driver.holds_ledger(cursor):
            return None
        row = cursor.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else cast(str, row[0])

    def _migrate(self, connection: Connection) -> None:
        # Imported here: most openings find the schema up to date and need no alembic.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("path_separator", "os")
        config.set_main_option("script_location", str(resources.files("pydantic_hivemind.ledger") / "migrations"))
        config.attributes["connection"] = connection
        found = self._revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise LedgerTooNew("the ledger was written by a newer pydantic-hivemind; upgrade the package to open it")
        self._driver.mark(cast(Any, connection.connection.cursor()))
        command.upgrade(config, REVISION)
        self._driver.advise(cast(Any, connection.connection.cursor()))


class _WatchedDatabase(Database):
    """Somebody's way to a database: it tells them when it is used, and equals the database itself."""

    def __init__(self, database: Database, used: Callable[[], None]) -> None:
        self._database = database
        self._used = used

    def __eq__(self, other: object) -> bool:
        return self._database == (other._database if isinstance(other, _WatchedDatabase) else other)

    def __hash__(self) -> int:
        return hash(self._database)

    @contextmanager
    def read(self) -> Generator[Transaction]:
        self._used()
        with self._database.read() as tx:
            yield tx

    @contextmanager
    def snapshot(self) -> Generator[Transaction]:
        self._used()
        with self._database.snapshot() as tx:
            yield tx

    @contextmanager
    def write(self) -> Generator[Transaction]:
        self._used()
        with self._database.write() as tx:
            yield tx

    def close(self) -> None:
        self._database.close()
