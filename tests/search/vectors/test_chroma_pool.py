"""All Chromas of a hive: which are open, which are kept, which are thrown away."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from index_workload import points

from pydantic_hivemind.errors import EmbeddingError
from pydantic_hivemind.search.vectors import chroma_pool as module
from pydantic_hivemind.search.vectors.chroma import ChromaUnavailable, Record
from pydantic_hivemind.search.vectors.chroma_directories import MARKER
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool
from pydantic_hivemind.search.vectors.embedding import Embedder


def fill(pool, scope_id, records, *, lasting=True, synced=7):
    with pool.open(scope_id, lasting=lasting) as chroma:
        chroma.add("memory", records("/a", "abc", f"x{scope_id}"))
        chroma.synced = synced


def held(pool, scope_id, *, lasting=True):
    """What a scope's Chroma says it holds, and what it does."""
    with pool.open(scope_id, lasting=lasting) as chroma:
        return chroma.synced, chroma.ids_of("memory", ["/a"])


EVERYTHING = (7, {"/a": ["/a#0", "/a#1"]})
NOTHING = (0, {})


# -- what is kept ------------------------------------------------------------------------------


def test_what_lasts_is_there_again(pool, again, records):
    assert not pool.has(1)
    fill(pool, 1, records)
    assert pool.has(1)
    assert not again().has(1)  # in use
    pool.close()
    assert again().has(1)
    assert held(again(), 1) == EVERYTHING


def test_a_session_leaves_nothing_on_disk(pool, records, tmp_path):
    fill(pool, 1, records, lasting=False)
    assert held(pool, 1, lasting=False) == EVERYTHING
    assert list(tmp_path.rglob("*")) == []


def test_vectors_of_another_embedder_are_thrown_away(pool, again, records):
    fill(pool, 1, records)
    pool.close()
    other = again(Embedder(lambda texts: [[1.0, 2.0]] * len(texts)))
    assert not other.has(1)
    with other.open(1, lasting=True) as chroma:
        assert chroma.synced == 0
        chroma.add("memory", [Record("/a#0", "abc", np.ones(2, np.float32), {"path": "/a"})])
    other.close()
    assert not again().has(1)
    assert held(again(), 1) == NOTHING


def test_another_layout_is_thrown_away(pool, again, records, monkeypatch):
    fill(pool, 1, records)
    pool.close()
    monkeypatch.setattr(module, "LAYOUT", module.LAYOUT + 1)
    assert not again().has(1)
    assert held(again(), 1) == NOTHING


def test_an_embedder_that_is_down(pool, again, records):
    """Its vectors cannot be told from others'; those of a session are nobody else's."""

    def down(input):
        raise ConnectionError

    fill(pool, 1, records)
    pool.close()
    other = again(Embedder(down))
    with pytest.raises(EmbeddingError), other.open(1, lasting=True):
        pass
    with pytest.raises(EmbeddingError):
        other.has(1)
    fill(other, 2, records, lasting=False)
    assert held(again(), 1) == EVERYTHING


def test_one_that_failed_is_thrown_away_once_nobody_uses_it(pool, records):
    fill(pool, 1, records)
    with pool.open(1, lasting=True) as user:
        with pytest.raises(ChromaUnavailable, match=r"^Chroma failed"), pool.open(1, lasting=True) as chroma:
            chroma.add("memory", [Record("/b#0", "abc", np.ones(3, np.float32), {"path": "/b"})])
        assert not pool.has(1)
        with pytest.raises(ChromaUnavailable, match="closed or has failed"):
            user.ids_of("memory", ["/a"])
    assert held(pool, 1) == NOTHING
    fill(pool, 1, records)
    assert held(pool, 1) == EVERYTHING


# -- deleting ----------------------------------------------------------------------------------


def test_discarding_deletes(pool, again, records, root):
    fill(pool, 1, records)
    fill(pool, 2, records)
    fill(pool, 3, records, lasting=False)
    pool.discard(1)
    pool.discard(3)
    pool.discard(4)
    assert [path.name for path in root.iterdir()] == ["2"]
    assert held(pool, 3, lasting=False) == NOTHING
    pool.close()
    again().discard(2)
    assert list(root.iterdir()) == []


def test_discarding_waits_for_users(pool, records, root):
    fill(pool, 1, records)
    with pool.open(1, lasting=True) as chroma:
        pool.discard(1)
        with pytest.raises(ChromaUnavailable):
            chroma.ids_of("memory", ["/a"])
    assert list(root.iterdir()) == []


# -- how many are open -------------------------------------------------------------------------


