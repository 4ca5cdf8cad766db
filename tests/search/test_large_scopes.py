"""Searches in collections, of scopes that are too large to compare every vector."""

import os
import random
import shutil
import threading
import time

import pytest
from collection_records import records_of
from fresh_processes import SMALL, add_and_collect, fork_while_searching, index_on, run, search_for, start

from pydantic_hivemind import Hivemind, Mount
from pydantic_hivemind.search import indexer, ranking
from pydantic_hivemind.search.vectors import chroma_pool
from pydantic_hivemind.search.vectors.chroma import ChromaUnavailable, ScopeChroma

KILLS = int(os.environ.get("HIVEMIND_KILLS", "12"))
"""How many processes are killed while they index; 200 were, before a release."""

TOPICS = ["sailing", "baking", "chess", "gardening", "astronomy", "plumbing", "opera", "taxes"]


@pytest.fixture
def small(monkeypatch):
    """A scope is large from a dozen vectors on."""
    monkeypatch.setattr(indexer, "MAX_EXACT_BYTES", SMALL)


def fill(scope, count=60):
    for number in range(count):
        topic = TOPICS[number % len(TOPICS)]
        scope.write_text(f"/{topic}/{number}.md", f"Remark {number} on {topic}, which is what I like.\n")


def index_of(hive, scope):
    return hive._search_service._indexer._indexes[scope._row.chain[0]]


