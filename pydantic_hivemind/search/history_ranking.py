"""Ranking of the messages of histories, by meaning and by words, as passages of files are ranked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.values import Matched
from pydantic_hivemind.errors import EmbeddingError
from pydantic_hivemind.limits import HISTORY_VECTORS, MAX_CHUNK_CHARS, MAX_QUERY_CHARS
from pydantic_hivemind.search.fusion import fuse
from pydantic_hivemind.search.text.bm25 import LexicalIndex
from pydantic_hivemind.search.text.terms import terms
from pydantic_hivemind.search.vectors.embedding import Embedder, Vectors


@dataclass(frozen=True)
class RankedMessage:
    """A message that a search of histories found.

    Attributes:
        history: Number of the history, from 0.
        index: Number of the message in it, from 0.
        score: From 0 to 1.
        matched: Rankings that found it.
    """

    history: int
    index: int
    score: float
    matched: tuple[Matched, ...]


class HistoryRanking:
    """Ranks messages; it keeps the vectors of the last ones for later searches. It is safe to use from any thread.

    Args:
        embedder: Embeds the messages; the beginning of a long one stands for it.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = Lock()

    def rank(self, histories: Sequence[Sequence[str]], query: str, limit: int) -> list[RankedMessage]:
        """Return the best messages, best first. If the embedder fails, words alone decide.

        Args:
            histories: The texts of the messages of each history; empty ones are never found.
            query: A question or words.
            limit: Maximum number of messages.
        """
        index = LexicalIndex()
        for number, texts in enumerate(histories):
            index.replace(str(number), texts, name="")
        wanted = [(number, at) for number, texts in enumerate(histories) for at, text in enumerate(texts) if text]
        scores = index.match(terms(query)).scores()
        lexical = {place: scores.of(str(place[0]), place[1]) for place in wanted}
        try:
            dense = self._similarities([histories[number][at] for number, at in wanted], query)
        except EmbeddingError:
            dense = []
        found = fuse(dict(zip(wanted, dense, strict=False)), lexical, limit)
        return [RankedMessage(*hit.key, hit.score, hit.matched) for hit in found]

    def _similarities(self, texts: Sequence[str], query: str) -> list[float]:
        if not texts:
            return []
        begun = [text[:MAX_CHUNK_CHARS] for text in texts]
        keys = [blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() for text in begun]
        with self._lock:
            known = {key: self._vectors[key] for key in dict.fromkeys(keys) if key in self._vectors}
        missing = {key: text for key, text in zip(keys, begun, strict=True) if key not in known}
        known |= dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
        with self._lock:
            self._vectors.update(known)
            for key in known:
                self._vectors.move_to_end(key)
            while len(self._vectors) > HISTORY_VECTORS:
                self._vectors.popitem(last=False)
        asked = self._embedder.embed_query(query[:MAX_QUERY_CHARS])
        similarities: list[float] = (np.stack([known[key] for key in keys]) @ asked).tolist()
        return similarities
