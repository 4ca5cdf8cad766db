"""Embedding functions with something to see or to break."""

import numpy as np

from pydantic_hivemind.search.vectors.embedding import WordLlama


class Counting:
    """The built-in one, noting what it is asked to embed."""

    def __init__(self):
        self.texts = []
        self._function = WordLlama()

    def __call__(self, input):
        self.texts.extend(input)
        return self._function(input)

    def embed_query(self, input):
        return self._function(input)


class Breaking:
    """The built-in one, until it is told what to answer instead."""

    def __init__(self):
        self.answer = None
        self._function = WordLlama()

    def __call__(self, input):
        vectors = self._function(input)
        if self.answer is None:
            return vectors
        return self.answer(vectors)


def raises(vectors):
    raise ConnectionError("no route to host")


ANSWERS = {
    "raises": raises,
    "wrong dimension": lambda vectors: [vector[:7] for vector in vectors],
    "nan": lambda vectors: [vector * np.nan for vector in vectors],
    "too few": lambda vectors: vectors[1:],
    "nothing": lambda vectors: None,
    "zeros": lambda vectors: [vector * 0 for vector in vectors],
}
