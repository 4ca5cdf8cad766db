from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from pydantic_hivemind.errors import EmbeddingError
from pydantic_hivemind.search.vectors.embedding import BATCH, Embedder, WordLlama


def lengths(input: list[str]) -> list[list[float]]:
    return [[len(text), 1.0] for text in input]


class Service:
    """An embedding function as services have them: named, configured, with another way for queries."""

    def __init__(self, model: str = "small") -> None:
        self.model = model
        self.calls: list[int] = []

    def __call__(self, input):
        self.calls.append(len(input))
        return np.array([[len(text), 1.0, 0.0] for text in input])

    def embed_query(self, input):
        return [[0.0, 0.0, 2.0] for _ in input]

    @staticmethod
    def name():
        return "service"

    def get_config(self):
        return {"model": self.model, "client": object()}


def test_vectors_have_length_one_and_texts_go_in_batches():
    service = Service()
    vectors = Embedder(service).embed([str(number) * number for number in range(1, 2 * BATCH + 2)])
    assert vectors.shape == (2 * BATCH + 1, 3)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert service.calls == [BATCH, BATCH, 1]


def test_questions_are_embedded_in_their_own_way():
    embedder = Embedder(Service())
    assert embedder.embed_query("when?").tolist() == [0.0, 0.0, 1.0]
    assert Embedder(lengths).embed_query("abc") == pytest.approx([3 / math.sqrt(10), 1 / math.sqrt(10)])


def test_no_texts_have_no_vectors():
    assert Embedder(lengths).embed([]).shape == (0, 2)


def test_numbers_of_any_size_have_a_direction():
    assert Embedder(lambda texts: [[1e300, 1e300]]).embed(["a"])[0] == pytest.approx([math.sqrt(0.5)] * 2)
    assert Embedder(lambda texts: [[1e-300, 0.0]]).embed(["a"])[0] == pytest.approx([1, 0])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [[1.0, 2.0]],
        [[1.0, 2.0]] * 3,
        [[1.0], [1.0, 2.0]],
        [[], []],
        [1.0, 2.0],
        [[[1.0]], [[1.0]]],
        [["a"], ["b"]],
        [[math.nan, 1.0], [1.0, 1.0]],
        [[math.inf, 1.0], [1.0, 1.0]],
        [[1.0, 1.0], [0.0, 0.0]],
        [[10**400], [1.0]],
    ],
)
def test_what_is_no_embedding_of_the_texts_is_refused(answer):
    with pytest.raises(EmbeddingError, match=r"the embedder (returned|must return)"):
        Embedder(lambda texts: answer).embed(["a", "b"])


def test_a_dimension_that_changes_is_refused():
    embedder = Embedder(lambda texts: [[1.0] * len(texts)] * len(texts))
    embedder.embed(["a", "b"])
    with pytest.raises(EmbeddingError, match="3 dimensions, and of 2 before"):
        embedder.embed(["a", "b", "c"])


def test_a_failure_says_what_kind_and_nothing_of_what_is_inside():
    def fails(input):
        raise ConnectionError("key-123 at /home/ada")

    with pytest.raises(EmbeddingError, match=r"^the embedder failed \(ConnectionError\)$"):
        Embedder(fails).embed_query("a")


def test_fingerprints_tell_embedders_apart_that_cannot_be_compared():
    same = Embedder(Service()).fingerprint
    assert Embedder(Service()).fingerprint == same
    assert Embedder(Service("large")).fingerprint != same
    assert Embedder(lengths).fingerprint != same
    assert Embedder(lengths).name.endswith("test_embedding.lengths")


def test_a_name_that_is_no_function():
    class Named:
        name = "mine"

        def __call__(self, input):
            return [[1.0, 2.0] for _ in input]

    assert Embedder(Named()).name.endswith("Named")


def test_the_default_puts_what_is_alike_near_and_takes_any_text():
    pytest.importorskip("wordllama")
    embedder = Embedder(WordLlama())
    texts = ["How we release the software", "Deploying the application", "The cat sleeps on the sofa"]
    release, deploy, cat = embedder.embed(texts)
    assert release @ deploy > release @ cat
    assert embedder.embed(["DEPLOY"]) == pytest.approx(embedder.embed(["deploy"]))
    assert embedder.embed(["", " ", "\x00", "\ud800", "\U0001f642", "x" * 100_000]).shape == (6, embedder.dimension)
    assert embedder.dimension == 256


def test_loading_the_default_leaves_logging_alone():
    pytest.importorskip("wordllama")
    code = """
import logging, threading, time
from pydantic_hivemind.search.vectors.embedding import Embedder, WordLlama
before = list(logging.root.handlers), logging.root.level
threads = [threading.Thread(target=Embedder(WordLlama()).embed, args=[["a"]]) for _ in range(20)]
for thread in threads:
    thread.start()
    time.sleep(0.02)
for thread in threads:
    thread.join()
assert (list(logging.root.handlers), logging.root.level) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
