"""A store that others keep from being written: every thread waits as long as one, and no longer."""

import gc
import sqlite3
import threading
import time
from contextlib import closing, contextmanager

import pytest
from databases import connect, opened

from pydantic_hivemind import errors
from pydantic_hivemind.ledger import chunk_vectors
from pydantic_hivemind.ledger.engine import postgresql, sqlite
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.engine.write_queue import WriteQueue
from pydantic_hivemind.search.indexer import KEEP_PATIENCE
from pydantic_hivemind.search.vectors.embedding import BATCH

TIMEOUT = 1


@pytest.fixture
def hive(place, monkeypatch):
    for module in (sqlite, postgresql):
        monkeypatch.setattr(module, "BUSY_SECONDS", TIMEOUT)
    with opened(place) as hive:
        yield hive


@contextmanager
def kept(place, scope):
    """Somebody else writes, and does not end."""
    if "://" in place:
        with closing(connect(place)) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [postgresql.LOCK_SPACE + scope._row.chain[-1]])
            yield
    else:
        with closing(sqlite3.connect(f"{place}/{sqlite.LEDGER_FILE}", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


def test_every_thread_waits_as_long_as_one(place, hive):
    scope = hive.scope("a")
    failed = []

    def write(number):
        try:
            scope.write_text("/x", str(number))
        except errors.StoreBusy:
            failed.append(time.monotonic() - began)

    with kept(place, scope):
        began = time.monotonic()
        threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failed) == len(threads)
    assert min(failed) >= TIMEOUT * 0.9
    # One after the other they would have waited twelve times as long.
    assert max(failed) < TIMEOUT * len(threads) / 2
    assert scope.write_text("/x", "after").version


@pytest.mark.sqlite
def test_a_thread_that_waited_leaves_the_connection_as_it_was(hive):
    """What is left of its time is that of one write; the next one has all of it again."""
    scope = hive.scope("a")
    database = hive._database
    line = database._driver._queue
    with line.within(None):
        thread = threading.Thread(target=scope.write_text, args=("/x", "waited"))
        thread.start()
        time.sleep(0.2)
    thread.join()
    with database.read() as tx:
        assert tx.connection.cursor().execute("PRAGMA busy_timeout").fetchone() == (TIMEOUT * 1000,)
    assert scope.read_text("/x") == "waited"


def test_a_line_tells_what_is_left_of_the_time():
    line = WriteQueue()
    with line.within(5) as left:
        assert left == 5
        with pytest.raises(errors.StoreBusy), line.within(0.01):
            pass
    released = threading.Event()

    def hold():
        with line.within(None):
            released.set()
            time.sleep(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    released.wait()
    with line.within(60) as left:
        assert 0 < left < 60
    thread.join()
    with line.within(1) as left:
        assert left == 1


@pytest.mark.sqlite
def test_a_search_does_not_wait_for_writers(place, hive, monkeypatch):
    """Where it cannot keep the vectors it made, that is done later."""
    parent = hive.scope("a")
    child = parent.spawn()
    for scope in (parent, child):
        for number in range(BATCH + 1):
            scope.write_text(f"/{scope.name}-{number}.md", f"note {number} of {scope.name}")
    assert child.search(under="/") != []
    database, indexer = parent._database, hive._search_service._started()
    written, kept_all = threading.Event(), threading.Event()
    indexer._worker.submit(written.wait)
    waited = []
    begin = Database.write

    def write(database, chain=(), *, patience=None):
        waited.append(patience)
        return begin(database, chain, patience=patience)

    try:
        with monkeypatch.context() as patched, kept(place, parent):
            patched.setattr(Database, "write", write)
            assert child.search("note")
    finally:
        written.set()
    assert waited[0] == KEEP_PATIENCE
    assert set(waited[1:]) == {0}
    indexer._worker.submit(kept_all.set)
    kept_all.wait()
    with database.read() as tx:
        for scope in (parent, child):
            assert chunk_vectors.count(tx, scope._row.chain[0], indexer.embedder.fingerprint) == BATCH + 1


@pytest.mark.sqlite
def test_what_is_left_of_a_write_waits_for_no_other(place, hive):
    """SQLite lets nobody at a connection that waits, not even who collects garbage with a cursor in it."""
    scope = hive.scope("a")
    database, done = scope._database, []

    def write():
        with database.write(scope._row.chain, patience=20):
            done.append(1)

    waiting = threading.Thread(target=write)
    gc.disable()
    try:
        with kept(place, scope):
            with pytest.raises(errors.StoreBusy) as busy, database.write(scope._row.chain, patience=0):
                pass
            garbage = [busy]
            garbage.append(garbage)
            del busy, garbage
            waiting.start()
            while database._connections._idle:
                time.sleep(0.01)
            time.sleep(0.1)
            gc.collect()
            assert waiting.is_alive()
    finally:
        gc.enable()
    waiting.join()
    assert done == [1]
