"""BM25 with neighbour weighting: ranks the chunks of one scope by the words of a query.

The subject of a chunk is often named a few lines away: in the question above an answer, or in the sentence before a
"she". So a word also counts for adjacent chunks, with a weight that decreases with the distance, as if each chunk had
fields for its neighbours (BM25F, Robertson, Zaragoza and Taylor 2004). There is one set of postings, and the weights
are spread at query time, for the words of the query only.

An index is not safe to use from several threads at once.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pydantic_hivemind.limits import MAX_QUERY_TERMS
from pydantic_hivemind.search.text.terms import terms

K1 = 1.2
B = 0.75
"""The constants of BM25 in Lucene and Elasticsearch: saturation of term frequency, and length normalisation."""

REACH = 4
"""Number of chunks to either side for which a word counts, at distance d with weight 1/(1+d). More adds only noise."""

SPREADS_BELOW = 1 / (2 * REACH + 1)
"""Maximum share of chunks with a word for which its weight is spread: a more common word is expected near any chunk,
and counts only where it occurs."""

FEW = 1 / 64
"""Maximum share of rows with a word for which only the rows around its occurrences are visited: faster than visiting
all rows, ten times with 100 occurrences in 100,000 rows, and equal with 2,000."""

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Statistics:
    """Document frequencies of the words of a query.

    They are summed over all indexes of a search, so that the score of a passage does not depend on its scope.

    Attributes:
        chunks: Number of chunks.
        length: Sum of their lengths in words, neighbours included.
        documents: For each word, the number of chunks in which it occurs.
    """

    chunks: int = 0
    length: float = 0.0
    documents: dict[str, int] = field(default_factory=dict[str, int])

    def __add__(self, other: Statistics) -> Statistics:
        documents = dict(self.documents)
        for term, count in other.documents.items():
            documents[term] = documents.get(term, 0) + count
        return Statistics(self.chunks + other.chunks, self.length + other.length, documents)

    def informative(self) -> list[tuple[str, float]]:
        """Return the informative words with their inverse document frequency as in BM25, in nats."""
        rarest = sorted(self.documents, key=self.documents.__getitem__)[:MAX_QUERY_TERMS]
        return [(term, math.log1p((self.chunks - (n := self.documents[term]) + 0.5) / (n + 0.5))) for term in rarest]


@dataclass(frozen=True)
class _File:
    first: int
    count: int


class LexicalIndex:
    """The lexical index of one scope.

    Every chunk has a row; the rows of a file are contiguous, followed by `REACH` empty rows.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._files: dict[str, _File] = {}
        self._firsts: list[int] = []  # where files begin, gone ones too
        self._paths: list[str] = []  # of the same
        self._lengths = array("I", [0] * REACH)
        self._live = bytearray(REACH)
        self._postings: dict[str, array[int]] = {}
        self._gone = 0
        self._layout: _Layout | None = None

    def __len__(self) -> int:
        """Return the number of chunks."""
        return sum(file.count for file in self._files.values())

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def replace(
        self, path: str, chunks: Sequence[str], context: Sequence[str] = (), *, name: str | None = None
    ) -> None:
        """Replace the chunks of a file. The cost is proportional to the size of the file.

        Each chunk may have a `context` outside its text, such as the headings above it. The words of the file's `name`
        (default: the path) are part of it: names and dates of files describe their content.
        """
        self.remove(path)
        first = len(self._lengths)
        above = terms(path if name is None else name)
        for row, chunk in enumerate(chunks, start=first):
            own = terms(chunk)
            extra = above + terms(context[row - first]) if context else above
            self._lengths.append(len(own))
            for term in (*own, *dict.fromkeys(extra)):
                posting = self._postings.get(term)
                if posting is None:
                    posting = self._postings[term] = array("I")
                posting.append(row)
        self._place(path, first, len(chunks))

    def _place(self, path: str, first: int, count: int) -> None:
        self._lengths.extend([0] * REACH)
        self._live += b"\1" * count + bytes(REACH)
        self._files[path] = _File(first, count)
        self._firsts.append(first)
        self._paths.append(path)
        self._layout = None

    def remove(self, path: str) -> None:
        """Remove a file, if it is in the index."""
        file = self._files.pop(path, None)
        if file is None:
            return
        self._live[file.first : file.first + file.count] = bytes(file.count)
        self._layout = None
        self._gone += file.count + REACH
        if self._gone > len(self._live) // 2:
            self._compact()

    def _compact(self) -> None:
        """Renumber the rows, without those of removed files."""
        files, lengths, postings = self._files, self._lengths, self._postings
        live = np.frombuffer(bytes(self._live), dtype=bool)
        self._clear()
        moved = np.zeros(len(live), dtype=np.uint32)
        for path, file in files.items():
            first = len(self._lengths)
            moved[file.first : file.first + file.count] = np.arange(first, first + file.count)
            self._lengths.extend(lengths[file.first : file.first + file.count])
            self._place(path, first, file.count)
        for term, posting in postings.items():
            rows = np.array(posting)
            kept = moved[rows[live[rows]]]  # in order still: files are kept in the order of their rows
            if len(kept):
                self._postings[term] = array("I", kept.tobytes())

    def match(self, query: Iterable[str]) -> Matches:
        """Look up the terms of a query."""
        if self._layout is None:
            self._layout = _Layout.of(self._lengths, self._live, self._firsts, self._paths)
        layout = self._layout
        postings: dict[str, tuple[Integers, Floats]] = {}
        for term in dict.fromkeys(query):
            posting = self._postings.get(term)
            if posting is not None:
                rows = np.array(posting)
                rows = rows[layout.live[rows]]
                if len(rows):
                    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
                    counts = np.concatenate((starts[1:], [len(rows)])) - starts
                    postings[term] = (rows[starts].astype(np.int64), counts.astype(np.float32))
        return Matches(layout, self._files, postings)


