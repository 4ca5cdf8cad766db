"""Synchronisation of a scope's collections with its index: one record for each passage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.text_content import searched_text
from pydantic_hivemind.errors import StoreClosed
from pydantic_hivemind.ledger import changes_since, chunk_vectors, overlay
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.search.scope_index import Document, Passage, ScopeIndex
from pydantic_hivemind.search.vectors.chroma import Metadata, Record, ScopeChroma
from pydantic_hivemind.search.vectors.embedding import BATCH, Embedder, Vectors

Item = TypeVar("Item")

FILES_PER_STEP = 32
"""Number of files whose records are synchronised together, which bounds the memory needed."""


def encoded(made: Mapping[bytes, Vectors]) -> dict[bytes, bytes]:
    """Return vectors as the ledger stores them."""
    return {hash: vector.astype("<f4").tobytes() for hash, vector in made.items()}


def decoded(found: Mapping[bytes, bytes], dimension: int) -> dict[bytes, Vectors]:
    """Return stored vectors as arrays; entries that are not valid are left out, and computed again."""
    arrays = {hash: np.frombuffer(data, "<f4") for hash, data in found.items() if len(data) == 4 * dimension}
    return {hash: vector.astype(np.float32, copy=False) for hash, vector in arrays.items() if np.isfinite(vector).all()}


def record_id(path: str, hash: bytes, occurrence: int) -> str:
    """Return the id of a passage in its collection: file and text hash, so that an id never gets another vector."""
    return f"{path}#{hash.hex()}.{occurrence}"


def parsed(id: str) -> tuple[str, bytes]:
    """Return the path and the chunk's hash in a record id."""
    path, _, rest = id.rpartition("#")
    return path, bytes.fromhex(rest.partition(".")[0])


def bring_up(
    chroma: ScopeChroma,
    index: ScopeIndex,
    database: Database,
    chain: Chain,
    mounts: MountTable,
    embedder: Embedder,
    stopping: Callable[[], bool],
) -> None:
    """Synchronise a scope's collections with the current state of its index.

    If interrupted, the next call continues from there.

    Raises:
        ChromaUnavailable: Chroma failed. The collections must be discarded.
        EmbeddingError: A vector is missing and cannot be computed.
        StoreClosed: `stopping` returned true.
    """
    with chroma.storing:
        with index.lock:
            watermark = index.watermark or 0
            paths = index.unstored if chroma.synced == index.stored else _changed(index, database, chroma.synced)
            documents = {path: index.documents.get(path) for path in paths}
        work = _Work(chroma, index, database, chain, embedder, stopping)
        done: dict[str, Document | None] = {}
        reached = chroma.synced
        # In the order in which they changed, so that there is a watermark for what is done.
        order = sorted(documents, key=lambda path: _version(documents[path]))
        try:
            for names in batches(order, FILES_PER_STEP):
                step = {path: documents[path] for path in names}
                late = work.bring_up_all(step, mounts)
                done.update((path, document) for path, document in step.items() if path not in late)
                reached = max(reached, _version(documents[names[-1]]))
            reached = watermark
        finally:
            # Both at once: a search compares them.
            with index.lock:
                chroma.synced = reached
                index.mark_stored(done, reached)


def _version(document: Document | None) -> int:
    """Return the version of a file's last change; 0 for a removed file, so that it sorts first."""
    return document.head.version if document is not None else 0


def _changed(index: ScopeIndex, database: Database, since: int) -> set[str]:
    """Return the paths whose records may be outdated in collections that are synchronised up to a watermark."""
    if not since:
        return set(index.documents)
    with database.read((index.scope_id,)) as tx:
        return set(changes_since.since(tx, index.scope_id, since).heads)


