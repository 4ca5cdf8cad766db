"""Fusion of the dense and the lexical ranking into one.

All scores are pooled before they are compared: similarities of one embedder are comparable between scopes, and lexical
scores use the statistics of all scopes together. So the rank of a passage does not depend on which scope of the chain
holds it, nor on the number of scopes.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic_hivemind.base.values import Matched

Key = TypeVar("Key", bound=Hashable)

CANDIDATES = 100
"""Minimum number of nearest passages that take part, of all scopes together. With three times or half as many, recall
is the same within 0.002 (LoCoMo); with fewer it drops."""

DENSE_WEIGHT = 1 / 3
"""Weight of the dense score relative to the lexical one. Words are evidence, above all names and numbers; the
similarity of a small embedder is a hint that orders passages with similar words and finds those without any. Values
from 0.2 to 0.4 make little difference; equal weights are worse."""


@dataclass(frozen=True)
class Fused(Generic[Key]):
    """A passage in the fused ranking.

    Attributes:
        key: The caller's key.
        score: From 0 to 1; 1 is the best of both rankings.
        matched: Rankings that found the passage.
    """

    key: Key
    score: float
    matched: tuple[Matched, ...]


def fuse(dense: Mapping[Key, float], lexical: Mapping[Key, float], limit: int) -> list[Fused[Key]]:
    """Return the best passages, best first.

    Args:
        dense: Cosine similarities of the nearest passages of each scope.
        lexical: Lexical scores of the best passages of each scope and of those in `dense`.
        limit: Maximum number of passages.
    """
    near = _nearness(dense, max(CANDIDATES, limit))
    best = max(lexical.values(), default=0.0)
    words = {key: score / best for key, score in lexical.items() if score > 0}
    total = 1 + DENSE_WEIGHT
    scores = {key: (words.get(key, 0.0) + DENSE_WEIGHT * near.get(key, 0.0)) / total for key in [*near, *words]}
    # Of equals, the nearer one, then the one whose key comes first.
    first = heapq.nsmallest(limit, scores, key=lambda key: (-scores[key], -dense.get(key, -2.0), key))
    return [Fused(key, scores[key], _reasons(near=key in near, words=key in words)) for key in first]


def _nearness(dense: Mapping[Key, float], count: int) -> dict[Key, float]:
    """Return the similarities of the candidates scaled to 0..1: the scale of similarities differs between embedders."""
    kept = heapq.nsmallest(count, dense, key=lambda key: (-dense[key], key))
    if not kept:
        return {}
    top, low = dense[kept[0]], dense[kept[-1]]
    return {key: (dense[key] - low) / (top - low) if top > low else 1.0 for key in kept}


def _reasons(*, near: bool, words: bool) -> tuple[Matched, ...]:
    return (*(("dense",) if near else ()), *(("lexical",) if words else ()))
