from __future__ import annotations

import pytest
from index_workload import EMBEDDER

from pydantic_hivemind.search.vectors.chroma import Record
from pydantic_hivemind.search.vectors.chroma_pool import ChromaShelf


@pytest.fixture
def embedder():
    return EMBEDDER


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
def root(tmp_path):
    """Where the directories of scopes are."""
    return tmp_path / "chroma"


@pytest.fixture
def shelf(root, embedder):
    shelf = ChromaShelf(root, embedder)
    yield shelf
    shelf.close()


@pytest.fixture
def again(root):
    """Opens further shelves of the same directory, as processes do later."""
    shelves = []

    def open(embedder=EMBEDDER):
        shelves.append(ChromaShelf(root, embedder))
        return shelves[-1]

    yield open
    for shelf in shelves:
        shelf.close()


@pytest.fixture
def chromadb():
    """Chroma itself, for what it does without us."""
    import chromadb

    return chromadb
