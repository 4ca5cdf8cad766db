"""The Chroma client of one scope, whose collections are the scope's mounts. The only module that imports chromadb.

It exposes nothing of Chroma except through `handle`: every failure is raised as `ChromaUnavailable`.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import weakref
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pydantic_hivemind.limits import MIN_FREE_BYTES
from pydantic_hivemind.search.vectors.embedding import Embedder, Vectors

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection
    from chromadb.api.rust import RustBindingsAPI
    from chromadb.config import System

Metadata = Mapping[str, str | int | float | bool]
"""Metadata of a record. Never lists: Chroma 1.5 returned their rows for records of other collections."""

BATCH = 25
"""Records in one write: Chroma holds the interpreter's lock during a write, 1.6 ms a record, so 40 ms. Larger batches
are not cheaper."""

PAGE = 5_000
"""Records in one response: SQLite, which Chroma uses, accepts 32,766 variables, and each record takes one or more."""

PATHS = 500
"""Paths in one query, each of which takes a variable."""

KEPT_INDEXES = 4_096
"""Indexes that one Chroma client keeps loaded, in 64 shards. The default, a fifth of RLIMIT_NOFILE, gives wrong results
once it is less than needed; a scope has a handful of mounts."""

HNSW: dict[str, str | int] = {
    "hnsw:space": "cosine",
    "hnsw:M": 32,
    "hnsw:construction_ef": 200,
    "hnsw:search_ef": 200,
    "hnsw:sync_threshold": 500,
}
"""How vectors are indexed: chosen by measuring clustered vectors of 256 dimensions on 2 cores.

Against Chroma's own M 16 and ef 100: of 10,000 vectors, 99.3% instead of 92.9% of the nearest 100 are found; of 50,000,
all instead of 99.97%, and none instead of 0.06% are out of reach after 30% were replaced three times. It costs 1.6
instead of 1.1 ms to add one, 3 instead of 2 ms to ask, and 4% more disk. M 64 with ef 400 and 100 finds 99.0% of 10,000
and takes twice as long to add them. `sync_threshold`, after how many changes index files are written: 50,000 were added
in 88 s with 500 and 1,000, in 128 s with 100; what was not written is indexed again by the first query after opening,
within 0.6 s.
"""

T = TypeVar("T")


class ChromaUnavailable(Exception):
    """Chroma cannot be used; continue without it."""


class ChromaNotOpened(ChromaUnavailable):
    """Chroma could not be opened, which says nothing about its content."""


class Record(NamedTuple):
    """A chunk as a collection stores it. An id is never reused for other content."""

    id: str
    text: str
    vector: NDArray[np.float32]
    metadata: Metadata


class ScopeChroma:
    """An open Chroma client of one scope. Safe for threads. After a failure it is not used again.

    Without a directory it is in memory: separate `System`s share nothing, unlike several `chromadb.EphemeralClient`s of
    a process. It takes four file descriptors and leaves nothing on disk, however the process ends.
    """

    def __init__(self, embedder: Embedder, directory: Path | None, synced: int) -> None:
        self._embedder = embedder
        self._directory = directory
        self.synced = synced
        """A ledger number up to which the collections hold everything."""
        self.storing = Lock()
        """Held by the one who brings them up to date."""
        self.lasting = directory is not None
        self.failed = False
        self._lent: weakref.WeakValueDictionary[int, Collection] = weakref.WeakValueDictionary()
        self._collections: dict[str, Collection] = {}
        with self._calling():
            self._system, self._api = _start(directory)
            self._collections = {model.name: self._collection(model) for model in self._api.list_collections()}

    def add(self, collection: str, records: Sequence[Record]) -> None:
        """Store records. A record whose id exists already is left unchanged."""
        for record in records:
            _check(record.metadata)
        for batch in _batches(records, BATCH):
            with self._calling():
                self._get_or_create(collection).add(
                    ids=[record.id for record in batch],
                    documents=[record.text for record in batch],
                    embeddings=np.stack([record.vector for record in batch]),
                    metadatas=[dict(record.metadata) for record in batch],
                )

    def update(self, collection: str, metadatas: Mapping[str, Metadata]) -> None:
        """Replace the metadata of records, by id."""
        for metadata in metadatas.values():
            _check(metadata)
        for ids in _batches(list(metadatas), BATCH):
            with self._calling():
                found = self._get_or_create(collection)
                stored = found.get(ids=list(ids), include=["metadatas"])
                # Chroma merges: a key that is to go has to be named.
                merged = [
                    {**dict.fromkeys(old or ()), **metadatas[id]}
                    for id, old in zip(stored["ids"], stored["metadatas"] or (), strict=True)
                ]
                if merged:
                    found.update(ids=stored["ids"], metadatas=cast("Any", merged))

    def remove(self, collection: str, ids: Sequence[str]) -> None:
        """Delete records. Unknown ids are ignored."""
        for batch in _batches(ids, BATCH):
            with self._calling():
                if found := self._collections.get(collection_name(collection)):
                    found.delete(ids=list(batch))

    def ids_of(self, collection: str, paths: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of the records of files by path; files without records are left out."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for some in _batches(paths, PATHS):
            for start in range(0, 1 << 62, PAGE):
                with self._calling():
                    found = self._collections.get(collection_name(collection))
                    if found is None:
                        return {}
                    page = found.get(
                        where={"path": {"$in": list(some)}}, include=["metadatas"], limit=PAGE, offset=start
                    )
                for id, metadata in zip(page["ids"], page["metadatas"] or (), strict=True):
                    ids[str(metadata["path"])].append(id)
                if len(page["ids"]) < PAGE:
                    break
        return dict(ids)

    def nearest(self, collection: str, vector: Vectors, limit: int) -> list[tuple[str, float]]:
        """Return the ids of the records nearest to a vector, with their cosine similarity, best first."""
        with self._calling():
            found = self._collections.get(collection_name(collection))
            if found is None or limit < 1:
                return []
            answer = found.query(query_embeddings=vector, n_results=limit, include=["distances"])
            distances = (answer["distances"] or [[]])[0]
            return [(id, 1 - distance) for id, distance in zip(answer["ids"][0], distances, strict=True)]

    def handle(self, collection: str) -> Collection:
        """Return the collection itself. It works as long as it is referenced and its hive is open."""
        with self._calling():
            handle = self._collection(self._get_or_create(collection).get_model())
        self._lent[id(handle)] = handle
        return handle

    @property
    def lent(self) -> bool:
        """Whether a collection of it is still referenced."""
        return len(self._lent) > 0

    def stop(self) -> None:
        """Free its memory, files and threads."""
        self.failed = True
        self._collections.clear()
        with _translated():
            self._system.stop()

    def disown(self) -> object:
        """Keep the parent's objects alive in a forked child, where freeing them is not safe."""
        self.failed = True
        self._collections.clear()
        return vars(self._api).pop("bindings", None)

    def _get_or_create(self, name: str) -> Collection:
        name = collection_name(name)
        if name not in self._collections:
            self._collections[name] = self._collection(self._api.get_or_create_collection(name, metadata=HNSW))
        return self._collections[name]

    def _collection(self, model: Any) -> Collection:
        from chromadb.api.models.Collection import Collection

        return Collection(self._api, model, embedding_function=cast("Any", _Embedding(self._embedder)))

    @contextmanager
    def _calling(self) -> Generator[None]:
        if self.failed:
            raise ChromaUnavailable("this Chroma client is closed or has failed")
        low = False
        try:
            with _translated():
                low = self._directory is not None and is_low(self._directory)
                if not low:
                    yield
        except ChromaUnavailable:
            self.failed = True
            raise
        if low:
            raise ChromaUnavailable("the disk is almost full")