def open_directories(root):
    """The directories of scopes in which files are open; how many files Chroma opens in one depends on its threads."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            path = os.readlink(f"/proc/self/fd/{name}")
            if path.startswith(f"{root}/"):
                found.add(path.removeprefix(f"{root}/").partition("/")[0])
    return found


def stay_below(root, most):
    """Whether fewer of them stay open: Chroma's threads close some later, which may be seconds."""
    end = time.monotonic() + 60
    while len(open_directories(root)) >= most and time.monotonic() < end:
        time.sleep(0.01)
    return len(open_directories(root)) < most


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux shows them")
def test_few_are_open_and_those_that_are_not_cost_nothing(root, pool, records, monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN_COLLECTIONS", 3)
    for scope_id in range(3):
        fill(pool, scope_id, records)
    assert len(open_directories(root)) == 3
    for scope_id in range(20):
        fill(pool, scope_id, records)
        assert stay_below(root, 4)
    for scope_id in range(20):
        assert held(pool, scope_id) == EVERYTHING
        assert stay_below(root, 4)
    pool.close()
    assert stay_below(root, 1)


def test_what_is_in_use_stays_open(pool, records, monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN_COLLECTIONS", 2)
    with pool.open(1, lasting=False) as chroma:
        chroma.add("memory", records("/a", "abc", "x"))
        for scope_id in range(2, 6):
            fill(pool, scope_id, records, lasting=False)
        assert chroma.ids_of("memory", ["/a"]) == EVERYTHING[1]
    fill(pool, 6, records, lasting=False)
    fill(pool, 7, records, lasting=False)
    assert held(pool, 1, lasting=False) == NOTHING


def test_more_than_the_process_has_descriptors_for_are_refused(pool, records, monkeypatch):
    monkeypatch.setattr(module, "_most_in_use", lambda: 2)
    with pool.open(1, lasting=False) as chroma, pool.open(2, lasting=False):
        handle = chroma.handle("memory")
        with pytest.raises(ChromaUnavailable, match="too many"):
            fill(pool, 3, records, lasting=False)
        fill(pool, 1, records, lasting=False)
    for scope_id in range(2, 6):
        fill(pool, scope_id, records, lasting=False)
    assert len(handle.get()["ids"]) == 2


def test_a_collection_that_was_handed_out_keeps_working(pool, records, monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN_COLLECTIONS", 2)
    with pool.open(1, lasting=False) as chroma:
        chroma.add("memory", records("/a", "abc", "x"))
        handle = chroma.handle("memory")
        other = chroma.handle("memory")
    for scope_id in range(2, 6):
        fill(pool, scope_id, records, lasting=False)
    del other
    assert handle.query(query_texts=["xx"], n_results=1)["documents"] == [["x"]]
    assert held(pool, 1, lasting=False)[1] == EVERYTHING[1]
    del handle
    gc.collect()
    for scope_id in range(2, 6):
        fill(pool, scope_id, records, lasting=False)
    assert held(pool, 1, lasting=False) == NOTHING


# -- threads -----------------------------------------------------------------------------------


def test_threads_that_open_at_once(pool, records, monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN_COLLECTIONS", 4)
    start = threading.Barrier(16)

    def work(number):
        start.wait()
        for scope_id in (number % 6, 100 + number):
            fill(pool, scope_id, records)
            assert held(pool, scope_id) == EVERYTHING

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))
    assert len(pool._open) <= 4


def test_reading_while_others_write(pool):
    """What was there before is found all the while, and in the end everything."""
    stored = points("/a", 0, 300)
    with pool.open(1, lasting=True) as chroma:
        chroma.add("memory", stored)

        def write(number):
            own = points(f"/{number}", 1000 * (number + 1), 150)
            chroma.add("memory", own)
            chroma.remove("memory", [record.id for record in own[:50]])
            return [record.id for record in own[50:]]

        def read(number):
            for record in stored[number::10]:
                id, similarity = chroma.nearest("memory", record.vector, 5)[0]
                assert (id, similarity) == (record.id, pytest.approx(1, abs=1e-5))
            assert len(chroma.ids_of("memory", ["/a"])["/a"]) == 300

        with ThreadPoolExecutor(8) as threads:
            writes = [threads.submit(write, number) for number in range(3)]
            for read_one in [threads.submit(read, number) for number in range(10)]:
                read_one.result()
            for number, one in enumerate(writes):
                assert chroma.ids_of("memory", [f"/{number}"]) == {f"/{number}": one.result()}


# -- closing -----------------------------------------------------------------------------------


def test_closing_lets_users_finish(pool, again, records):
    with pool.open(1, lasting=True) as chroma:
        pool.close()
        chroma.add("memory", records("/a", "abc", "x"))
        chroma.synced = 7
        with pytest.raises(ChromaUnavailable, match="closed"), pool.open(1, lasting=True):
            pass
    assert held(again(), 1) == EVERYTHING


def test_a_handle_of_a_closed_shelf_fails(pool, records):
    with pool.open(1, lasting=True) as chroma:
        handle = chroma.handle("memory")
    pool.close()
    with pytest.raises(AttributeError):
        handle.count()


def test_a_shelf_that_was_forgotten_closes_itself(again, records, root, embedder):
    fill(ChromaPool(root, embedder), 1, records)
    gc.collect()
    assert held(again(), 1) == EVERYTHING


def test_a_process_that_ends_without_closing(tmp_path):
    """Loading nothing of Chroma before it is needed, closing what is open at the end."""
    code = f"""
import sys
from pathlib import Path
from pydantic_hivemind.search.vectors.embedding import Embedder
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool
pool = ChromaPool(Path({str(tmp_path)!r}), Embedder(lambda texts: [[1.0]] * len(texts)))
assert not pool.has(1)
pool.discard(1)
assert "chromadb" not in sys.modules
with pool.open(1, lasting=True) as chroma:
    chroma.synced = 3
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert (tmp_path / "1" / MARKER).exists()
