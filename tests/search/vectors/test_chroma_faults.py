"""What Chroma does wrong around files, processes and limits, and that nobody sees it."""

from __future__ import annotations

import os
import random
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from index_workload import EMBEDDER, SIZE, check, points, take

from pydantic_hivemind.limits import MIN_FREE_BYTES
from pydantic_hivemind.search.vectors.chroma import HNSW, ChromaUnavailable
from pydantic_hivemind.search.vectors.chroma_directories import CONTENT, LOCK, MARKER
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool

INDEX_FILE = "index_metadata.pickle"
"""Written with the others, first when as many records as `sync_threshold` wait for it."""

# -- processes ---------------------------------------------------------------------------------


SCENARIOS = ["kills", "neighbours", "dead_owner", "forks", "forks_of_busy_threads", "few_descriptors"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_processes(root, scenario):
    """What they show is said where they are."""
    script = Path(__file__).with_name("chroma_scenarios.py")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "error,default::DeprecationWarning",
    }
    subprocess.run([sys.executable, str(script), scenario, str(root)], check=True, env=environment)


def test_two_processes_of_chroma_on_one_directory(chromadb, tmp_path):
    """The reader's answers lack what the other wrote."""
    client = chromadb.PersistentClient(tmp_path)
    mine = client.create_collection("memory", embedding_function=None)
    mine.add(ids=["x"], embeddings=[[1.0, 0.0]])
    assert mine.query(query_embeddings=[[1.0, 0.0]], n_results=9)["ids"] == [["x"]]
    code = f"""
import chromadb
theirs = chromadb.PersistentClient({str(tmp_path)!r}).get_collection("memory")
theirs.add(ids=["y"], embeddings=[[1.0, 0.0]])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert mine.count() == 2
    assert mine.query(query_embeddings=[[1.0, 0.0]], n_results=9)["ids"] == [["x"]]
    client.close()


def test_threads_that_open_one_directory(chromadb, root):
    """Some of Chroma's clients are broken; those that ask us get one that works."""
    failed = []

    def open(directory):
        try:
            chromadb.PersistentClient(directory).list_collections()
        except Exception as error:
            failed.append(error)

    for number in range(100):
        at_once(lambda directory=root / f"chroma{number}": open(directory))
        if failed:
            break
    assert failed

    pools, lasting = [], []

    def open_ours():
        pool = ChromaPool(root / "ours", EMBEDDER)
        pools.append(pool)
        with pool.open(1, lasting=True) as chroma:
            take(chroma)
            check(chroma, 1)
            lasting.append(chroma.lasting)

    at_once(open_ours)
    for pool in pools:
        pool.close()
    assert sorted(lasting) == [False] * (THREADS - 1) + [True]


THREADS = 10


def at_once(work):
    barrier = threading.Barrier(THREADS)

    def begin():
        barrier.wait()
        work()

    threads = [threading.Thread(target=begin) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_clients_of_chroma_in_memory_share_everything(chromadb, pool):
    client = chromadb.EphemeralClient()
    client.create_collection("secret", embedding_function=None)
    other = chromadb.EphemeralClient()
    assert [collection.name for collection in other.list_collections()] == ["secret"]
    client.delete_collection("secret")
    client.close()
    other.close()
    with pool.open(1, lasting=False) as chroma, pool.open(2, lasting=False) as another:
        take(chroma)
        check(another, 0)
        take(another, until=2)
        check(chroma, 1)


# -- damage between runs -----------------------------------------------------------------------


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def garble(path):
    path.write_bytes(random.Random(7).randbytes(path.stat().st_size))


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def become_directory(path):
    path.unlink()
    path.mkdir()


def become_file(path):
    remove(path)
    path.write_text("x")


def lock_out(path):
    path.chmod(0)


DAMAGE = [
    *(
        (harm, f"1/{CONTENT}/{pattern}")
        for harm in (truncate, garble, remove)
        for pattern in ("*/*.bin", "*/*.pickle", "*.sqlite3")
    ),
    *((harm, f"1/{MARKER}") for harm in (truncate, garble, remove, become_directory)),
    *((harm, f"1/{CONTENT}") for harm in (remove, become_file, lock_out)),
    *((harm, "1") for harm in (remove, become_file, lock_out)),
    *((harm, f"1/{LOCK}") for harm in (remove, become_directory, lock_out)),
    *((harm, ".") for harm in (remove, become_file, lock_out)),
]


@pytest.mark.parametrize(("harm", "pattern"), DAMAGE, ids=lambda part: getattr(part, "__name__", part))
def test_damage_between_runs(root, pool, again, harm, pattern, monkeypatch):
    monkeypatch.setitem(HNSW, "hnsw:sync_threshold", SIZE)  # so that there are files of all kinds
    with pool.open(1, lasting=True) as chroma:
        take(chroma, until=3)
    pool.close()
    paths = [root] if pattern == "." else list(root.glob(pattern))
    assert paths
    for path in paths:
        harm(path)
    for opened in (again(), again()):
        with opened.open(1, lasting=True) as chroma:
            check(chroma)
            take(chroma)
            check(chroma)
        opened.discard(2)
        opened.close()


@pytest.mark.parametrize("harm", [garble, truncate])
def test_torn_files_of_chroma(chromadb, tmp_path, harm):
    """A process that is killed can leave them, and what was in the collection cannot even be read then."""
    client = chromadb.PersistentClient(tmp_path)
    settings = {"hnsw:sync_threshold": 10, "hnsw:batch_size": 10}
    collection = client.create_collection("memory", embedding_function=None, metadata=settings)
    vectors = EMBEDDER.embed([f"text {number}" for number in range(26)])
    collection.add(ids=[str(number) for number in range(26)], embeddings=vectors)
    client.close()
    (path,) = tmp_path.glob("*/*.pickle")
    harm(path)
    client = chromadb.PersistentClient(tmp_path)
    collection = client.get_collection("memory", embedding_function=None)
    for use in (collection.get, lambda: collection.query(query_embeddings=vectors[:1])):
        with pytest.raises(chromadb.errors.InternalError, match="pickle"):
            use()
    client.close()


def test_a_marker_that_says_something_else(root, again):
    for told in ("[]", "1", "{}", '{"stamp": 1}', "null", '"stamp, synced, files"'):
        pool = again()
        with pool.open(1, lasting=True) as chroma:
            assert chroma.synced == 0
            chroma.synced = 5
        pool.close()
        (root / "1" / MARKER).write_text(told)
        assert not pool.has(1)


def test_a_directory_that_vanishes_while_it_is_open(root, pool):
    for _ in range(2):
        with pool.open(1, lasting=True) as chroma:
            take(chroma)
        shutil.rmtree(root)
        with pytest.raises(ChromaUnavailable), pool.open(1, lasting=True) as chroma:
            take(chroma)
        with pool.open(1, lasting=True) as chroma:
            check(chroma, 0)


def test_a_copy_is_not_believed(root, tmp_path, pool):
    """It may have been made while files changed."""
    with pool.open(1, lasting=True) as chroma:
        take(chroma)
    pool.close()
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)
    pool = ChromaPool(tmp_path / "copy", EMBEDDER)
    with pool.open(1, lasting=True) as chroma:
        check(chroma, 0)
    pool.close()


