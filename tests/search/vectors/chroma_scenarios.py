"""What happens to scopes' Chromas in several processes. Run as `chroma_scenarios.py SCENARIO DIRECTORY`.

By itself, as a process that has used Chroma cannot fork others that do.
"""

from __future__ import annotations

import gc
import itertools
import os
import random
import resource
import select
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chromadb
import numpy as np
from forked_processes import fork, join
from index_workload import EMBEDDER, check, points, step, take

from pydantic_hivemind.search.vectors.chroma import HNSW, ChromaUnavailable
from pydantic_hivemind.search.vectors.chroma_directories import MARKER
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool

KILLS = 20


def index_until_killed(root, pipe):
    """Follow a log as an index does, closing and opening again."""
    while True:
        pool = ChromaPool(root, EMBEDDER)
        for _ in range(4):
            with pool.open(1, lasting=True) as chroma:
                take(chroma)
            os.write(pipe, b".")
        pool.close()


def index(root, *, synced, until):
    """Index up to a step, finding steps up to `synced` there."""
    pool = ChromaPool(root, EMBEDDER)
    with pool.open(1, lasting=True) as chroma:
        check(chroma, synced)
        take(chroma, until=until)
        check(chroma, until)
    pool.close()


def index_on(root):
    """Index one step more than there is, if what is there is right."""
    pool = ChromaPool(root, EMBEDDER)
    with pool.open(1, lasting=True) as chroma:
        check(chroma)
        take(chroma)
        check(chroma)
    pool.close()


def kills(root):
    """What a directory says that it holds, it holds, whenever its owner was killed."""
    HNSW["hnsw:sync_threshold"] = 50  # so that index files are written all the time
    moments = random.Random(7)
    whole = 0
    for _ in range(KILLS):
        reader, writer = os.pipe()
        process = fork(index_until_killed, root, writer)
        os.close(writer)
        select.select([reader], [], [])
        time.sleep(moments.uniform(0, 0.15))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(reader)
        whole += (root / "1" / MARKER).exists()
        assert join([fork(index_on, root)])
    assert whole < KILLS / 2  # Most were at work.


def neighbours(root):
    """A process that finds a directory owned has a Chroma of its own, in memory; the owner's stays whole."""
    reader, writer = os.pipe()
    done, finish = os.pipe()

    def own():
        pool = ChromaPool(root, EMBEDDER)
        with pool.open(1, lasting=True) as chroma:
            take(chroma, until=2)
            os.write(writer, b".")
            os.read(done, 1)
            check(chroma, 2)
            take(chroma)
        pool.close()

    owner = fork(own)
    os.read(reader, 1)
    assert join([fork(lambda: index(root, synced=0, until=4)) for _ in range(2)])
    os.write(finish, b".")
    assert join([owner])
    assert join([fork(lambda: index(root, synced=3, until=5))])
    assert join([fork(lambda: index(root, synced=5, until=6))])


def dead_owner(root):
    """A directory whose owner was killed is free, even if a child of the owner lives on."""
    reader, writer = os.pipe()

    def own():
        pool = ChromaPool(root, EMBEDDER)
        with pool.open(1, lasting=True) as chroma:
            take(chroma)
            child = os.fork()
            if child:
                os.write(writer, f"{child}\n".encode())
            signal.pause()

    owner = fork(own)
    child = int(os.read(reader, 20))
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    try:
        assert join([fork(lambda: index(root, synced=0, until=2))])
        assert join([fork(lambda: index(root, synced=2, until=3))])
    finally:
        os.kill(child, signal.SIGKILL)


