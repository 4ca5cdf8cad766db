"""What Chroma does wrong around files, processes and limits, and that nobody sees it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from steps import EMBEDDER, check, take

from pydantic_hivemind.index.chroma import LOW_SPACE, ChromaUnavailable
from pydantic_hivemind.index.directories import CONTENT, LOCK, MARKER
from pydantic_hivemind.index.shelf import ChromaShelf

# -- processes ---------------------------------------------------------------------------------


SCENARIOS = ["kills", "neighbours", "dead_owner", "forks", "forks_of_busy_threads", "few_descriptors"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_processes(root, scenario):
    """What they show is said where they are."""
    script = Path(__file__).with_name("chroma_processes.py")
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


def test_two_clients_of_chroma_in_memory_share_everything(chromadb, shelf):
    client = chromadb.EphemeralClient()
    client.create_collection("secret", embedding_function=None)
    other = chromadb.EphemeralClient()
    assert [collection.name for collection in other.list_collections()] == ["secret"]
    client.delete_collection("secret")
    client.close()
    other.close()
    with shelf.open(1, lasting=False) as chroma, shelf.open(2, lasting=False) as another:
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
    *((harm, pattern) for harm in (truncate, garble, remove) for pattern in (f"1/{CONTENT}/*/*.bin", "1/*/*.sqlite3")),
    *((harm, f"1/{MARKER}") for harm in (truncate, garble, remove, become_directory)),
    *((harm, f"1/{CONTENT}") for harm in (remove, become_file, lock_out)),
    *((harm, "1") for harm in (remove, become_file, lock_out)),
    *((harm, f"1/{LOCK}") for harm in (remove, become_directory, lock_out)),
    *((harm, ".") for harm in (remove, become_file, lock_out)),
]


@pytest.mark.parametrize(("harm", "pattern"), DAMAGE, ids=lambda part: getattr(part, "__name__", part))
def test_damage_between_runs(root, shelf, again, harm, pattern):
    with shelf.open(1, lasting=True) as chroma:
        take(chroma, until=3)
    shelf.close()
    for path in [root] if pattern == "." else list(root.glob(pattern)):
        harm(path)
    for opened in (again(), again()):
        with opened.open(1, lasting=True) as chroma:
            check(chroma)
            take(chroma)
            check(chroma)
        opened.discard(2)
        opened.close()


def test_a_marker_that_says_something_else(root, again):
    for told in ("[]", "1", "{}", '{"stamp": 1}', "null", '"stamp, synced, files"'):
        shelf = again()
        with shelf.open(1, lasting=True) as chroma:
            assert chroma.synced == 0
            chroma.synced = 5
        shelf.close()
        (root / "1" / MARKER).write_text(told)
        assert not shelf.has(1)


def test_a_directory_that_vanishes_while_it_is_open(root, shelf):
    for _ in range(2):
        with shelf.open(1, lasting=True) as chroma:
            take(chroma)
        shutil.rmtree(root)
        with pytest.raises(ChromaUnavailable), shelf.open(1, lasting=True) as chroma:
            take(chroma)
        with shelf.open(1, lasting=True) as chroma:
            check(chroma, 0)


def test_a_copy_is_not_believed(root, tmp_path, shelf):
    """It may have been made while files changed."""
    with shelf.open(1, lasting=True) as chroma:
        take(chroma)
    shelf.close()
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)
    shelf = ChromaShelf(tmp_path / "copy", EMBEDDER)
    with shelf.open(1, lasting=True) as chroma:
        check(chroma, 0)
    shelf.close()


# -- disks -------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A file system of a little more than Chroma needs."""
    directory = tmp_path / "disk"
    directory.mkdir()
    size = LOW_SPACE + (16 << 20)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_disk_that_fills_up(disk):
    """Chroma itself fails and then hangs, and every thread with it."""
    ballast = disk / "ballast"
    shelf = ChromaShelf(disk / "chroma", EMBEDDER)
    with shelf.open(1, lasting=True) as chroma:
        take(chroma)
    ballast.write_bytes(bytes(16 << 20))
    with shelf.open(1, lasting=True) as chroma:
        with pytest.raises(ChromaUnavailable, match="space"):
            take(chroma)
        with pytest.raises(ChromaUnavailable, match="space"):
            check(chroma)
    with shelf.open(2, lasting=True) as chroma:  # in memory
        take(chroma)
        check(chroma, 1)
    assert not (disk / "chroma" / "2").exists()
    ballast.unlink()
    with shelf.open(1, lasting=True) as chroma:
        check(chroma, 1)
        take(chroma)
        check(chroma, 2)
    shelf.close()


def test_a_store_that_cannot_be_written(disk, tmp_path):
    seen = tmp_path / "read-only"
    seen.mkdir()
    subprocess.run(["mount", "--bind", str(disk), str(seen)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(seen)], check=True)
    try:
        for directory in (disk, seen):
            shelf = ChromaShelf(directory / "chroma", EMBEDDER)
            for scope_id in (1, 2):
                with shelf.open(scope_id, lasting=True) as chroma:
                    check(chroma, 0)
                    take(chroma)
                    check(chroma, 1)
            shelf.close()
        shelf.discard(1)
        assert (disk / "chroma" / "1" / MARKER).exists()
    finally:
        subprocess.run(["umount", "-l", str(seen)], check=True)
