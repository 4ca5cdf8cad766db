"""Exact vector search: the vectors of one scope in memory, all compared with the query's.

For a scope of usual size this is faster than an approximate index, and nothing is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from pydantic_hivemind.search.vectors.embedding import Vectors

Place = tuple[str, int]
"""A passage: the path of its file, and the number of the chunk in the file, from 0."""

FEWEST_ROWS = 8
"""Initial number of rows of the matrix; it doubles when it is full."""


class Dense:
    """The chunks of a scope's files, and their vectors as far as they are in memory.

    A chunk is identified by the hash of its text; one that occurs in several places has one vector. Not safe to use
    from several threads at once.
    """

    def __init__(self) -> None:
        self._places: dict[bytes, list[Place]] = {}
        self._rows: dict[bytes, int] = {}
        self._hashes: list[bytes | None] = []  # of the rows; None for one that is free
        self._free: list[int] = []
        self._matrix: Vectors | None = None

    def __len__(self) -> int:
        """Return the number of chunks, in memory or not."""
        return len(self._places)

    def __contains__(self, hash: object) -> bool:
        """Return whether the vector of a chunk is in memory."""
        return hash in self._rows

    @property
    def held_bytes(self) -> int:
        """The memory that the vectors take, in bytes."""
        return self._matrix.nbytes if self._matrix is not None else 0

    def replace(self, path: str, old: Iterable[bytes], new: Sequence[bytes]) -> set[bytes]:
        """Replace the chunks of a file, and return the chunks that no file contains any more."""
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
        """Add vectors of length 1; those of chunks that no longer exist are left out."""
        for hash, vector in vectors.items():
            if hash in self._places and hash not in self._rows:
                self._matrix = self._with_room(len(vector))
                row = self._free.pop()
                self._matrix[row] = vector
                self._hashes[row] = hash
                self._rows[hash] = row

    def vectors(self, hashes: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Return the vectors of those of the chunks that are in memory."""
        matrix = self._matrix
        if matrix is None:
            return {}
        return {hash: matrix[row].copy() for hash in hashes if (row := self._rows.get(hash)) is not None}

    def held(self) -> list[bytes]:
        """Return the chunks whose vectors are in memory."""
        return list(self._rows)

    def release(self, hashes: Iterable[bytes]) -> None:
        """Remove vectors of existing chunks from memory."""
        for hash in hashes:
            self._release(hash)
        left = self.vectors(self._rows)
        self._rows, self._hashes, self._free, self._matrix = {}, [], [], None
        self.add(left)

    def places(self, hash: bytes) -> Sequence[Place]:
        """Return the places of a chunk."""
        return self._places.get(hash, ())

    def nearest(
        self, query: Vectors, limit: int, visible: Callable[[str], bool], floor: float = -1.0
    ) -> dict[Place, float]:
        """Return the nearest passages of the visible files, with a cosine similarity of `floor` or more."""
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
        """Return the matrix with a free row."""
        rows = len(self._hashes)
        if self._matrix is None:
            self._matrix = np.zeros((FEWEST_ROWS, dimension), np.float32)
        elif not self._free:
            self._matrix = np.concatenate((self._matrix, np.zeros_like(self._matrix)))
        self._hashes.extend([None] * (len(self._matrix) - rows))
        self._free.extend(range(len(self._matrix) - 1, rows - 1, -1))
        return self._matrix


def _best(similarities: Vectors, count: int) -> list[int]:
    """Return the rows of the greatest similarities, in order."""
    rows = np.arange(len(similarities))
    if count < len(similarities):
        rows = np.argpartition(-similarities, count - 1)[:count]
    return rows[np.lexsort((rows, -similarities[rows]))].tolist()