def forks(root):
    """A child of a process that uses Chroma does without, and ends as others do; the parent notices nothing."""
    pool = ChromaPool(root, EMBEDDER)
    with pool.open(2, lasting=True) as chroma:
        take(chroma)
    pool.close()
    pool = ChromaPool(root, EMBEDDER)
    with pool.open(1, lasting=True) as chroma, pool.open(3, lasting=False) as session:
        take(chroma, until=3)
        take(session)
        handle = chroma.handle("memory")
        child = os.fork()
        if not child:
            for use in (
                lambda: chroma.nearest("memory", step(1)[0].vector, 1),
                lambda: pool.open(1, lasting=True).__enter__(),
                lambda: pool.open(2, lasting=True).__enter__(),
                lambda: ChromaPool(root, EMBEDDER).open(4, lasting=False).__enter__(),
            ):
                try:
                    use()
                except ChromaUnavailable:
                    continue
                os._exit(1)
            try:
                handle.count()
            except AttributeError:
                pass
            else:
                os._exit(1)
            assert not pool.has(1)
            assert not pool.has(2)
            pool.discard(1)
    if not child:
        pool.close()
        del pool, chroma, session, handle
        gc.collect()
        sys.exit(0)  # with all that an interpreter frees at its end
    assert join([child])
    with pool.open(1, lasting=True) as chroma:
        take(chroma)
        check(chroma, 4)
        assert handle.count() == 4 * 40
    with pool.open(2, lasting=True) as chroma:
        check(chroma, 1)
    pool.close()


def forks_of_busy_threads(root):
    """Children are made while other threads open and close; none waits for what they held."""
    pool = ChromaPool(root, EMBEDDER)
    done = threading.Event()

    def work(first):
        for scope_id in itertools.count(first):
            if done.is_set():
                return
            with pool.open(scope_id % 40, lasting=True) as chroma:
                chroma.add("memory", points("/a", 0, 5))
                assert len(chroma.nearest("memory", step(1)[0].vector, 10)) == 5

    def use():
        pool.discard(100)
        assert not pool.has(1)
        pool.close()

    with ThreadPoolExecutor(3) as workers:
        threads = [workers.submit(work, first) for first in (0, 13, 26)]
        for _ in range(20):
            assert join([fork(use)])
            time.sleep(0.02)
        done.set()
        for thread in threads:
            thread.result()
    pool.close()


def few_descriptors(root):
    """Chroma's own answers lack what it has no room for, once there are more collections than it thinks files allow."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    names = [f"mount{number}" for number in range(30)]
    records = points("/a", 0, 105)

    client = chromadb.PersistentClient(root / "raw")
    raw = [client.create_collection(name, configuration={"hnsw": {"sync_threshold": 100}}) for name in names]
    for some in (records[:100], records[100:]):
        for collection in raw:
            collection.add(ids=[record.id for record in some], embeddings=np.array([record.vector for record in some]))
    answers = [collection.query(query_embeddings=records[0].vector, n_results=105)["ids"][0] for collection in raw * 2]
    client.close()
    assert min(len(ids) for ids in answers) < 105

    HNSW["hnsw:sync_threshold"] = 100
    pool = ChromaPool(root / "ours", EMBEDDER)
    for scope_id, lasting in ((1, True), (2, False)):
        with pool.open(scope_id, lasting=lasting) as chroma:
            for some in (records[:100], records[100:]):
                for name in names[:12]:
                    chroma.add(name, some)
            for name in names[:12] * 2:
                assert len(chroma.nearest(name, records[0].vector, 105)) == 105
    pool.discard(1)
    for scope_id in range(3, 108):
        with pool.open(scope_id, lasting=True) as chroma:
            chroma.add("memory", points(f"/{scope_id}", 0, 20))
            chroma.synced = scope_id
    for scope_id in range(3, 108, 5):
        with pool.open(scope_id, lasting=True) as chroma:
            assert chroma.synced == scope_id
            found = chroma.nearest("memory", records[0].vector, 105)
            assert sorted(id for id, _ in found) == sorted(f"/{scope_id}#{number}" for number in range(20))
    pool.close()


if __name__ == "__main__":
    scenarios = {
        work.__name__: work for work in (kills, neighbours, dead_owner, forks, forks_of_busy_threads, few_descriptors)
    }
    directory = Path(sys.argv[2])
    directory.mkdir(exist_ok=True)
    scenarios[sys.argv[1]](directory)
