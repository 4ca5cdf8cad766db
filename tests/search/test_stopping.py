"""A process that moves vectors to collections can end, and the next one goes on where it was."""

import subprocess
import sys
import threading
import time

import pytest
from collection_records import records_of
from fresh_processes import SMALL

from pydantic_hivemind import Hivemind
from pydantic_hivemind.search import indexer
from pydantic_hivemind.search.vectors.chroma import ScopeChroma

ENDING = """
import time
from pydantic_hivemind import Hivemind
from pydantic_hivemind.search.vectors.chroma import ScopeChroma
from pydantic_hivemind.search import indexer

add, added = ScopeChroma.add, []

def noting(*arguments):
    add(*arguments)
    added.append(1)
    time.sleep(0.05)

ScopeChroma.add = noting
indexer.MAX_EXACT_BYTES = {small}
hive = Hivemind.open({path!r}, durability="normal")
hive.scope("a").search("x")
while len(added) < 12:
    time.sleep(0.01)
"""

FILES = 60
PASSAGES = 20


@pytest.fixture
def added(monkeypatch):
    """The ids of the records that are added."""
    monkeypatch.setattr(indexer, "MAX_EXACT_BYTES", SMALL)
    add, ids = ScopeChroma.add, []

    def noting(chroma, collection, records):
        ids.extend(record.id for record in records)
        add(chroma, collection, records)

    monkeypatch.setattr(ScopeChroma, "add", noting)
    return ids


def fill(scope):
    for number in range(FILES):
        scope.write_text(f"/{number}.md", "".join(f"- Item {number} {part}.\n\n" for part in range(PASSAGES)))


def test_closing_while_vectors_move(tmp_path, added, monkeypatch):
    moving = threading.Event()
    noting = ScopeChroma.add

    def add(chroma, collection, records):
        noting(chroma, collection, records)
        if len(added) > FILES * PASSAGES * 3 / 4:
            moving.set()
            while not worker.stopping:
                time.sleep(0.01)

    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        fill(scope)
        worker = hive._search_service._started()._worker
        with monkeypatch.context() as slowly:
            slowly.setattr(ScopeChroma, "add", add)
            scope.search("x")
            moving.wait()
            hive.close()
    assert len(added) < FILES * PASSAGES
    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        scope.remove("/0.md")
        scope.write_text("/1.md", "Another text.\n")
        texts = records_of(scope.collection("/"))
        assert len(texts) == (FILES - 2) * PASSAGES + 1
        assert {path for path, *_ in texts} == {stat.path for stat in scope.glob("**")}
        assert len(added) == len(set(added)) == FILES * PASSAGES + 1


def test_the_end_of_a_process_that_moves_vectors(tmp_path, added):
    """It closed nothing itself."""
    with Hivemind.open(tmp_path, durability="normal") as hive:
        fill(hive.scope("a"))
    subprocess.run([sys.executable, "-c", ENDING.format(path=str(tmp_path), small=SMALL)], check=True)
    with Hivemind.open(tmp_path, durability="normal") as hive:
        assert hive.scope("a").collection("/").count() == FILES * PASSAGES
    assert 0 < len(added) < FILES * PASSAGES
