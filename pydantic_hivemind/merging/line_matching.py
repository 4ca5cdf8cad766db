"""Matching of the common lines of two versions of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate

from pydantic_hivemind.limits import MAX_MERGE_STEPS


class TooManyChanges(Exception):
    """Two versions differ in so many places that comparing them takes too long."""


class LineMatcher(SequenceMatcher[str]):
    """`difflib.SequenceMatcher`, which `merge3` uses, with bounded time.

    Blank lines are not anchors: they match if the lines beside them match.

    Raises:
        TooManyChanges: By `get_matching_blocks`.
    """

    def __init__(self, _: None, a: Sequence[str], b: Sequence[str]) -> None:
        super().__init__(_is_blank, a, b)
        # One step for each line, and one for each that is like it on the other side.
        # `b2j` is not documented; all lines that are alike are more steps than those that `difflib` looks at.
        places: dict[str, list[int]] | None = vars(self).get("b2j")
        alike = Counter(b) if places is None else {line: len(found) for line, found in places.items()}
        self._steps = list(accumulate((1 + alike.get(line, 0) for line in a), initial=0))
        self._left = MAX_MERGE_STEPS

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """Return the longest match, as `difflib` does."""
        self._left -= self._steps[-1 if ahi is None else ahi] - self._steps[alo]
        if self._left < 0:
            raise TooManyChanges
        return super().find_longest_match(alo, ahi, blo, bhi)


def _is_blank(line: str) -> bool:
    return not line.strip()
