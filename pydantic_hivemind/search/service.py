"""`SearchService`: the search service of a hive. It imports numpy, the embedder and Chroma on the first search."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import compress
from operator import not_
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Finding, Hits
from pydantic_hivemind.errors import EmbeddingError, InvalidOption, StoreClosed
from pydantic_hivemind.ledger import chunk_vectors, scopes
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.scopes import ScopeRow

if TYPE_CHECKING:
    from chromadb import Collection

    from pydantic_hivemind.search.history_ranking import HistoryRanking, RankedMessage
    from pydantic_hivemind.search.indexer import Indexer
    from pydantic_hivemind.search.vectors.embedding import EmbeddingFunction


class SearchService:
    """The search service of a hive."""

    def __init__(
        self, database: Database, mounts: MountTable, root: Path | None, embedder: EmbeddingFunction | None
    ) -> None:
        self._database = database
        self._mounts = mounts
        self._root = root
        self._embedder = embedder
        self._starting = Lock()
        self._indexer: Indexer | None = None
        self._ranking: HistoryRanking | None = None
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
    ) -> Hits:
        """Search the scopes of `chain`, as `Scope.search`."""
        from pydantic_hivemind.search import filters
        from pydantic_hivemind.search.ranking import Search

        _check(query, limit)
        wanted = filters.wanted(
            self._mounts,
            under=normalize(under),
            tags=tags,
            where=where,
            since=since,
        )
        return Search(self._started(), database, chain, names, wanted, limit).run(query or "")

    def rank_histories(self, histories: Sequence[Sequence[str]], query: str, limit: int) -> list[RankedMessage]:
        """Return the messages of some histories that are most relevant to a query, best first."""
        from pydantic_hivemind.search.history_ranking import HistoryRanking

        _check(query, limit)
        embedder = self._started().embedder
        with self._starting:
            ranking = self._ranking = self._ranking or HistoryRanking(embedder)
        return ranking.rank(histories, query, limit)

    def collection(self, database: Database, row: ScopeRow, path: str) -> Collection:
        """Return a collection, as `Scope.collection`."""
        mount = self._mounts.of(normalize(path))
        if not mount.indexed_bytes:
            raise InvalidOption(
                f"the collection {mount.collection!r} is not indexed; set `indexed_bytes` of its mount to index it"
            )
        return self._started().collection(database, row.chain, mount.collection)

    def touched(self, chain: Chain) -> None:
        """Record that a scope changed."""
        indexer = self._indexer  # which another thread may close at any moment
        if indexer is not None:
            indexer.touched(chain)

    def forget(self, scope_ids: Sequence[int]) -> None:
        """Remove the collections of destroyed scopes."""
        indexer = self._indexer
        if indexer is not None:
            indexer.forget(scope_ids)
        elif self._root is not None and scope_ids:
            from pydantic_hivemind.search.vectors import chroma_directories

            for scope_id in scope_ids:
                chroma_directories.remove(self._root / str(scope_id))

    def reindex(self, progress: Callable[[int, int], object] | None, *, drop_others: bool) -> None:
        """Embed every passage, as `Hivemind.reindex`."""
        indexer = self._started()
        if not drop_others:
            with self._database.read() as tx:
                in_the_way = chunk_vectors.has_others(tx, indexer.embedder.fingerprint)
            if in_the_way:
                raise EmbeddingError(
                    "the store has vectors of another embedder; if no application uses that one, delete them with "
                    "drop_others=True (--drop-others of the command)"
                )
        indexer.reindex(progress)

    def check(self) -> list[Finding]:
        """Return the problems of the collections on disk."""
        from pydantic_hivemind.search.vectors import chroma_directories
        from pydantic_hivemind.search.vectors.chroma import is_low
        from pydantic_hivemind.search.vectors.chroma_pool import made_by_another

        try:
            kept, gone = self._directories()
            doubtful = [path for path in kept if chroma_directories.is_in_doubt(path)]
            others = [(path, maker) for path in kept if (maker := made_by_another(path))]
            low = self._root is not None and self._root.exists() and is_low(self._root)
        except OSError:
            problem = "the collections cannot be read, so searches do not use them"
            return [
                Finding(
                    "collections", problem, "give this user read and write permission on the directory `collections`"
                )
            ]
        remedy = "delete them; the next search rebuilds them"
        found = [
            Finding("collections", f"collections {path.name} were not closed cleanly", remedy, mendable=True)
            for path in doubtful
        ]
        found += [
            Finding("orphans", f"collections {path.name} belong to no scope", "delete them", mendable=True)
            for path in gone
        ]
        for path, maker in others:
            problem = f"collections {path.name} were made by another version, with chromadb {maker}"
            found.append(Finding("versions", problem, remedy, mendable=True))
        if low:
            problem = "the disk is almost full, so searches do not use collections"
            found.append(Finding("collections", problem, "free some space"))
        return found

    def sweep(self) -> None:
        """Remove collections that are orphaned, may be damaged, or are of another version."""
        from pydantic_hivemind.search.vectors import chroma_directories
        from pydantic_hivemind.search.vectors.chroma_pool import made_by_another

        self._forget_gone()
        with suppress(OSError):
            kept, _ = self._directories()
            for path in kept:
                if chroma_directories.is_in_doubt(path) or made_by_another(path):
                    chroma_directories.discard(path)

    def size(self) -> int:
        """Return the disk space that the collections take, in bytes."""
        total = 0
        # Passes over what cannot be read; others may remove what is in it meanwhile.
        for place, _, names in os.walk(self._root) if self._root is not None else ():
            for name in names:
                with suppress(OSError):
                    total += Path(place, name).lstat().st_size
        return total

    def close(self) -> None:
        """Close every index."""
        with self._starting:
            self._closed = True
            indexer, self._indexer = self._indexer, None
        if indexer is not None:
            indexer.close()

    def _forget_gone(self) -> None:
        """Remove the collections of scopes that no longer exist, such as those of a killed process."""
        with suppress(OSError):
            _, gone = self._directories()
            self.forget([int(path.name) for path in gone])

    def _directories(self) -> tuple[list[Path], list[Path]]:
        """Return Chroma's directories: those of existing scopes, and those of destroyed scopes.

        Raises:
            OSError: The directories cannot be read.
        """
        if self._root is None or not self._root.is_dir():
            return [], []
        named = (path for path in self._root.iterdir() if re.fullmatch("[0-9]{1,18}", path.name))
        # Before the scopes: none is taken for gone that was not made yet.
        found = sorted(named, key=lambda path: int(path.name))
        with self._database.read() as tx:
            exist = [scopes.exists(tx, int(path.name)) for path in found]
        return list(compress(found, exist)), list(compress(found, map(not_, exist)))

    def _started(self) -> Indexer:
        # Made without the lock: importing takes a second.
        made = self._indexer or self._made()
        with self._starting:
            if self._closed:
                raise StoreClosed("the hive is closed; open it again")
            if self._indexer is not None:
                return self._indexer
            self._indexer = made
        self._forget_gone()
        return made

    def _made(self) -> Indexer:
        from pydantic_hivemind.search.indexer import Indexer
        from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool
        from pydantic_hivemind.search.vectors.embedding import Embedder, WordLlama

        embedder = Embedder(self._embedder or WordLlama())
        return Indexer(self._database, self._mounts, embedder, ChromaPool(self._root, embedder, self._mounts))


def check_embedder(embedder: object) -> None:
    """Check that an embedder can be called.

    Raises:
        InvalidOption: It cannot be called, or is a class instead of an instance.
    """
    if embedder is not None and (isinstance(embedder, type) or not callable(embedder)):
        problem = f"pass {embedder.__name__}()" if isinstance(embedder, type) else f"{embedder!r} cannot be called"
        raise InvalidOption(
            "an embedder must be a function that returns one vector for each text of a list, as Chroma's embedding "
            f"functions are; {problem}"
        )


def _check(query: object, limit: object) -> None:
    if not isinstance(query, (str, NoneType)):
        raise InvalidOption("`query` must be text, or None to search by filters alone")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidOption(f"`limit` must be a number of hits, 1 or more, not {limit!r}")
