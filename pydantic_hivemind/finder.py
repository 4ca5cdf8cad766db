"""`Finder`: a hive's search, which loads nothing (numpy, the embedder, Chroma) before something is looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from types import NoneType
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.errors import InvalidOption, StoreClosed
from pydantic_hivemind.ledger.database import Database
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.ledger.tree import Chain
from pydantic_hivemind.model import Hit
from pydantic_hivemind.mounts import MountTable
from pydantic_hivemind.paths import normalize

if TYPE_CHECKING:
    from chromadb import Collection

    from pydantic_hivemind.index.embedding import EmbeddingFunction
    from pydantic_hivemind.search.indexer import Indexer


class Finder:
    """Searches the scopes of a hive."""

    def __init__(self, database: Database, mounts: MountTable, root: Path, embedder: EmbeddingFunction | None) -> None:
        self._database = database
        self._mounts = mounts
        self._root = root
        self._embedder = embedder
        self._starting = Lock()
        self._indexer: Indexer | None = None
        self._closed = False

    def search(
        self,
        database: Database,
        chain: Chain,
        names: Sequence[str],
        query: str | None,
        *,
        limit: int,
        under: str,
        tags: str | Sequence[str] | None,
        where: Mapping[str, Any] | None,
        since: float | datetime | None,
    ) -> list[Hit]:
        """As `Scope.search`, in the scopes of `chain`."""
        from pydantic_hivemind.search import filters
        from pydantic_hivemind.search.query import Search

        _check(query, limit)
        wanted = filters.wanted(
            self._mounts,
            under=normalize(under),
            tags=[tags] if isinstance(tags, str) else tags,
            where=where,
            since=since,
        )
        return Search(self._started(), database, chain, names, wanted, limit).run(query or "")

    def collection(self, database: Database, row: ScopeRow, path: str) -> Collection:
        """As `Scope.collection`."""
        mount = self._mounts.of(normalize(path))
        if not mount.indexed_bytes:
            raise InvalidOption(f"what is in the collection {mount.collection!r} is not indexed; see `mounts=`")
        return self._started().collection(database, row.chain, mount.collection)

    def touched(self, row: ScopeRow) -> None:
        """Note that a scope changed."""
        if self._indexer is not None:
            self._indexer.touched(row.chain)

    def forget(self, scope_ids: Sequence[int]) -> None:
        """Remove what is kept of destroyed scopes outside the ledger."""
        if self._indexer is not None or self._root.exists():
            self._started().forget(scope_ids)

    def reindex(self, progress: Callable[[int, int], object] | None) -> None:
        """As `Hivemind.reindex`."""
        self._started().reindex(progress)

    def close(self) -> None:
        """Let go of every index."""
        with self._starting:
            self._closed = True
            indexer, self._indexer = self._indexer, None
        if indexer is not None:
            indexer.close()

    def _started(self) -> Indexer:
        with self._starting:
            if self._closed:
                raise StoreClosed("the hive is closed; open it again")
            if self._indexer is None:
                from pydantic_hivemind.index.embedding import Embedder, WordLlama
                from pydantic_hivemind.index.shelf import ChromaShelf
                from pydantic_hivemind.search.indexer import Indexer

                embedder = Embedder(self._embedder or WordLlama())
                shelf = ChromaShelf(self._root, embedder)
                self._indexer = Indexer(self._database, self._mounts, embedder, shelf)
            return self._indexer


def _check(query: object, limit: object) -> None:
    if not isinstance(query, (str, NoneType)):
        raise InvalidOption("a query is text, or `None` to search by filters alone")
    if not isinstance(limit, int) or limit < 1:
        raise InvalidOption(f"the limit is how many hits are wanted, 1 or more, not {limit!r}")
