"""Execution of one search: candidates from every scope of the chain, masked by the overlay, in one ranking."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import NamedTuple

from pydantic_hivemind.base.text_content import searched_text
from pydantic_hivemind.base.values import Hit, Hits
from pydantic_hivemind.errors import EmbeddingError
from pydantic_hivemind.ledger import chunk_vectors, overlay
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.overlay import Chain, Overlay
from pydantic_hivemind.limits import MAX_QUERY_CHARS
from pydantic_hivemind.search import chroma_sync
from pydantic_hivemind.search.filters import Condition
from pydantic_hivemind.search.fusion import CANDIDATES, Fused, fuse
from pydantic_hivemind.search.indexer import Indexer
from pydantic_hivemind.search.scope_index import ScopeIndex
from pydantic_hivemind.search.text.bm25 import Statistics
from pydantic_hivemind.search.text.terms import terms
from pydantic_hivemind.search.vectors.chroma import ChromaNotOpened, ChromaUnavailable, ScopeChroma
from pydantic_hivemind.search.vectors.embedding import Vectors
from pydantic_hivemind.search.vectors.exact import Place

WIDEST = 4096
"""Maximum number of neighbours requested from a collection before all vectors of the wanted files are compared
instead."""


class Key(NamedTuple):
    """A passage of the chain: level of its scope (0 is the nearest), path, and number of the chunk in the file."""

    level: int
    path: str
    ordinal: int


@dataclass(frozen=True)
class Search:
    """One query to a chain of scopes.

    Attributes:
        indexer: The indexes of the hive.
        database: The database, as the scope sees it.
        chain: Ids of the scopes that are searched, nearest first.
        names: Names of these scopes.
        wanted: Predicate for the files that are searched.
        limit: Maximum number of hits.
    """

    indexer: Indexer
    database: Database
    chain: Chain
    names: Sequence[str]
    wanted: Condition
    limit: int

    def run(self, query: str) -> Hits:
        """Return the best passages for a query, best first; without a query, those of the latest changed files."""
        if not query.strip():
            return self._newest()
        vector: Vectors | None = None
        try:
            vector = self.indexer.embedder.embed_query(query[:MAX_QUERY_CHARS])
            found = self._answer(query, vector, embed=True)
        except EmbeddingError as error:
            self.indexer.note(error)
            found = self._answer(query, vector, embed=False)
            return Hits(found, degraded=str(error), partial=found.partial)
        self.indexer.note(None)
        return found

    def _answer(self, query: str, vector: Vectors | None, *, embed: bool) -> Hits:
        try:
            with self.indexer.current(self.database, self.chain, embed=embed) as (tx, indexes):
                return self._ranked(tx, indexes, terms(query), vector)
        except _Changed as changed:
            self.indexer.drop(changed.index)
        except _Unusable as unusable:
            # What its collections held comes from the ledger then.
            self.indexer.discard(unusable.index)
        return self._answer(query, vector, embed=embed)

    def _newest(self) -> Hits:
        with self.indexer.current(self.database, self.chain, embed=False) as (tx, indexes):
            masks = self._masks(indexes)
            found = [
                (level, document)
                for level, index in enumerate(indexes)
                for path, document in index.documents.items()
                if masks[level](path)
            ]
            found.sort(key=lambda pair: (-pair[1].head.modified_at, pair[1].head.path))
            keys = (
                Key(level, document.head.path, ordinal)
                for level, document in found
                for ordinal in range(len(document.passages))
            )
            found_last = [Fused(key, 0.0, ()) for key in islice(keys, min(self.limit, sys.maxsize))]
            return Hits(self._hits(tx, indexes, found_last, {}), partial=_partial(indexes, masks))

    def _ranked(
        self, tx: Transaction, indexes: Sequence[ScopeIndex], words: Sequence[str], vector: Vectors | None
    ) -> Hits:
        masks = self._masks(indexes)
        matches = [index.lexical.match(words) for index in indexes]
        statistics = sum((match.statistics for match in matches), Statistics())
        # Chroma fails on numbers that are too large.
        limit = min(self.limit, statistics.chunks)
        count = max(CANDIDATES, limit)
        dense: dict[Key, float] = {}
        lexical: dict[Key, float] = {}
        for level, (index, match, mask) in enumerate(zip(indexes, matches, masks, strict=True)):
            near: dict[Place, float] = {}
            if vector is not None:
                floor = _floor(dense, count)
                near = _nearest(self.indexer, tx, self.chain[level:], index, vector, count, mask, floor)
            scores = match.scores(statistics)
            best = scores.best(count, mask, max(0.0, _floor(lexical, count)))
            lexical.update((Key(level, *place), score) for place, score in best)
            for place, similarity in near.items():
                key = Key(level, *place)
                dense[key] = similarity
                lexical[key] = scores.of(*place)
        fused = fuse(dense, lexical, limit)
        if vector is not None:
            dense |= self._similarities(tx, indexes, [one.key for one in fused if one.key not in dense], vector)
        return Hits(self._hits(tx, indexes, fused, dense), partial=_partial(indexes, masks))

    def _similarities(
        self, tx: Transaction, indexes: Sequence[ScopeIndex], keys: Sequence[Key], vector: Vectors
    ) -> dict[Key, float]:
        """Return the similarity of passages that the lexical ranking found; those without a vector are left out."""
        similarities: dict[Key, float] = {}
        for level, index in enumerate(indexes):
            passages = {key: index.documents[key.path].passages[key.ordinal] for key in keys if key.level == level}
            hashes = {passage.hash for passage in passages.values()}
            known = index.dense.vectors(hashes)
            if index.released and len(known) < len(hashes):
                rest = hashes - known.keys()
                found = chunk_vectors.find(tx, self.chain[level:], self.indexer.embedder.fingerprint, rest)
                known |= chroma_sync.decoded(found, len(vector))
            near = {hash: float(one @ vector) for hash, one in known.items()}
            similarities |= {key: near[one.hash] for key, one in passages.items() if one.hash in near}
        return similarities

    def _masks(self, indexes: Sequence[ScopeIndex]) -> list[Callable[[str], bool]]:
        """Return, for each scope, its files that are visible through the chain and pass the filters."""
        view = Overlay([index.layer for index in indexes])

        def mask(scope_id: int) -> Callable[[str], bool]:
            def visible(path: str) -> bool:
                head = view.find(path)
                return head is not None and head.scope_id == scope_id and self.wanted(head)

            return cache(visible)

        return [mask(index.scope_id) for index in indexes]

    def _hits(
        self,
        tx: Transaction,
        indexes: Sequence[ScopeIndex],
        found: Sequence[Fused[Key]],
        similarities: Mapping[Key, float],
    ) -> list[Hit]:
        documents = {fused.key[:2]: indexes[fused.key.level].documents[fused.key.path] for fused in found}
        heads = list({document.head.version: document.head for document in documents.values()}.values())
        texts = {head.version: searched_text(data) or "" for head, data in overlay.contents(tx, heads)}
        hits: list[Hit] = []
        for fused in found:
            document = documents[fused.key[:2]]
            head, passage = document.head, document.passages[fused.key.ordinal]
            hits.append(
                Hit(
                    path=head.path,
                    text=texts[head.version][passage.start : passage.end],
                    lines=(passage.first_line, passage.last_line),
                    score=fused.score,
                    similarity=similarities.get(fused.key),
                    scope=self.names[fused.key.level],
                    matched=fused.matched,
                    version=tx.version_names.name(head.version),
                    tags=head.tag_list(),
                    modified_at=head.modified_at,
                )
            )
        return hits


class _Unusable(Exception):
    """The collections of a scope cannot be searched."""

    def __init__(self, index: ScopeIndex) -> None:
        super().__init__()
        self.index = index


class _Changed(_Unusable):
    """The collections of a scope do not match its index, or another process has them."""


def _partial(indexes: Sequence[ScopeIndex], masks: Sequence[Callable[[str], bool]]) -> tuple[str, ...]:
    """Return the visible files of which the beginning and the end are searched, sorted by path."""
    return tuple(
        sorted(path for index, mask in zip(indexes, masks, strict=True) for path in index.partial if mask(path))
    )


def _floor(found: Mapping[Key, float], count: int) -> float:
    """Return the similarity that a candidate must exceed, given those found already."""
    return heapq.nlargest(count, found.values())[-1] if len(found) >= count else -1.0


def _nearest(
    indexer: Indexer,
    tx: Transaction,
    chain: Chain,
    index: ScopeIndex,
    vector: Vectors,
    limit: int,
    visible: Callable[[str], bool],
    floor: float,
) -> dict[Place, float]:
    """Return the nearest passages of a scope: exactly for vectors in memory, from its collections for the others."""
    near = index.dense.nearest(vector, limit, visible, floor)
    if not index.released:
        return near
    try:
        with indexer.pool.open(index.scope_id, lasting=True) as chroma:
            if chroma.synced != index.stored:
                raise _Changed(index)
            for collection in indexer.mounts.collections:
                found = _from_collection(chroma, collection, index, vector, limit, visible)
                if found is None:
                    return near | _compared(indexer, tx, chain, index, vector, visible)
                near |= found
    except ChromaNotOpened:
        raise _Changed(index) from None
    except ChromaUnavailable:
        raise _Unusable(index) from None
    return near


def _from_collection(
    chroma: ScopeChroma,
    collection: str,
    index: ScopeIndex,
    vector: Vectors,
    limit: int,
    visible: Callable[[str], bool],
) -> dict[Place, float] | None:
    """Return the nearest visible passages of a collection; `None` if they rank too low in it."""
    taken = 2 * limit
    while taken <= max(WIDEST, 2 * limit):
        found = chroma.nearest(collection, vector, taken)
        near: dict[Place, float] = {}
        for id, similarity in found:
            if len(near) >= limit:
                break  # they come best first
            path, hash = chroma_sync.parsed(id)
            # What changed since is in memory; what the collection says of it is old.
            if index.is_stored(path) and visible(path):
                near.update((place, similarity) for place in index.dense.places(hash) if place[0] == path)
        if len(near) >= limit or len(found) < taken:
            return near
        taken *= 4
    return None


def _compared(
    indexer: Indexer,
    tx: Transaction,
    chain: Chain,
    index: ScopeIndex,
    vector: Vectors,
    visible: Callable[[str], bool],
) -> dict[Place, float]:
    """Return the similarity of every visible passage whose vector is only in the collections."""
    places: dict[bytes, list[Place]] = {}
    for path, document in index.documents.items():
        if index.is_stored(path) and visible(path):
            for ordinal, hash in enumerate(document.hashes()):
                if hash not in index.dense:
                    places.setdefault(hash, []).append((path, ordinal))
    stored = chunk_vectors.find(tx, chain, indexer.embedder.fingerprint, places)
    found = chroma_sync.decoded(stored, len(vector))
    if len(found) < len(places):
        # An ancestor had some of them, and has let them go.
        raise _Unusable(index)
    return {place: float(known @ vector) for hash, known in found.items() for place in places[hash]}
