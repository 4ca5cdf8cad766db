"""The vectors of one scope in memory, searched exactly: every one is compared with the question's.

Of a scope of usual size that is quicker than asking an approximate index, and nothing is ever missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from pydantic_hivemind.search.vectors.embedding import Vectors

Place = tuple[str, int]
"""A passage: the path of its file, and which of the file's chunks it is, from 0."""

FEWEST_ROWS = 8
"""Rows that the matrix begins with; it doubles as it fills."""


class Dense:
    """Which chunks the files of a scope have, and the vectors of those that are held in memory.

    A chunk is known by the hash of its text; one that is in several places has one vector. Not safe to use from
    several threads at once.
    """

    def __init__(self) -> None:
        self._places: dict[bytes, list[Place]] = {}
        self._rows: dict[bytes, int] = {}
        self._hashes: list[bytes | None] = []  # of the rows; None for one that is free
        self._free: list[int] = []
        self._matrix: Vectors | None = None

    def __len__(self) -> int:
        """How many chunks there are, in memory or not."""
        return len(self._places)

    def __contains__(self, hash: object) -> bool:
        """Whether the vector of a chunk is in memory."""
        return hash in self._rows

    @property
    def held_bytes(self) -> int:
        """The memory that the vectors take."""
        return self._matrix.nbytes if self._matrix is not None else 0

    def replace(self, path: str, old: Iterable[bytes], new: Sequence[bytes]) -> set[bytes]:
        """Note the chunks of a file, in order, instead of those it had; the chunks that no file has any more."""
        before = set(old)
        for hash in before:
            self._places[hash] = [place for place in self._places[hash] if place[0] != path]
        for ordinal, hash in enumerate(new):
            self._places.setdefault(hash, []).append((path, ordinal))
        gone = {hash for hash in before if not self._places[hash]}
        for hash in gone:
            del self._places[hash]
            self._release(hash)
        return gone

    def add(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Hold vectors of length 1; those of chunks that are not there any more are left out."""
        for hash, vector in vectors.items():
            if hash in self._places and hash not in self._rows:
                self._matrix = self._with_room(len(vector))
                row = self._free.pop()
                self._matrix[row] = vector
                self._hashes[row] = hash
                self._rows[hash] = row

    def vectors(self, hashes: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Those of the chunks that are held."""
        matrix = self._matrix
        if matrix is None:
            return {}
        return {hash: matrix[row].copy() for hash in hashes if (row := self._rows.get(hash)) is not None}

    def held(self) -> list[bytes]:
        """The chunks whose vectors are in memory."""
        return list(self._rows)

    def release(self, hashes: Iterable[bytes]) -> None:
        """Let vectors go, of chunks that stay, and the memory that they take."""
        for hash in hashes:
            self._release(hash)
        left = self.vectors(self._rows)
        self._rows, self._hashes, self._free, self._matrix = {}, [], [], None
        self.add(left)

    def places(self, hash: bytes) -> Sequence[Place]:
        """Where a chunk is."""
        return self._places.get(hash, ())

    def nearest(
        self, query: Vectors, limit: int, visible: Callable[[str], bool], floor: float = -1.0
    ) -> dict[Place, float]:
        """The nearest passages of the files that are visible, with their cosine similarity of `floor` or more."""
        if self._matrix is None or limit < 1:
            return {}
        similarities = self._matrix[: len(self._hashes)] @ query
        taken = 2 * limit
        while True:
            taken = min(taken, len(similarities))
            found: dict[Place, float] = {}
            for row in _best(similarities, taken):
                if similarities[row] < floor:
                    return found
                hash = self._hashes[row]
                for place in self._places[hash] if hash is not None else ():
                    if visible(place[0]):
                        found[place] = float(similarities[row])
                if len(found) >= limit:
                    return found
            if taken == len(similarities):
                return found
            taken *= 8

    def _release(self, hash: bytes) -> None:
        row = self._rows.pop(hash, None)
        if row is not None:
            self._hashes[row] = None
            self._free.append(row)

    def _with_room(self, dimension: int) -> Vectors:
        """The matrix with a free row."""
        rows = len(self._hashes)
        if self._matrix is None:
            self._matrix = np.zeros((FEWEST_ROWS, dimension), np.float32)
        elif not self._free:
            self._matrix = np.concatenate((self._matrix, np.zeros_like(self._matrix)))
        self._hashes.extend([None] * (len(self._matrix) - rows))
        self._free.extend(range(len(self._matrix) - 1, rows - 1, -1))
        return self._matrix


def _best(similarities: Vectors, count: int) -> list[int]:
    """The rows of the greatest similarities, in order."""
    rows = np.arange(len(similarities))
    if count < len(similarities):
        rows = np.argpartition(-similarities, count - 1)[:count]
    return rows[np.lexsort((rows, -similarities[rows]))].tolist()
