"""How near what was found is to what was looked for, on a scale that does not depend on what else was found."""

import numpy as np
import pytest
from embedders import ANSWERS, Breaking
from test_large_scopes import fill, moved, small  # noqa: F401

from pydantic_hivemind import Hivemind
from pydantic_hivemind.search.vectors.embedding import Embedder, WordLlama

EMBEDDER = Embedder(WordLlama())
FAR = "Invoice 4711.\n"


def cosine(query, text):
    return pytest.approx(float(EMBEDDER.embed([text])[0] @ EMBEDDER.embed_query(query)), abs=1e-4)


def test_it_tells_what_has_nothing_to_do_with_it(hive):
    """Some passage is always the nearest."""
    scope = hive.scope("a")
    scope.write_text("/a.md", "I like tea.\n")
    (far,) = scope.search("quantum chromodynamics lattice")
    (near,) = scope.search("I enjoy tea")
    assert far.similarity == cosine("quantum chromodynamics lattice", "I like tea.\n")
    assert far.similarity < 0.3 < near.similarity <= 1
    assert far.score == 0.25


def test_of_what_was_found_by_words_only(chain):
    """Of more passages than there are candidates by meaning."""
    project, _, run = chain
    project.write_text("/far.md", FAR)
    run.write_text("/near.md", "".join(f"- A horse with stripes, number {number}.\n" for number in range(200)))
    check_far(run, "a horse with stripes 4711")


def check_far(scope, query):
    (far,) = [hit for hit in scope.search(query) if hit.path == "/far.md"]
    assert far.matched == ("lexical",)
    assert far.similarity == cosine(query, FAR)


def test_in_collections(tmp_path, small):  # noqa: F811
    """Whether it is among the nearest there or has only the words, what it has is in the ledger."""
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        fill(scope, 240)
        scope.write_text("/far.md", FAR)
        moved(hive, scope)
        check_far(scope, "Remark on sailing, which is what I like 4711")
        for hit in scope.search("Remark on sailing", limit=200):
            assert hit.similarity == cosine("Remark on sailing", hit.text)


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
def test_where_there_is_none(tmp_path):
    breaking = Breaking()
    with Hivemind.open(tmp_path, embedder=breaking) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        assert isinstance(scope.search("cat")[0].similarity, float)
        assert not isinstance(scope.search("cat")[0].similarity, np.floating)
        assert scope.search()[0].similarity is None
        breaking.answer = ANSWERS["raises"]
        assert scope.search("cat")[0].similarity is None