def moved(hive, scope):
    """Search until the vectors are in the collections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        scope.search("x")
        scope.write_text("/touched.md", f"{time.monotonic()}\n")
        index = index_of(hive, scope)
        if index.released:
            return index
        time.sleep(0.05)
    raise AssertionError("the vectors stay in memory")


def compare(hive, scope):
    """What is found is what is found by an index that compares every vector."""
    assert [(hit.path, hit.text, hit.version) for hit in searched(scope)] == exactly(scope)


def searched(scope):
    return [
        hit
        for topic in TOPICS
        for hit in scope.search(f"about {topic}", limit=5, where={"path": {"$ne": "/touched.md"}})
    ]


def exactly(scope):
    with Hivemind.open(scope._search_service._root.parent) as other:
        there = other.scope(scope.name)
        other._search_service._started()._failed.add(scope._row.chain[0])
        return [(hit.path, hit.text, hit.version) for hit in searched(there)]


def test_a_large_scope_is_searched_in_its_collections(tmp_path, small):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope)
        index = moved(hive, scope)
        assert index.dense.held_bytes < SMALL
        compare(hive, scope)
        # What changes meanwhile is in memory, and hides what the collections say of it.
        scope.write_text("/chess/2.md", "Remark 2 is on opera now.\n")
        scope.remove("/baking")
        scope.write_text("/new.md", "Something on astronomy and stars.\n")
        compare(hive, scope)
        assert all("/baking" not in hit.path for hit in scope.search("baking", limit=100))
        # A filter that few pass.
        assert [hit.path for hit in scope.search("games", under="/chess/10.md")] == ["/chess/10.md"]
        for limit in (1000, 10**30):
            assert len(scope.search("remark", limit=limit)) == 60 - 8 + 2
        assert hive._search_service._indexer._failed == set()
        child = scope.spawn()
        child.remove("/opera")
        assert all("/opera" not in hit.path for hit in child.search("opera singers", limit=100))
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.search("x")
        index = index_of(hive, scope)
        assert index.released
        assert index.dense.held_bytes < SMALL
        compare(hive, scope)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([Mount("/topics", "topics")], []),
        ([], [Mount("/topics", "topics")]),
        ([Mount("/topics", "topics", indexed_bytes=0)], []),
    ],
)
def test_mounts_that_changed(tmp_path, small, before, after):
    """What is indexed now is found, and is in the collection where it belongs."""
    with Hivemind.open(tmp_path, mounts=before) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        scope.write_text("/topics/pets.md", "The cat sleeps.\n")
        moved(hive, scope)
    with Hivemind.open(tmp_path, mounts=after) as hive:
        scope = hive.scope("a")
        assert scope.search("kitten", limit=1)[0].path == "/topics/pets.md"
        paths = [path for path, *_ in records_of(scope.collection("/topics"))]
        assert paths == ["/topics/pets.md"] if after else len(paths) == 42


def test_a_small_scope_is_searched_without_its_collections(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        scope.collection("/")
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        assert scope.search("kitten")[0].matched == ("dense",)
        assert not index_of(hive, scope).released
        assert not hive._search_service._indexer.pool._open
        scope.write_text("/b.md", "The dog barks.\n")
        assert scope.collection("/").count() == 2


def test_one_passage_in_very_many_places(tmp_path, small):
    """Letting go of its vector costs what there is of it, not the square."""
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        scope.write_text("/same.md", '{"ok": true}\n' * 20_000)
        scope.search("x")
        index = index_of(hive, scope)
        asked = []
        with index.lock:
            index.unstored.clear()
            index.is_stored = lambda path: asked.append(path) or True
            index.release()
        assert index.dense.held_bytes == 0
        assert len(asked) < 30_000


def damage_truncate(directory):
    for path in directory.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def damage_garble(directory):
    for path in directory.rglob("*"):
        if path.is_file():
            path.write_bytes(os.urandom(path.stat().st_size))


def damage_delete(directory):
    shutil.rmtree(directory)


def damage_block(directory):
    shutil.rmtree(directory)
    directory.write_text("in the way")


@pytest.mark.parametrize("damage", [damage_truncate, damage_garble, damage_delete, damage_block])
@pytest.mark.parametrize("which", ["root", "scope"])
def test_damaged_collections_are_made_anew(tmp_path, small, damage, which):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)
    root = tmp_path / "collections"
    damage(root if which == "root" else next(path for path in root.iterdir() if path.is_dir()))
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        compare(hive, scope)
        assert len(records_of(scope.collection("/"))) == 41
        compare(hive, scope)


def test_collections_that_another_process_has(tmp_path, small):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)

        assert run(search_for, tmp_path, [f"on {topic}" for topic in TOPICS])
        assert run(add_and_collect, tmp_path, 42)
        compare(hive, scope)


def test_collections_that_another_process_had_meanwhile(tmp_path, small, monkeypatch):
    """They are kept: what that process did to them is right."""
    monkeypatch.setattr(chroma_pool, "MAX_OPEN_COLLECTIONS", 0)
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)
        assert run(add_and_collect, tmp_path, 42)
        compare(hive, scope)
        assert index_of(hive, scope).released
        assert hive._search_service._indexer._failed == set()


def test_a_search_at_the_moment_collections_are_up_to_date(tmp_path, small, monkeypatch):
    """What they have and what the index says of it change at once."""
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)
        scope.write_text("/new.md", "The cat sleeps.\n")
        found = []
        searching = threading.Thread(target=lambda: found.extend(scope.search("kitten", limit=1)))

        def change(chroma, synced):
            vars(chroma)["synced"] = synced
            if not searching.ident:
                searching.start()
                searching.join(0.5)

        synced = property(lambda chroma: vars(chroma)["synced"], change)
        monkeypatch.setattr(ScopeChroma, "synced", synced, raising=False)
        scope.collection("/")
        searching.join()
        assert [hit.path for hit in found] == ["/new.md"]
        assert hive._search_service._indexer._failed == set()
        compare(hive, scope)


def test_forks_while_collections_are_searched(tmp_path, small):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)
    process = start(fork_while_searching, tmp_path, TOPICS)
    process.join(120)  # it never ended, once
    process.kill()
    process.join()
    assert process.exitcode == 0


def test_chroma_that_fails_while_it_is_searched(tmp_path, small, monkeypatch):
    def fail(*_):
        raise ChromaUnavailable("for a test")

    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 40)
        moved(hive, scope)
        monkeypatch.setattr(ScopeChroma, "nearest", fail)
        compare(hive, scope)
        # They are not filled again, only to fail again.
        kept_up = threading.Event()
        hive._search_service._indexer.touched(scope._row.chain)
        hive._search_service._indexer._worker.submit(kept_up.set)
        kept_up.wait()
        assert not index_of(hive, scope).released
        compare(hive, scope)


def test_chroma_that_fails_while_it_is_filled(tmp_path, small, monkeypatch):
    """It is not tried again at each change, from the beginning."""
    fills = []

    def fail(chroma, *_):
        fills.append(1)
        chroma.failed = True
        raise ChromaUnavailable("for a test")

    monkeypatch.setattr(ScopeChroma, "ids_of", fail)
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope)
        scope.search("x")
        for number in range(5):
            scope.write_text("/touched.md", f"{number}\n")
            kept_up = threading.Event()
            hive._search_service._indexer._worker.submit(kept_up.set)
            kept_up.wait()
            scope.search("x")
        assert len(fills) == 1
        compare(hive, scope)


@pytest.mark.parametrize("why", ["closed", "in use"])
def test_chroma_that_cannot_be_opened_for_a_search(tmp_path, small, monkeypatch, why):
    """Nothing is wrong with what it holds, and that took minutes to make."""
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope)
        moved(hive, scope)
    nearest, found = ranking._nearest, []

    def and_not_opened(*arguments):
        monkeypatch.setattr(ranking, "_nearest", nearest)
        with monkeypatch.context() as patched:
            if why == "closed":
                hive._search_service.close()
            else:
                patched.setattr(chroma_pool, "_most_in_use", lambda: 0)
            return nearest(*arguments)

    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.search("x")
        assert index_of(hive, scope).released
        hive._search_service._indexer.pool._shut_oldest(down_to=0)
        monkeypatch.setattr(ranking, "_nearest", and_not_opened)
        found.extend(hit.path for hit in scope.search("about chess", limit=5))
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        assert found == [hit.path for hit in scope.search("about chess", limit=5)]
        assert index_of(hive, scope).released


def test_killed_while_indexing(tmp_path, small):
    """Whenever it ends, the next one finds everything."""

    with Hivemind.open(tmp_path) as hive:
        fill(hive.scope("a"), 30)
    rng = random.Random(0)
    for _ in range(KILLS):
        process = start(index_on, tmp_path)
        process.join(0.1 + 0.9 * rng.random())
        assert process.exitcode is None
        process.kill()
        process.join()


def test_searches_while_vectors_move(tmp_path, small):
    errors = []
    done = threading.Event()
    with Hivemind.open(tmp_path, durability="normal") as hive:
        scope = hive.scope("a")
        fill(scope, 30)

        def search():
            try:
                while not done.is_set():
                    for topic in TOPICS:
                        assert f"on {topic}" in scope.search(topic)[0].text
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        fill(scope, 120)
        moved(hive, scope)
        scope.collection("/")
        done.set()
        for thread in threads:
            thread.join()
    assert errors == []
