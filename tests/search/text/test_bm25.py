from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydantic_hivemind.search.text.bm25 import REACH, LexicalIndex
from pydantic_hivemind.search.text.terms import terms

FILLER = "nothing here matters"


def index(**files: list[str]) -> LexicalIndex:
    made = LexicalIndex()
    for path, chunks in files.items():
        made.replace(path, chunks)
    return made


def best(made: LexicalIndex, query: str, limit: int = 100) -> list[tuple[str, int]]:
    return [key for key, _ in made.match(terms(query)).scores().best(limit)]


def test_the_chunk_with_the_word_comes_first_and_its_neighbours_follow_by_distance():
    chunks = [FILLER] * 20
    chunks[10] = "the rocket launches"
    found = best(index(a=chunks), "When did rockets launch?")
    assert found[0] == ("a", 10)
    assert [abs(place - 10) for _, place in found] == sorted([0, *range(1, REACH + 1), *range(1, REACH + 1)])


def test_words_count_for_neighbours_in_the_same_file_only():
    made = index(a=[FILLER, "rocket"], b=[FILLER] * 30)
    assert best(made, "rocket") == [("a", 1), ("a", 0)]


def test_a_word_that_is_nearly_everywhere_does_not_spread():
    chunks = ["rocket" if place % 3 == 0 else FILLER for place in range(30)]
    assert {place % 3 for _, place in best(index(a=chunks), "rocket")} == {0}


def test_a_rare_word_says_more_than_a_common_one():
    made = index(**{f"f{place}": ["common word"] for place in range(10)}, rare=["special word"])
    assert best(made, "common special")[0] == ("rare", 0)


def test_scores_are_those_of_bm25():
    made = LexicalIndex()
    for number in range(99):
        made.replace(f"f{number}", ["plain words"])
    made.replace("x", ["rocket rocket"])
    # Two occurrences in a chunk of average length, which is one of a hundred and alone has the word.
    expected = math.log(1 + 99.5 / 1.5) * 2.2 * 2 / (2 + 1.2)
    assert made.match(["rocket"]).scores().of("x", 0) == pytest.approx(expected)
    assert made.match(["rocket", "plain"]).scores().of("x", 0) == pytest.approx(expected)


def test_paths_and_headings_are_part_of_what_a_chunk_is_about():
    made = LexicalIndex()
    made.replace("/plans/rocket.md", ["first"], [""])
    made.replace("/plans/other.md", ["second", "third"], ["", "Launch"])
    assert best(made, "rocket") == [("/plans/rocket.md", 0)]
    assert best(made, "launch")[0] == ("/plans/other.md", 1)


def test_what_was_replaced_or_removed_is_not_found():
    made = index(a=["rocket"], b=["rocket"], c=["rocket"])
    made.replace("a", ["plane"])
    made.remove("b")
    made.remove("never there")
    assert best(made, "rocket") == [("c", 0)]
    assert best(made, "plane") == [("a", 0)]
    assert "b" not in made
    assert len(made) == 2
    assert made.match(["rocket"]).statistics.documents == {"rocket": 1}


def test_files_that_are_not_visible_make_room_for_those_that_are():
    made = index(**{f"hidden{number:03}": ["rocket rocket"] for number in range(200)}, shown=["a rocket and more"])
    scores = made.match(["rocket"]).scores()
    assert [key for key, _ in scores.best(1, lambda path: path == "shown")] == [("shown", 0)]


@pytest.mark.parametrize("limit", [0, 1, 1_000_000])
def test_limits(limit):
    assert len(best(index(a=["rocket"], b=["rocket"]), "rocket", limit)) == min(limit, 2)


def test_nothing_to_find():
    assert best(LexicalIndex(), "rocket") == []
    assert best(index(a=[]), "rocket") == []
    assert best(index(a=["plane"]), "") == []
    assert index(a=["plane"]).match(["plane"]).scores().of("a", 7) == 0.0
    assert index(a=["plane"]).match(["plane"]).scores().of("b", 0) == 0.0


def test_a_pasted_page_asks_for_its_rarest_words():
    words = [f"w{number}" for number in range(5000)]
    made = index(**{f"f{number}": [" ".join(words[: number + 1])] for number in range(0, 500, 10)})
    assert best(made, " ".join(words), 1) == [("f490", 0)]


def test_where_a_chunk_is_kept_does_not_change_its_score():
    chunks = {f"f{number}": [f"word{number % 7} word{number % 3}"] for number in range(40)}
    together = index(**chunks)
    halves = [index(**dict(list(chunks.items())[start::2])) for start in (0, 1)]
    matches = [half.match(terms("word1 word2")) for half in halves]
    statistics = matches[0].statistics + matches[1].statistics
    scores = [match.scores(statistics) for match in matches]
    whole = together.match(terms("word1 word2")).scores()
    for place, path in enumerate(chunks):
        assert scores[place % 2].of(path, 0) == pytest.approx(whole.of(path, 0))


words = st.lists(st.sampled_from(["red", "blue", "green", "round"]), max_size=4).map(" ".join)
changes = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.lists(words, max_size=12)), max_size=25)


@settings(deadline=None)
@given(changes, words)
def test_after_any_changes_an_index_ranks_as_one_made_anew(made, query):
    changed = LexicalIndex()
    files: dict[str, list[str]] = {}
    for path, chunks in made:
        if chunks is None:
            changed.remove(path)
            files.pop(path, None)
        else:
            changed.replace(path, chunks)
            files[path] = chunks
    anew = index(**files)
    assert len(changed) == len(anew)
    ranked, expected = (dict(one.match(terms(query)).scores().best(1000)) for one in (changed, anew))
    assert ranked == pytest.approx(expected)
