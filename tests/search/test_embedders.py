"""What a search costs an embedder, and what is left of it when the embedder fails."""

import threading
import time
import warnings

import pytest
from embedders import ANSWERS, Breaking, Counting
from ledger_integrity import rows

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import EmbeddingError, InvalidOption, SearchDegraded


def test_a_chunk_is_embedded_once(tmp_path):
    counting = Counting()
    items = [f"- Note {number} says something of its own.\n" for number in range(100)]
    with Hivemind.open(tmp_path, embedder=counting) as hive:
        scope = hive.scope("a")
        scope.write_text("/notes.md", "".join(items))
        scope.search("note")
        assert sorted(counting.texts[1:]) == sorted(items)  # the first one told the dimension
        counting.texts.clear()
        scope.search("other")
        assert counting.texts == []
        scope.edit("/notes.md", items[50], "- Something else.\n")
        scope.write_text("/notes.md", scope.read_text("/notes.md") + "- The last one.\n")
        scope.tag("/notes.md", "x")
        scope.search("note")
        assert sorted(counting.texts) == ["- Something else.\n", "- The last one.\n"]
    counting = Counting()
    with Hivemind.open(tmp_path, embedder=counting) as hive:
        assert hive.scope("a").search("last")[0].text == "- The last one.\n"
        assert counting.texts == ["dimension"]


def test_a_copy_of_what_is_inherited_is_not_embedded_again(tmp_path):
    counting = Counting()
    with Hivemind.open(tmp_path, embedder=counting) as hive:
        project = hive.scope("project")
        project.write_text("/notes.md", "- One.\n- Two.\n")
        project.search("x")
        counting.texts.clear()
        child = project.spawn()
        child.write_text("/notes.md", "- One.\n- Two.\n- Three.\n")
        child.search("x")
        assert counting.texts == ["- Three.\n"]


def test_closing_waits_for_one_batch_of_a_slow_embedder(tmp_path):
    counting = Counting()
    begun = threading.Event()

    def slow(texts):
        if any("Note" in text for text in texts):
            begun.set()
            while not worker.stopping:
                time.sleep(0.01)
        return counting(texts)

    hive = Hivemind.open(tmp_path, embedder=slow)
    scope = hive.scope("a")
    scope.search("x")
    worker = hive._search_service._indexer._worker
    scope.write_text("/notes.md", "".join(f"- Note {number}.\n" for number in range(640)))
    begun.wait()
    hive.close()
    assert sum("Note" in text for text in counting.texts) == 64


@pytest.mark.parametrize("kind", ANSWERS)
def test_without_its_embedder_a_search_goes_by_words(tmp_path, kind):
    breaking = Breaking()
    with Hivemind.open(tmp_path, embedder=breaking) as hive:
        scope = hive.scope("a")
        scope.write_text("/old.md", "The cat sleeps.\n")
        assert scope.search("kitten")[0].matched == ("dense",)
        scope.write_text("/new.md", "The dog sleeps.\n")
        breaking.answer = ANSWERS[kind]
        with pytest.warns(SearchDegraded):
            hits = scope.search("dog cat")
        assert {hit.path for hit in hits} == {"/old.md", "/new.md"}
        assert {hit.matched for hit in hits} == {("lexical",)}
        with pytest.warns(SearchDegraded):
            assert scope.search("kitten") == []
        breaking.answer = None
        assert scope.search("puppy")[0].path == "/new.md"


def test_an_embedder_that_fails_from_the_start(tmp_path):
    breaking = Breaking()
    breaking.answer = ANSWERS["raises"]
    with Hivemind.open(tmp_path, embedder=breaking) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        with pytest.warns(SearchDegraded):
            assert scope.search("cat")[0].matched == ("lexical",)
        assert scope.search(under="/")[0].path == "/a.md"
        with pytest.raises(EmbeddingError):
            scope.collection("/")
        with pytest.raises(EmbeddingError):
            hive.reindex()
        breaking.answer = None
        assert scope.search("kitten")[0].path == "/a.md"