# -- disks -------------------------------------------------------------------------------------


@pytest.fixture
def disk(request, tmp_path):
    """A file system of a little more than Chroma needs, or of as many bytes as the test says."""
    directory = tmp_path / "disk"
    directory.mkdir()
    size = getattr(request, "param", MIN_FREE_BYTES + (16 << 20))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


FILLING = """
import sys, threading, time
import chromadb
import numpy as np

settings = {"hnsw:sync_threshold": 50, "hnsw:batch_size": 50}
client = chromadb.PersistentClient(sys.argv[1])
collection = client.create_collection("memory", embedding_function=None, metadata=settings)
vectors = np.random.default_rng(0).normal(size=(25, 256))

def write(number):
    ids = [f"{number}.{row}" for row in range(25)]
    collection.add(ids=ids, embeddings=vectors, documents=["text " * 20] * 25)

def tick():
    while True:
        print(".", end="", flush=True)
        time.sleep(0.1)

threading.Thread(target=tick, daemon=True).start()
for number in range(1000):
    try:
        write(number)
        collection.query(query_embeddings=vectors[:1])
    except Exception:
        print("x", end="", flush=True)
"""


@pytest.mark.parametrize("disk", [6 << 20], indirect=True)
def test_chroma_on_a_disk_that_fills_up(disk):
    """It fails, and then hangs, and every thread with it."""
    with subprocess.Popen([sys.executable, "-c", FILLING, str(disk / "chroma")], stdout=subprocess.PIPE) as process:
        told = b""
        while b"x" not in told or select.select([process.stdout], [], [], 3)[0]:
            more = os.read(process.stdout.fileno(), 1 << 16)
            assert more, "it came to its end"
            told += more
        process.kill()


def test_a_disk_that_fills_up(disk):
    ballast = disk / "ballast"
    pool = ChromaPool(disk / "chroma", EMBEDDER)
    with pool.open(1, lasting=True) as chroma:
        take(chroma)
    ballast.write_bytes(bytes(16 << 20))
    with pool.open(1, lasting=True) as chroma:
        with pytest.raises(ChromaUnavailable, match="almost full"):
            take(chroma)
        with pytest.raises(ChromaUnavailable, match="almost full"):
            check(chroma)
    with pool.open(2, lasting=True) as chroma:  # in memory
        take(chroma)
        check(chroma, 1)
    assert not (disk / "chroma" / "2").exists()
    ballast.unlink()
    with pool.open(1, lasting=True) as chroma:
        check(chroma, 1)
        take(chroma)
        check(chroma, 2)
    pool.close()


def test_few_writes_wait_for_the_index_files(chromadb, disk):
    """Each of Chroma's writes reads again all that is not in its index files, which by default get written rarely."""
    records = points("/many", 0, 980)
    client = chromadb.PersistentClient(disk / "raw")
    raw = client.create_collection("memory", embedding_function=None)
    pool = ChromaPool(disk / "chroma", EMBEDDER)
    with pool.open(1, lasting=True) as chroma:
        for start in range(0, len(records), 20):
            some = records[start : start + 20]
            raw.upsert(ids=[record.id for record in some], embeddings=[record.vector for record in some])
            chroma.add("memory", some)
        assert not list((disk / "raw").rglob(INDEX_FILE))
        assert len(list((disk / "chroma").rglob(INDEX_FILE))) == 1
    client.close()
    pool.close()


def test_a_store_that_cannot_be_written(disk, tmp_path):
    seen = tmp_path / "read-only"
    seen.mkdir()
    subprocess.run(["mount", "--bind", str(disk), str(seen)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(seen)], check=True)
    try:
        for directory in (disk, seen):
            pool = ChromaPool(directory / "chroma", EMBEDDER)
            for scope_id in (1, 2):
                with pool.open(scope_id, lasting=True) as chroma:
                    check(chroma, 0)
                    take(chroma)
                    check(chroma, 1)
            pool.close()
        pool.discard(1)
        assert (disk / "chroma" / "1" / MARKER).exists()
    finally:
        subprocess.run(["umount", "-l", str(seen)], check=True)