class _Work:
    """The synchronisation of some files."""

    def __init__(
        self,
        chroma: ScopeChroma,
        index: ScopeIndex,
        database: Database,
        chain: Chain,
        embedder: Embedder,
        stopping: Callable[[], bool],
    ) -> None:
        self._chroma = chroma
        self._index = index
        self._database = database
        self._chain = chain
        self._embedder = embedder
        self._stopping = stopping

    def bring_up_all(self, documents: Mapping[str, Document | None], mounts: MountTable) -> set[str]:
        """Synchronise the records of files, and return those that changed meanwhile and must wait."""
        by_collection: dict[str, dict[str, Document | None]] = {}
        for path, document in documents.items():
            by_collection.setdefault(mounts.of(path).collection, {})[path] = document
        return {path for collection, some in by_collection.items() for path in self._bring_up(collection, some)}

    def _bring_up(self, collection: str, documents: Mapping[str, Document | None]) -> list[str]:
        held = self._chroma.ids_of(collection, list(documents))
        wanted = {path: _wanted(path, document) for path, document in documents.items() if document is not None}
        texts = self._texts([document for document in documents.values() if document is not None])
        late = [path for path in wanted if path not in texts]
        added: dict[str, tuple[Document, Passage]] = {}
        kept: dict[str, Metadata] = {}
        gone: list[str] = []
        for path, document in documents.items():
            if path in late:
                continue
            there = set(held.get(path, ()))
            passages = wanted.get(path, {})
            gone.extend(there.difference(passages))
            for id, passage in passages.items():
                if document is not None and id in there:
                    kept[id] = self._metadata(document, passage)
                elif document is not None:
                    added[id] = (document, passage)
        for ids in self._batches(gone):
            self._chroma.remove(collection, ids)
        for ids in self._batches(list(kept)):
            self._chroma.update(collection, {id: kept[id] for id in ids})
        for ids in self._batches(list(added)):
            self._chroma.add(collection, self._records({id: added[id] for id in ids}, texts))
        return late

    def _batches(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        for batch in batches(ids, BATCH):
            if self._stopping():
                raise StoreClosed("the hive is closed; open it again")
            yield batch

    def _texts(self, documents: Sequence[Document]) -> dict[str, str]:
        """Return the text of files by path, without those whose version is no longer kept."""
        texts: dict[str, str] = {}
        with self._database.read(self._chain) as tx:
            for document in documents:
                with suppress(KeyError):
                    texts[document.head.path] = searched_text(overlay.content(tx, document.head)) or ""
        return texts

    def _records(self, added: Mapping[str, tuple[Document, Passage]], texts: Mapping[str, str]) -> list[Record]:
        cut = {id: texts[document.head.path][passage.start : passage.end] for id, (document, passage) in added.items()}
        made = self._vectors({passage.hash: cut[id] for id, (_, passage) in added.items()})
        return [
            Record(id, cut[id], made[passage.hash], self._metadata(document, passage))
            for id, (document, passage) in added.items()
        ]

    def _vectors(self, texts: Mapping[bytes, str]) -> dict[bytes, Vectors]:
        with self._index.lock:
            made = self._index.dense.vectors(texts)
        if len(made) < len(texts):
            with self._database.read(self._chain) as tx:
                found = chunk_vectors.find(tx, self._chain, self._embedder.fingerprint, texts.keys() - made)
            made |= decoded(found, self._embedder.dimension)
        rest = [hash for hash in texts if hash not in made]
        return made | dict(zip(rest, self._embedder.embed([texts[hash] for hash in rest]), strict=True))

    def _metadata(self, document: Document, passage: Passage) -> Metadata:
        head = document.head
        return {
            "path": head.path,
            "first_line": passage.first_line,
            "last_line": passage.last_line,
            "version": self._database.version_names.name(head.version),
            "modified_at": head.modified_at,
            **{f"tag:{tag}": True for tag in head.tag_list()},
        }


def _wanted(path: str, document: Document) -> dict[str, Passage]:
    """Return the passages of a file by record id."""
    occurrences: Counter[bytes] = Counter()
    wanted: dict[str, Passage] = {}
    for passage in document.passages:
        wanted[record_id(path, passage.hash, occurrences[passage.hash])] = passage
        occurrences[passage.hash] += 1
    return wanted


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield the items in batches."""
    return (items[start : start + size] for start in range(0, len(items), size))
