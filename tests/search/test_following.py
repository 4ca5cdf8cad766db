"""An index that follows the ledger is the same as one that is made anew, and shows what reading shows."""

import random
import threading
from contextlib import ExitStack

import pytest
from databases import new_store, opened
from forked_processes import fork, join
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import HivemindError

WORDS = ["apple", "boat", "cloud", "dance", "eagle"]
PATHS = ["/a.md", "/d/a.md", "/d/b.md", "/d/e/a.md", "/.deep/memory/m/MEMORY.md", "/large_tool_results/1"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(lambda words: "".join(f"- {word}\n" for word in words))


def passages(scope, query):
    """Everything that a search can find, as it says it."""
    return sorted(
        (hit.path, hit.lines, hit.text, hit.scope, hit.version, hit.tags) for hit in scope.search(query, limit=1000)
    )


class Following(RuleBasedStateMachine):
    """Random changes of a chain of three, searched by a hive that saw them all and by one that saw none."""

    @initialize()
    def begin(self):
        self._kept = ExitStack()
        self._place = self._kept.enter_context(new_store())
        self.hive = self._kept.enter_context(opened(self._place))
        project = self.hive.scope("project")
        user = self.hive.scope("user", parent=project)
        self.chain = [project, user, user.spawn("run")]
        self.promotions = []

    def teardown(self):
        if hasattr(self, "hive"):
            self._kept.close()

    def attempt(self, work):
        try:
            return work()
        except HivemindError:
            return None

    levels = st.integers(0, 2)
    paths = st.sampled_from(PATHS)

    @rule(level=levels, path=paths, text=TEXTS)
    def write(self, level, path, text):
        self.attempt(lambda: self.chain[level].write_text(path, text))

    @rule(level=levels, path=paths, old=st.sampled_from(WORDS), new=st.sampled_from(WORDS))
    def edit(self, level, path, old, new):
        self.attempt(lambda: self.chain[level].edit(path, old, new, replace_all=True))

    @rule(level=levels, path=st.sampled_from([*PATHS, "/d", "/d/e"]))
    def remove(self, level, path):
        self.attempt(lambda: self.chain[level].remove(path))

    @rule(level=levels, path=st.sampled_from(["/d", "/d/e", "/a.md"]))
    def make_dir(self, level, path):
        self.attempt(lambda: self.chain[level].make_dir(path))

    @rule(level=levels, path=paths, tag=st.sampled_from(["x", "y"]))
    def tag(self, level, path, tag):
        self.attempt(lambda: self.chain[level].tag(path, tag))

    @rule(level=levels, path=paths)
    def restore(self, level, path):
        self.attempt(lambda: self.chain[level].restore(path))

    @rule(level=st.integers(1, 2), on_conflict=st.sampled_from(["fail", "keep_target", "take_source"]))
    def promote(self, level, on_conflict):
        report = self.attempt(lambda: self.chain[level].promote(on_conflict=on_conflict))
        if report:
            self.promotions.append((level - 1, report.id))

    @precondition(lambda self: getattr(self, "promotions", None))
    @rule()
    def revert(self):
        level, id = self.promotions.pop()
        self.attempt(lambda: self.chain[level].revert(id))

    @rule()
    def begin_another_run(self):
        self.chain[2].destroy()
        self.chain[2] = self.chain[1].spawn("run")

    @invariant()
    def both_find_the_same(self):
        if not hasattr(self, "hive"):
            return
        with opened(self._place) as fresh:
            anew = fresh.scope("user").session("run")
            for query in (None, "apple boat", "eagle"):
                assert passages(self.chain[2], query) == passages(anew, query)
        run = self.chain[2]
        expected = {stat.path for stat in run.glob("**") if stat.size and not stat.path.startswith("/large")}
        assert {hit.path for hit in run.search(limit=1000)} == expected
        for hit in run.search("apple boat cloud dance eagle", limit=1000):
            lines = run.read_text(hit.path).split("\n")
            first, last = hit.lines
            assert "\n".join(lines[first - 1 : last]) + "\n" == hit.text
            assert run.stat(hit.path).version == hit.version


TestFollowing = pytest.mark.any_store(Following.TestCase)
TestFollowing.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_another_process_is_followed_at_once(place, hive):
    scope = hive.scope("a")
    scope.write_text("/0.md", "Number zero.\n")
    assert len(scope.search("number")) == 1

    def write_and_search(number):
        with opened(place) as other:
            there = other.scope("a")
            there.write_text(f"/{number}.md", f"Number {number}.\n")
            assert len(there.search("number", limit=100)) == number + 1
            there.remove("/0.md") if number == 5 else None

    for number in range(1, 6):
        assert join([fork(write_and_search, number)])
        assert len(scope.search("number", limit=100)) == (number + 1 if number < 5 else 5)


def test_a_forked_process_searches_on_its_own(hive):
    scope = hive.scope("a")
    scope.write_text("/a.md", "The cat sleeps.\n")
    scope.search("cat")

    def search():
        scope.write_text("/b.md", "The cat eats.\n")
        assert {hit.path for hit in scope.search("cat")} == {"/a.md", "/b.md"}

    assert join([fork(search)])
    assert {hit.path for hit in scope.search("cat")} == {"/a.md", "/b.md"}


def test_threads_that_write_and_search(hive):
    """Every one finds what it wrote, right after it wrote it."""
    project = hive.scope("project")
    errors = []

    def work(number):
        rng = random.Random(number)
        mine = hive.scope(f"user{number % 3}", parent=project)
        try:
            for turn in range(15):
                scope = rng.choice([project, mine, mine.spawn()])
                word = f"word{number}x{turn}"
                scope.write_text(f"/{number}/{rng.randrange(5)}.md", f"Here is {word} for you.\n")
                assert word in scope.search(word)[0].text
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("bound", ["MAX_INDEXES", "MAX_INDEXED_CHUNKS"])
def test_few_scopes_are_kept_in_memory(hive, monkeypatch, bound):
    from pydantic_hivemind.search import indexer

    monkeypatch.setattr(indexer, bound, 4)
    project = hive.scope("project")
    project.write_text("/p.md", "The project is about boats.\n")
    scopes = [hive.scope(f"user{number}", parent=project) for number in range(12)]
    for number, scope in enumerate(scopes):
        scope.write_text("/u.md", f"User {number} likes boats.\n")
    for _ in range(2):
        for number, scope in enumerate(scopes):
            assert {hit.text for hit in scope.search("boats")} == {
                "The project is about boats.\n",
                f"User {number} likes boats.\n",
            }
    kept = hive._search_service._indexer._indexes
    assert len(kept) <= 5  # the last one grew after there was room made for it


def test_a_parent_of_more_passages_than_are_kept_is_read_once(hive, monkeypatch):
    from pydantic_hivemind.search import indexer

    monkeypatch.setattr(indexer, "MAX_INDEXED_CHUNKS", 4)
    project = hive.scope("project")
    for number in range(6):
        project.write_text(f"/{number}.md", f"Boat number {number}.\n")
    project.search("boats")
    kept = hive._search_service._indexer._indexes
    index = kept[project._row.chain[0]]
    for number in range(3):
        child = project.spawn()
        child.write_text("/own.md", f"Boat of child {number}.\n")
        assert len(child.search("boats", limit=100)) == 7
        assert kept[project._row.chain[0]] is index
        assert len(kept) == 2


def test_an_index_that_is_forgotten_while_it_is_used_keeps_its_vectors(tmp_path):
    """Room was made for others, between the embedding and the answer."""
    from pydantic_hivemind.search.vectors.embedding import WordLlama

    class Forgetting(WordLlama):
        def __call__(self, input):
            if "The cat sleeps.\n" in input:
                hive._search_service._indexer._indexes.clear()
            return super().__call__(input)

    with Hivemind.open(tmp_path, embedder=Forgetting()) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        assert scope.search("kitten")[0].matched == ("dense",)