def usable() -> bool:
    """Return whether this process may use Chroma: after a fork from a user of Chroma it would hang.

    Threads that all Chroma clients of a process share exist only in the parent.
    """
    return _processes in ([], [os.getpid()])


_processes: list[int] = []
"""The process that started Chroma, if any did: this one, or one that it was forked from."""


def is_low(directory: Path) -> bool:
    """Return whether the disk has too little space to call Chroma."""
    return shutil.disk_usage(directory).free < MIN_FREE_BYTES


def collection_name(mount: str) -> str:
    """Return the name of a mount's collection: the mount's own if Chroma accepts it, else a hash of it."""
    if re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,510}[a-zA-Z0-9]", mount) and not mount.startswith("mount-"):
        return mount
    return f"mount-{hashlib.sha256(mount.encode()).hexdigest()}"


class _Embedding:
    """An embedder as collections expect it, so that `query_texts` and `documents` work."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, input: Sequence[str]) -> list[Vectors]:
        return list(self._embedder.embed(input))

    def embed_query(self, input: Sequence[str]) -> list[Vectors]:
        return [self._embedder.embed_query(text) for text in input]


def _start(directory: Path | None) -> tuple[System, RustBindingsAPI]:
    from chromadb.api.rust import RustBindingsAPI
    from chromadb.config import Settings, System

    # Not made from the environment and the `.env` of the working directory, which are not for us and take 5 ms to read.
    settings = Settings.model_construct(
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
        is_persistent=directory is not None,
        persist_directory=str(directory or ""),
        anonymized_telemetry=False,
    )
    # Not a `Client`: those of a path share what they open, and those in memory share everything.
    _processes[:] = [os.getpid()]
    system = System(settings)
    api = system.instance(RustBindingsAPI)
    api.hnsw_cache_size = KEPT_INDEXES
    system.start()
    return system, api


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except Exception as error:
        raise ChromaUnavailable(f"Chroma failed ({type(error).__name__})") from error
    except BaseException as error:
        # A panic in Chroma's Rust, which is no Exception.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise ChromaUnavailable("Chroma failed (panic)") from error


def _check(metadata: Mapping[str, object]) -> None:
    for key, value in metadata.items():
        if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise TypeError(f"metadata {key!r} must be a string, a finite number or a boolean")


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
