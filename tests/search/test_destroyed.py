"""Nothing is left of a scope that was destroyed, or whose ttl ran out."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.search import indexer
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool

NEEDLE = "the needle is here"

HOLDER = """
import os, sys
from pydantic_hivemind import Hivemind

hive = Hivemind.open(sys.argv[1])
print(hive.scope("a").collection("/").count(), flush=True)
end = sys.stdin.readline()
if end == "close":
    hive.close()
elif end == "kill":
    os.kill(os.getpid(), 9)
"""


def left(store):
    """The files in the collections that have the text of the scope."""
    found = [path for path in (store / "collections").rglob("*") if path.is_file()]
    return [path for path in found if NEEDLE.encode() in path.read_bytes()]


def fill(scope):
    scope.write_text("/a.md", f"{NEEDLE}\n")
    return scope


@pytest.mark.parametrize("end", ["close", "end", "kill"])
def test_collections_that_another_process_has_open(tmp_path, end):
    """They go when it closes them; where it was killed, as soon as another one searches."""
    with Hivemind.open(tmp_path) as hive, ExitStack() as ending:
        scope = fill(hive.scope("a"))
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ending.callback(holder.kill)
        assert holder.stdout.readline() == "1\n"
        scope.destroy()
        assert left(tmp_path)
        holder.communicate(end)
    if end == "kill":
        with Hivemind.open(tmp_path) as hive:
            assert [finding.part for finding in hive.doctor()] == ["orphans"]
            hive.scope("b").search("x")
    assert os.listdir(tmp_path / "collections") == []


@pytest.mark.parametrize("purge", ["cleanup", "spawn", "scope", "create", "destroy"])
@pytest.mark.parametrize("searched", [True, False])
def test_a_ttl_that_ran_out(tmp_path, purge, searched):
    """With a session goes what was made under it."""
    with Hivemind.open(tmp_path) as hive:
        user, other = hive.scope("user"), hive.scope("other")
        run = user.spawn(ttl=60)
        fill(hive.scope("child", parent=run)).collection("/")
        run.renew(0.05)
        end = time.time() + 0.05
        if searched:
            user.search("x")
    assert left(tmp_path)
    with Hivemind.open(tmp_path) as hive:
        user, other = hive.scope("user"), hive.scope("other")
        if searched:
            user.search("x")
        while time.time() <= end:
            time.sleep(0.005)
        {
            "cleanup": hive.cleanup,
            "spawn": user.spawn,
            "scope": lambda: hive.scope("new"),
            "create": lambda: hive.create("new"),
            "destroy": other.destroy,
        }[purge]()
        assert not left(tmp_path)
        assert os.listdir(tmp_path / "collections") == []


def test_a_process_that_ended_before_it_removed_them(tmp_path, monkeypatch):
    """Its scope was destroyed, and its collections are removed by the next search."""
    with Hivemind.open(tmp_path) as hive, monkeypatch.context() as ended:
        scope = fill(hive.scope("a"))
        scope.collection("/")
        ended.setattr(hive._search_service, "forget", lambda scope_ids: None)
        scope.destroy()
    assert left(tmp_path)
    with Hivemind.open(tmp_path) as hive:
        hive.scope("b").search("x")
        assert os.listdir(tmp_path / "collections") == []


def test_a_scope_that_is_destroyed_before_it_has_collections(tmp_path, monkeypatch):
    """By another process, which finds nothing to remove."""
    with Hivemind.open(tmp_path) as hive, Hivemind.open(tmp_path) as other:
        scope = fill(hive.scope("a"))
        scope.search("needle")
        opened = ChromaPool.open

        def open(pool, scope_id, *, lasting):
            monkeypatch.setattr(ChromaPool, "open", opened)
            other.scope("a").destroy()
            return opened(pool, scope_id, lasting=lasting)

        monkeypatch.setattr(ChromaPool, "open", open)
        monkeypatch.setattr(indexer, "MAX_EXACT_BYTES", 0)
        with pytest.raises(LookupError, match="destroyed"):
            scope.collection("/")
        assert os.listdir(tmp_path / "collections") == []