@dataclass(frozen=True)
class _Layout:
    """The query-independent part of an index; a row without a chunk has infinite length, so that its score is 0."""

    live: NDArray[np.bool_]
    lengths: Floats
    chunks: int
    length: float
    firsts: list[int]
    paths: list[str]

    @staticmethod
    def of(lengths: Sequence[int], live: bytearray, firsts: list[int], paths: list[str]) -> _Layout:
        alive = np.frombuffer(bytes(live), dtype=bool)
        own: Floats = np.array(lengths, dtype=np.float32)
        own[~alive] = 0
        spread = _spread(own)
        total = float(spread[alive].sum(dtype=np.float64))
        spread[~alive] = np.inf
        return _Layout(alive, spread, int(np.count_nonzero(alive)), total, firsts, paths)


class Matches:
    """Occurrences of a query's words in one index, valid until the index changes."""

    def __init__(self, layout: _Layout, files: dict[str, _File], postings: dict[str, tuple[Integers, Floats]]) -> None:
        self._layout = layout
        self._files = files
        self._postings = postings

    @property
    def statistics(self) -> Statistics:
        """Return the statistics of this index."""
        documents = {term: len(rows) for term, (rows, _) in self._postings.items()}
        return Statistics(self._layout.chunks, self._layout.length, documents)

    def scores(self, statistics: Statistics | None = None) -> Scores:
        """Return the score of every chunk, with the statistics of all searched indexes (default: this one)."""
        statistics = statistics or self.statistics
        layout = self._layout
        average = max(statistics.length / max(statistics.chunks, 1), 1.0)
        length: Floats = np.array(layout.lengths)
        length *= K1 * B / average
        length += K1 * (1 - B)
        scores: Floats = np.zeros_like(layout.lengths)
        own: Floats = np.zeros_like(scores)
        for term, information in statistics.informative():
            if term not in self._postings:
                continue
            rows, counts = self._postings[term]
            spreads = statistics.documents[term] <= SPREADS_BELOW * statistics.chunks or statistics.chunks <= 2 * REACH
            weight = np.float32(information * (K1 + 1))
            if spreads and len(rows) > FEW * len(scores):
                own[rows] = counts
                score = _spread(own)
                own[rows] = 0
                score /= score + length
                score *= weight
                scores += score
            else:
                reached, score = _reached(rows, counts) if spreads else (rows, counts)
                scores[reached] += score / (score + length[reached]) * weight
        return Scores(layout, self._files, scores)


def _reached(rows: Integers, counts: Floats) -> tuple[Integers, Floats]:
    """Return the rows within reach of some rows, and the weight of each, as `_spread` does."""
    near = (rows[:, None] + _DISTANCES).ravel()
    weights = (counts[:, None] * _SHARES).ravel()
    order = np.argsort(near, kind="stable")
    near, weights = near[order], weights[order]
    starts = np.flatnonzero(np.concatenate(([True], near[1:] != near[:-1])))
    return near[starts], np.add.reduceat(weights, starts)


_DISTANCES = np.arange(-REACH, REACH + 1)
_SHARES = (1 / (1 + np.abs(_DISTANCES))).astype(np.float32)


def _spread(own: Floats) -> Floats:
    """Return the weight of each row after every row has spread its own to those within reach."""
    spread: Floats = np.array(own)
    for distance in range(1, REACH + 1):
        share = own * np.float32(1 / (1 + distance))
        spread[distance:] += share[:-distance]
        spread[:-distance] += share[distance:]
    return spread


class Scores:
    """Scores of the chunks of one index for one query; a chunk is identified by its path and its number in the file."""

    def __init__(self, layout: _Layout, files: dict[str, _File], scores: Floats) -> None:
        self._layout = layout
        self._files = files
        self._scores = scores

    def of(self, path: str, ordinal: int) -> float:
        """Return the score of a chunk, numbered from 0 in its file; 0 if no word of the query is near."""
        file = self._files.get(path)
        if file is None or not 0 <= ordinal < file.count:
            return 0.0
        return float(self._scores[file.first + ordinal])

    def best(
        self, limit: int, visible: Callable[[str], bool] | None = None, floor: float = 0.0
    ) -> list[tuple[tuple[str, int], float]]:
        """Return the best chunks of the visible files (default: all), best first, with a score above `floor`."""
        rows = np.flatnonzero(self._scores > floor)
        taken = max(4 * limit, 1)
        while True:
            taken = min(taken, len(rows))
            top = rows if taken == len(rows) else rows[np.argpartition(-self._scores[rows], taken - 1)[:taken]]
            found: list[tuple[tuple[str, int], float]] = []
            seen: dict[str, bool] = {}
            for row in top[np.lexsort((top, -self._scores[top]))].tolist():
                if len(found) == limit:
                    return found
                place = bisect_right(self._layout.firsts, row) - 1
                path = self._layout.paths[place]
                if path not in seen:
                    seen[path] = visible is None or visible(path)
                if seen[path]:
                    found.append(((path, row - self._layout.firsts[place]), float(self._scores[row])))
            if taken == len(rows):
                return found
            taken *= 8
