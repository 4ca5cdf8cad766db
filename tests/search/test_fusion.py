from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from pydantic_hivemind.search.fusion import CANDIDATES, fuse

keys = st.integers(0, 20)
similarities = st.dictionaries(keys, st.floats(-1, 1))
scores = st.dictionaries(keys, st.floats(0, 50))


def ranked(dense, lexical, limit=10):
    return [found.key for found in fuse(dense, lexical, limit)]


def test_both_together_say_why():
    found = {one.key: one for one in fuse({"near": 0.9, "both": 0.8, "far": 0.1}, {"words": 4.0, "both": 5.0}, 10)}
    assert found["near"].matched == ("dense",)
    assert found["words"].matched == ("lexical",)
    assert found["both"].matched == ("dense", "lexical")
    assert next(iter(found)) == "both"


def test_words_are_stronger_evidence_than_nearness():
    assert ranked({"near": 0.9, "far": 0.1}, {"words": 3.0}) == ["words", "near", "far"]


def test_nearness_decides_between_passages_with_the_same_words():
    assert ranked({"a": 0.3, "b": 0.6}, {"a": 2.0, "b": 2.0}) == ["b", "a"]


def test_one_of_them_is_enough():
    assert ranked({"a": 0.1, "b": 0.2}, {}) == ["b", "a"]
    assert ranked({}, {"a": 1.0, "b": 2.0}) == ["b", "a"]
    assert ranked({}, {}) == []
    assert ranked({"a": 0.5}, {"a": 0.0}) == ["a"]


def test_only_the_nearest_of_all_scopes_take_part():
    dense = {number: number / 1000 for number in range(3 * CANDIDATES)}
    nearest = list(range(3 * CANDIDATES - 1, -1, -1))
    assert ranked(dense, dict.fromkeys(range(5), 1.0), 10)[:5] == [4, 3, 2, 1, 0]
    assert ranked(dense, {}, CANDIDATES) == nearest[:CANDIDATES]
    # More than that, if more are asked for.
    assert ranked(dense, {}, 2 * CANDIDATES) == nearest[: 2 * CANDIDATES]


@settings(deadline=None)
@given(similarities, scores, st.integers(0, 30))
def test_the_best_come_first_with_scores_from_zero_to_one(dense, lexical, limit):
    found = fuse(dense, lexical, limit)
    assert len(found) == min(limit, len({*dense, *(key for key, score in lexical.items() if score > 0)}))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 <= one.score <= 1 and one.matched for one in found)


@settings(deadline=None)
@given(similarities, scores)
def test_a_better_passage_is_never_below_a_worse_one(dense, lexical):
    order = ranked(dense, lexical, 100)
    for above, below in combinations(order, 2):
        nearer = dense.get(below, -2) > dense.get(above, -2)
        assert not (nearer and lexical.get(below, 0) >= lexical.get(above, 0))


def test_equals_are_in_one_order():
    """However they were found, which differs from process to process."""
    keys = [(0, "/b.md", 0), (0, "/a.md", 1), (0, "/a.md", 0)]
    for dense in (keys, keys[::-1]):
        found = fuse(dict.fromkeys(dense, 0.5), {}, 2)
        assert [one.key for one in found] == [(0, "/a.md", 0), (0, "/a.md", 1)]
