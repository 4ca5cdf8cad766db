"""Steps that an index takes, one after the other, and whether a Chroma has taken them."""

from __future__ import annotations

import numpy as np

from pydantic_hivemind.search.vectors.chroma import Record
from pydantic_hivemind.search.vectors.embedding import Embedder

SIZE = 40
KEPT = 5


def letters(input):
    """How often a text has each letter."""
    return [[1 + text.count(chr(ord("a") + number)) for number in range(26)] for text in input]


EMBEDDER = Embedder(letters)


def points(path, start, count):
    """Records of random vectors, numbered from `start`."""
    vectors = np.random.default_rng(start).normal(size=(count, 26)).astype(np.float32)
    return [
        Record(f"{path}#{start + number}", f"text {start + number}", vector, {"path": path})
        for number, vector in enumerate(vectors)
    ]


def step(number):
    """The records of a step, in a file of its own."""
    return points(f"/{number}", number * SIZE, SIZE)


def take(chroma, *, until=None):
    """Take the next step, or all of them up to one; those long ago are undone."""
    for number in range(chroma.synced + 1, (until or chroma.synced + 1) + 1):
        chroma.add("memory", step(number))
        old = f"/{number - KEPT}"
        chroma.remove("memory", chroma.ids_of("memory", [old]).get(old, []))
        chroma.synced = number


def check(chroma, synced=None):
    """All steps that it says are there, and those that were undone are not."""
    if synced is not None:
        assert chroma.synced == synced
    last = chroma.synced
    kept = [number for number in range(1, last + 1) if number > last - KEPT]
    found = chroma.ids_of("memory", [f"/{number}" for number in range(last + 1)])
    assert set(found) == {f"/{number}" for number in kept}
    for number in kept:
        records = step(number)
        assert sorted(found[f"/{number}"]) == sorted(record.id for record in records)
        for record in records[::10]:
            id, similarity = chroma.nearest("memory", record.vector, 10)[0]
            assert id == record.id
            assert abs(similarity - 1) < 1e-5
