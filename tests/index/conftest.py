from __future__ import annotations

import numpy as np
import pytest

from pydantic_hivemind.index.chroma import Record
from pydantic_hivemind.index.embedding import Embedder
from pydantic_hivemind.index.shelf import ChromaShelf


def letters(input):
    """How often a text has each letter."""
    return [[1 + text.count(chr(ord("a") + number)) for number in range(26)] for text in input]


@pytest.fixture
def embedder():
    return Embedder(letters)


@pytest.fixture
def records(embedder):
    """Makes records of texts, as the chunks of a file."""

    def make(path, *texts, **metadata):
        return [
            Record(f"{path}#{number}", text, vector, {"path": path, "number": number, **metadata})
            for number, (text, vector) in enumerate(zip(texts, embedder.embed(texts), strict=True))
        ]

    return make


@pytest.fixture
def shelf(tmp_path, embedder):
    shelf = ChromaShelf(tmp_path / "chroma", embedder)
    yield shelf
    shelf.close()


@pytest.fixture
def points():
    """Makes records of random vectors that begin at a number."""

    def make(path, start, count, dimension=8):
        vectors = np.random.default_rng(start).normal(size=(count, dimension)).astype(np.float32)
        return [
            Record(f"{path}#{start + number}", f"text {start + number}", vector, {"path": path})
            for number, vector in enumerate(vectors)
        ]

    return make


@pytest.fixture
def chromadb():
    """Chroma itself, for what it does without us."""
    import chromadb

    return chromadb
