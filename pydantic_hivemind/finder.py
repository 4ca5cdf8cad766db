"""`Finder`: a hive's search, which loads nothing (numpy, the embedder, Chroma) before something is looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.errors import EmbeddingError, InvalidOption, StoreClosed
from pydantic_hivemind.forks import Lock
from pydantic_hivemind.ledger import scopes, vectors
from pydantic_hivemind.ledger.database import Database
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.ledger.tree import Chain
from pydantic_hivemind.model import Finding, Hit
from pydantic_hivemind.mounts import MountTable
from pydantic_hivemind.paths import normalize

if TYPE_CHECKING:
    from chromadb import Collection

    from pydantic_hivemind.index.embedding import EmbeddingFunction
    from pydantic_hivemind.search.indexer import Indexer


class Finder:
    """Searches the scopes of a hive."""

    def __init__(
        self, database: Database, mounts: MountTable, root: Path | None, embedder: EmbeddingFunction | None
    ) -> None:
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
            tags=tags,
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
        indexer = self._indexer  # which another thread may close at any moment
        if indexer is not None:
            indexer.touched(row.chain)

    def forget(self, scope_ids: Sequence[int]) -> None:
        """Remove what is kept of destroyed scopes outside the ledger."""
        if self._indexer is not None or self._directories():
            with suppress(StoreClosed):  # they are destroyed all the same
                self._started().forget(scope_ids)

    def reindex(self, progress: Callable[[int, int], object] | None, *, drop_others: bool) -> None:
        """As `Hivemind.reindex`."""
        indexer = self._started()
        if not drop_others:
            with self._database.read() as tx:
                in_the_way = vectors.has_others(tx, indexer.embedder.fingerprint)
            if in_the_way:
                raise EmbeddingError(
                    "the store has vectors that another embedder made; if no app needs them, delete them with "
                    "`drop_others`, which the command calls --drop-others"
                )
        indexer.reindex(progress)

    def check(self) -> list[Finding]:
        """What is wrong with what is kept of scopes outside the ledger."""
        from pydantic_hivemind.index import directories
        from pydantic_hivemind.index.chroma import is_low

        alive = self._alive()
        found = [
            Finding("orphans", f"collections {path.name} belong to no scope", "remove them", mendable=True)
            if int(path.name) not in alive
            else Finding(
                "collections",
                f"collections {path.name} were not closed cleanly",
                "remove them; the next search makes them anew",
                mendable=True,
            )
            for path in self._directories()
            if int(path.name) not in alive or directories.is_in_doubt(path)
        ]
        if self._root is not None and self._root.exists() and is_low(self._root):
            problem = "the disk is almost full, so searches do without collections"
            found.append(Finding("collections", problem, "free some space"))
        return found

    def sweep(self) -> None:
        """Remove what is kept outside the ledger of scopes that are no more, or was not closed cleanly."""
        from pydantic_hivemind.index import directories

        alive = self._alive()
        for path in self._directories():
            if int(path.name) not in alive or directories.is_in_doubt(path):
                self._started().shelf.discard(int(path.name))

    def size(self) -> int:
        """Bytes of disk that is kept outside the ledger."""
        total = 0
        for directory in self._directories():
            for path in directory.rglob("*"):
                # Others may remove what is in it meanwhile.
                with suppress(OSError):
                    total += path.lstat().st_size
        return total

    def close(self) -> None:
        """Let go of every index."""
        with self._starting:
            self._closed = True
            indexer, self._indexer = self._indexer, None
        if indexer is not None:
            indexer.close()

    def _alive(self) -> set[int]:
        with self._database.read() as tx:
            return {row.id for row in scopes.all(tx)}

    def _directories(self) -> list[Path]:
        """Chroma's directories, by the numbers of their scopes."""
        found = self._root.iterdir() if self._root is not None and self._root.is_dir() else ()
        return sorted(
            (path for path in found if path.name.isascii() and path.name.isdecimal()), key=lambda p: int(p.name)
        )

    def _started(self) -> Indexer:
        # Made without the lock: importing takes a second.
        made = self._indexer or self._made()
        with self._starting:
            if self._closed:
                raise StoreClosed("the hive is closed; open it again")
            if self._indexer is None:
                self._indexer = made
            return self._indexer

    def _made(self) -> Indexer:
        from pydantic_hivemind.index.embedding import Embedder, WordLlama
        from pydantic_hivemind.index.shelf import ChromaShelf
        from pydantic_hivemind.search.indexer import Indexer

        embedder = Embedder(self._embedder or WordLlama())
        return Indexer(self._database, self._mounts, embedder, ChromaShelf(self._root, embedder, self._mounts))


def _check(query: object, limit: object) -> None:
    if not isinstance(query, (str, NoneType)):
        raise InvalidOption("a query is text, or `None` to search by filters alone")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidOption(f"the limit is how many hits are wanted, 1 or more, not {limit!r}")
