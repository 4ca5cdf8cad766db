"""What is particular to SQLite: how it is opened, how a write begins, and what its errors mean."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, cast, get_args

from sqlalchemy import URL, Engine, NullPool, PoolProxiedConnection, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import ConnectionPoolEntry

from pydantic_hivemind.base.store_permissions import check_directory, make_directory, make_file
from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.base.version_names import NO_NAMES
from pydantic_hivemind.errors import (
    HivemindError,
    InvalidOption,
    NotALedger,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
)
from pydantic_hivemind.ledger.engine.driver import Cursor
from pydantic_hivemind.ledger.engine.write_queue import Turn, WriteQueue
from pydantic_hivemind.limits import BUSY_SECONDS

Durability = Literal["full", "normal"]
"""`full`: an acknowledged write survives a power cut. `normal`: it survives the end of the process, however
it ends; a power cut can take the last moments, never the ledger's consistency."""

LEDGER_FILE = "ledger.sqlite3"

BEGIN_WRITE = "BEGIN IMMEDIATE"

APPLICATION_ID = 0x48564D44
"""Marks the file as ours in SQLite's header ("HVMD"), so that another program's database is not touched."""

SPREAD = (("heads", "heads", "1000000 1000 1"), ("heads", "ix_heads_parent", "1000000 1000 20 1"))
"""For SQLite's planner: rows in all, then per value of each further column of the index. Knowing nothing, it
looks at every file of a scope to list one directory."""

LOOP_READ_BYTES = 1 << 18
"""Most bytes of a file that is read on an event loop's own thread. In WAL mode no read waits for a writer: one of a
few kilobytes takes 0.05 ms, and one of 256 KB 0.2 ms, where the way to a thread and back takes 0.1 to 0.3 ms."""

ALMOST_NOTHING = 1 << 20
"""Free bytes below which an input/output error is taken for a full disk."""


