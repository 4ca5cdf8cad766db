from __future__ import annotations

import pytest
from index_workload import EMBEDDER

from pydantic_hivemind.search.vectors.chroma import Record
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool


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
def pool(root, embedder):
    pool = ChromaPool(root, embedder)
    yield pool
    pool.close()


@pytest.fixture
def again(root):
    """Opens further pools of the same directory, as processes do later."""
    pools = []

    def open(embedder=EMBEDDER):
        pools.append(ChromaPool(root, embedder))
        return pools[-1]

    yield open
    for pool in pools:
        pool.close()


@pytest.fixture
def chromadb():
    """Chroma itself, for what it does without us."""
    import chromadb

    return chromadb
