"""Vectors that were made while others wrote are kept in the ledger later: making them can cost money."""

import sqlite3
import threading
import time
from contextlib import closing, contextmanager

from embedders import Counting
from fresh_processes import SMALL

from pydantic_hivemind import Hivemind
from pydantic_hivemind.ledger import chunk_vectors
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE
from pydantic_hivemind.search import indexer
from pydantic_hivemind.search.vectors.embedding import BATCH

FILES = 3 * BATCH


@contextmanager
def written_by_another(directory):
    with closing(sqlite3.connect(directory / LEDGER_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def fill(scope):
    for number in range(FILES):
        scope.write_text(f"/{number}.md", f"Note {number} on {number * 7} things.\n")


def kept(hive, scope):
    with scope._database.read() as tx:
        return chunk_vectors.hashes(tx, scope._row.chain[0], hive._search_service._indexer.embedder.fingerprint)


def index_of(hive, scope):
    return hive._search_service._indexer._indexes[scope._row.chain[0]]


def test_closing_keeps_what_others_were_in_the_way_of(tmp_path):
    first, second = Counting(), Counting()
    with Hivemind.open(tmp_path, durability="normal", embedder=first) as hive:
        scope = hive.scope("a")
        fill(scope)
        with written_by_another(tmp_path):
            assert scope.search("things")
    with Hivemind.open(tmp_path, embedder=second) as hive:
        assert hive.scope("a").search("things")
    assert len(first.texts) >= FILES
    assert not set(second.texts) & {f"Note {number} on {number * 7} things.\n" for number in range(FILES)}


def test_closing_does_not_wait_long_for_others(tmp_path, monkeypatch):
    waited = []
    begin = Database.write

    def write(database, chain=(), *, patience=None):
        waited.append(patience)
        return begin(database, chain, patience=patience)

    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        fill(scope)
        monkeypatch.setattr(Database, "write", write)
        with written_by_another(tmp_path):
            assert scope.search("things")
            hive.close()
    assert set(waited) == {indexer.KEEP_PATIENCE, 0}


def test_the_background_tries_until_others_are_done(tmp_path):
    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        fill(scope)
        with written_by_another(tmp_path):
            assert scope.search("things")
            time.sleep(5 * indexer.KEEP_PATIENCE)
            assert not kept(hive, scope)
        while len(kept(hive, scope)) < FILES:
            time.sleep(0.01)


def test_what_is_only_in_memory_stays_there(tmp_path, monkeypatch):
    """Collections do not give vectors back, with which few files among many are compared."""
    monkeypatch.setattr(indexer, "MAX_EXACT_BYTES", SMALL)
    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        fill(scope)
        with written_by_another(tmp_path):
            scope.search("things")
            while not index_of(hive, scope).released:
                time.sleep(0.01)
            index = index_of(hive, scope)
            with index.lock:
                assert len(index.dense.held()) == FILES
            monkeypatch.setattr("pydantic_hivemind.search.ranking.WIDEST", 0)
            assert [hit.path for hit in scope.search("things", under="/7.md")] == ["/7.md"]
            assert not hive._search_service._indexer._failed
        while len(index_of(hive, scope).dense.held()) > FILES / 2:
            scope.write_text("/touched.md", f"{time.monotonic()}\n")
            scope.search("x")
            time.sleep(0.05)
        assert len(kept(hive, scope)) >= FILES


def test_a_search_beside_one_that_waits_for_an_embedder(tmp_path):
    """A passage that is gone before its vector is there is not kept."""
    asked, answer = threading.Event(), threading.Event()

    class Slow(Counting):
        def __call__(self, input):
            if any(text.startswith("Gone") for text in input):
                asked.set()
                answer.wait()
            return super().__call__(input)

    with Hivemind.open(tmp_path, embedder=Slow()) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "Gone soon.\n")
        scope.write_text("/b.md", "Here to stay.\n")
        searching = threading.Thread(target=scope.search, args=("here",))
        searching.start()
        asked.wait()
        scope.remove("/a.md")
        scope.search()
        answer.set()
        searching.join()
        assert len(kept(hive, scope)) == 1