class SqliteDriver:
    """An SQLite file in a directory, in WAL mode, shared by any number of threads and processes."""

    loop_read_bytes: int | None = LOOP_READ_BYTES

    def __init__(self, directory: Path, durability: Durability) -> None:
        self.known_actors: dict[Actor, int] = {}
        self.version_names = NO_NAMES
        if durability not in get_args(Durability):
            raise InvalidOption(f"unknown durability {durability!r}; use one of {', '.join(get_args(Durability))}")
        self.directory: Path | None = directory
        self._directory = directory
        self._durability = durability
        self.patience: float = BUSY_SECONDS
        # Threads wait here; SQLite's own waiting is polling, in which some starve.
        self._queue = WriteQueue()
        # Parameters by name, as every other driver can take them too.
        self.dialect: Dialect = SQLiteDialect_pysqlite(paramstyle="named")
        try:
            make_directory(directory)
        except OSError as error:
            raise self._cannot_open(error) from None
        check_directory(directory)
        if not (directory / LEDGER_FILE).exists():
            # SQLite takes an empty file, and gives those beside it the same rights. It says what is wrong better.
            with suppress(OSError):
                make_file(directory / LEDGER_FILE)
        self.engine: Engine = create_engine(
            URL.create("sqlite", database=str(directory / LEDGER_FILE)),
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "timeout": self.patience, "cached_statements": 256},
        )
        event.listen(self.engine, "connect", self._connected)

    def line(self, chain: Sequence[int] | None, seconds: float | None) -> Turn:  # noqa: ARG002 - there is one writer at a time
        """Held for the time of one write."""
        return self._queue.within(seconds)

    def join(self, cursor: Cursor, chain: Sequence[int]) -> None:
        """Do nothing: there is one writer at a time."""

    def now(self) -> float:
        """Return the host's time: all processes of a file have the same."""
        return time.time()

    def begin_read(self, cursor: Cursor, connection: PoolProxiedConnection, within: Sequence[int] | None) -> None:
        """Do nothing."""

    def begin_snapshot(self, cursor: Cursor, within: Sequence[int] | None) -> None:  # noqa: ARG002
        """Begin a read: it sees the file as it is at its first statement."""
        cursor.execute("BEGIN")

    def begin_write(self, cursor: Cursor, chain: Sequence[int], seconds: float) -> None:  # noqa: ARG002
        """Begin a write: SQLite has one at a time."""
        if seconds == self.patience:
            cursor.execute(BEGIN_WRITE)
        else:
            with self._waiting(cursor, seconds):
                cursor.execute(BEGIN_WRITE)

    @contextmanager
    def _waiting(self, cursor: Cursor, seconds: float) -> Generator[None]:
        """Wait so long for other processes, other than usual: to say so costs as much as a read."""
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {round(self.patience * 1000)}")

    def fetch_binary(self, cursor: Cursor) -> None:
        """Nothing: there is no other way."""

    def is_alive(self, connection: PoolProxiedConnection) -> bool:  # noqa: ARG002
        """A file does not hang up."""
        return True

    def interrupt(self, connection: PoolProxiedConnection) -> None:
        """Stop the statement that another thread runs. One that waits for another process's write goes on waiting."""
        cast(sqlite3.Connection, connection.driver_connection).interrupt()

    def after_fork(self) -> None:
        """In a forked child: replace the locks, which a thread that is not here may have held."""
        self._queue = WriteQueue()

    def _connected(self, connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        # The driver opens no transactions by itself: reads need none, writes say BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        # Before anything changes the file, which the journal mode does.
        self.holds_ledger(cursor)
        self._use_wal(cursor)
        cursor.execute(f"PRAGMA synchronous = {self._durability}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def _use_wal(self, cursor: sqlite3.Cursor) -> None:
        # Where several processes open a new file at once, the switch fails without waiting.
        deadline = time.monotonic() + self.patience
        while True:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def holds_ledger(self, cursor: sqlite3.Cursor) -> bool:
        """Whether the file is a ledger already, and not an empty one.

        Raises:
            NotALedger: It is another program's database.
        """
        (application_id,) = cursor.execute("PRAGMA application_id").fetchone()
        if application_id == APPLICATION_ID:
            return True
        if application_id or cursor.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise NotALedger("the directory contains a database of another program; use another directory")
        return False

    def mark(self, cursor: sqlite3.Cursor) -> None:
        """Mark the file as a ledger, in the transaction that makes its tables."""
        cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def advise(self, cursor: sqlite3.Cursor) -> None:
        """Tell the query planner how rows are spread, in the transaction that makes the tables."""
        # Makes the table of statistics, which cannot be created by name.
        cursor.execute("ANALYZE alembic_version")
        cursor.execute("DELETE FROM sqlite_stat1")
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", SPREAD)
        cursor.execute("ANALYZE sqlite_schema")

    def damage(self, cursor: sqlite3.Cursor) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        messages = [str(row[0]) for row in cursor.execute("PRAGMA integrity_check(10)").fetchall()]
        lost = {str(row[0]) for row in cursor.execute("PRAGMA foreign_key_check").fetchall()}
        return [text for text in messages if text != "ok"] + [
            f"rows of {table} have no parent row" for table in sorted(lost)
        ]

    def can_write_within(self, cursor: sqlite3.Cursor, seconds: float) -> bool:
        """Whether a write gets its turn in that time."""
        try:
            self.begin_write(cursor, (), seconds)
            cursor.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            return False
        return True

    def compact(self, cursor: sqlite3.Cursor) -> None:
        """Write the file anew, without what was deleted."""
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self, cursor: sqlite3.Cursor) -> int:
        """Bytes of the file, and of its log."""
        (pages,), (page,) = (cursor.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        with suppress(FileNotFoundError):
            return pages * page + (self._directory / f"{LEDGER_FILE}-wal").stat().st_size
        return pages * page

    def translate(self, error: BaseException) -> HivemindError | None:
        """What an error of the driver means here, or `None` for one that is no error of the store."""
        if not isinstance(error, sqlite3.Error):
            return None
        text = str(error)
        if "disk is full" in text or ("disk I/O error" in text and self._disk_is_full()):
            return StoreFull("the disk is full; free some space and try again, no acknowledged write is lost")
        if "readonly" in text or "unable to open" in text:
            return _read_only()
        if "locked" in text or "busy" in text:
            return StoreBusy("other processes held the store for too long; try again")
        if "not a database" in text or "malformed" in text or "no such table" in text:
            return NotALedger("the ledger is damaged, or is not a ledger; restore it from a backup")
        return StoreError(f"SQLite failed: {text}")

    def _disk_is_full(self) -> bool:
        try:
            return shutil.disk_usage(self._directory).free < ALMOST_NOTHING
        except OSError:
            return False

    def _cannot_open(self, error: OSError) -> HivemindError:
        if error.errno == errno.ENOSPC:
            return StoreFull("the disk is full, so the store cannot be created; free some space and try again")
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            return NotALedger("the store must be a directory, and the path is a file; use another path")
        return _read_only()


def _read_only() -> StoreReadOnly:
    return StoreReadOnly(
        "this process lacks the permission to open or write the store; check the permissions of its directory"
    )
