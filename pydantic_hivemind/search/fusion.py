"""Making one ranking of what is near in meaning and what has the words.

Everything is pooled before it is compared: similarities of one embedder mean the same in every scope, and lexical
scores are computed by the statistics of all scopes together. So a passage has the same place in the ranking
whichever scope of the chain holds it, and however many scopes there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic_hivemind.base.values import Matched

Key = TypeVar("Key", bound=Hashable)

CANDIDATES = 100
"""Fewest nearest passages that take part, of all scopes together: of three times as many or half as many, recall is the
same within 0.002 (LoCoMo), and of fewer it falls."""

DENSE_WEIGHT = 1 / 3
"""What the nearest passage gets for it, where the one with the best words gets 1. Words are evidence, most of all
names and numbers; nearness to a small embedder is a hint, which is to decide between passages with similar words
and to find those without any. Measured from 0.2 to 0.4 it makes no difference of note; equal weights lose."""


@dataclass(frozen=True)
class Fused(Generic[Key]):
    """A passage in the common ranking.

    Attributes:
        key: What the caller calls it.
        score: From 0 to 1; 1 is both the nearest and the one with the best words.
        matched: Why it is here.
    """

    key: Key
    score: float
    matched: tuple[Matched, ...]


def fuse(dense: Mapping[Key, float], lexical: Mapping[Key, float], limit: int) -> list[Fused[Key]]:
    """The best passages, best first.

    `dense` has the cosine similarities of the nearest passages of each scope, `lexical` the lexical scores of the
    best passages of each scope and of those in `dense`; both count in relation to the best of their kind only.
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
    """How near the candidates are, from 0 to 1 within them: embedders differ in what a similarity of 0.5 means."""
    kept = heapq.nsmallest(count, dense, key=lambda key: (-dense[key], key))
    if not kept:
        return {}
    top, low = dense[kept[0]], dense[kept[-1]]
    return {key: (dense[key] - low) / (top - low) if top > low else 1.0 for key in kept}


def _reasons(*, near: bool, words: bool) -> tuple[Matched, ...]:
    return (*(("dense",) if near else ()), *(("lexical",) if words else ()))