def test_only_texts_fail_to_be_embedded(tmp_path):
    """The query's vector still finds what has one."""

    class NoMoreTexts(Counting):
        def __call__(self, input):
            if any("dog" in text for text in input):
                raise ConnectionError
            return super().__call__(input)

    with Hivemind.open(tmp_path, embedder=NoMoreTexts()) as hive:
        scope = hive.scope("a")
        scope.write_text("/cat.md", "The cat sleeps.\n")
        scope.search("x")
        scope.write_text("/dog.md", "The dog sleeps.\n")
        with pytest.warns(SearchDegraded):
            assert [hit.path for hit in scope.search("kitten")] == ["/cat.md"]
        with pytest.warns(SearchDegraded):
            assert {hit.path: hit.matched for hit in scope.search("dog")} == {
                "/dog.md": ("lexical",),
                "/cat.md": ("dense",),
            }


def letters(texts):
    """Another embedder: of how many of each letter there are."""
    return [[1 + text.lower().count(letter) for letter in "abcdefgh"] for text in texts]


def test_another_embedder(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.write_text("/1.md", "cab cab cab\n")
        scope.write_text("/2.md", "the high hedge\n")
        assert scope.search("taxi")[0].path == "/1.md"
    with Hivemind.open(tmp_path, embedder=letters) as hive:
        assert hive.scope("a").search("hhhheeegg")[0].path == "/2.md"
        assert hive.scope("a").collection("/").query(query_texts=["bacbac"], n_results=1)["documents"] == [
            ["cab cab cab\n"]
        ]
    with Hivemind.open(tmp_path) as hive:
        assert hive.scope("a").search("taxi")[0].path == "/1.md"


def test_reindexing_says_how_far_it_is_and_resumes(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        for number in range(5):
            hive.scope(f"s{number}").write_text("/a.md", f"Text {number}.\n")
        hive.reindex()
    counting = Counting()
    counting.name = lambda: "another"

    class Stop(Exception):
        pass

    def stop(done, total):
        assert total == 5
        if done == 3:
            raise Stop

    with Hivemind.open(tmp_path, embedder=counting) as hive, pytest.raises(Stop):
        hive.reindex(stop)
    assert len(counting.texts) == 4
    counting.texts.clear()
    seen = []
    with Hivemind.open(tmp_path, embedder=counting) as hive:
        hive.reindex(lambda done, total: seen.append((done, total)))
    assert seen == [(number, 5) for number in range(1, 6)]
    assert len(counting.texts) == 3
    with Hivemind.open(tmp_path) as hive, warnings.catch_warnings():
        assert hive.scope("s3").search("text")[0].text == "Text 3.\n"


def test_settings_that_cannot_be_read(tmp_path):
    class Unset(Counting):
        def get_config(self):
            raise ValueError("not configured")

    with Hivemind.open(tmp_path, embedder=Unset()) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        with pytest.warns(SearchDegraded, match="settings"):
            assert scope.search("cat")[0].matched == ("lexical",)


def test_vectors_of_what_is_gone_are_let_go(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        for number in range(5):
            scope.write_text("/a.md", f"Text {number}.\n")
            scope.search("text")
        scope.remove("/a.md")
        deadline = time.monotonic() + 60
        while rows(hive, "SELECT hash FROM vectors"):
            assert time.monotonic() < deadline
            scope.write_text("/b.bin", "\0")
            time.sleep(0.05)


def test_what_is_promoted_is_embedded_in_the_background(tmp_path):
    """Where it went, if that was searched before."""
    counting = Counting()
    with Hivemind.open(tmp_path, embedder=counting) as hive:
        project = hive.scope("project")
        user = hive.scope("user", parent=project)
        project.search("x")
        run = user.spawn()
        run.write_text("/a.md", "We deploy on Fridays.\n")
        run.promote(project)
        deadline = time.monotonic() + 30
        while "We deploy on Fridays.\n" not in counting.texts and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "We deploy on Fridays.\n" in counting.texts


@pytest.mark.parametrize("embedder", ["all-MiniLM", b"x", 1, {}, Counting])
@pytest.mark.parametrize("url", [None, "postgresql://nowhere.invalid/x"])
def test_what_is_no_embedder(tmp_path, embedder, url):
    """It is said at once, before anything is made."""
    with pytest.raises(InvalidOption, match="one vector for each text"):
        Hivemind.connect(url, embedder=embedder) if url else Hivemind.open(tmp_path / "hive", embedder=embedder)
    assert not (tmp_path / "hive").exists()
