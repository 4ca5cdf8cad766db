"""`Indexer`: the indexes of the searched scopes, kept up to date."""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from pydantic_hivemind.base.fork_safety import Gate
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.errors import EmbeddingError, HivemindError, ScopeGone, StoreBusy, StoreClosed, StoreError
from pydantic_hivemind.ledger import changes_since, chunk_vectors, overlay, scopes
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.limits import MAX_EXACT_BYTES, MAX_INDEXED_CHUNKS, MAX_INDEXES
from pydantic_hivemind.search import chroma_sync
from pydantic_hivemind.search.scope_index import ScopeIndex
from pydantic_hivemind.search.vectors.chroma import ChromaNotOpened, ChromaUnavailable, ScopeChroma
from pydantic_hivemind.search.vectors.chroma_pool import ChromaPool
from pydantic_hivemind.search.vectors.embedding import BATCH, Embedder
from pydantic_hivemind.search.worker import Worker

if TYPE_CHECKING:
    from chromadb import Collection

KEEP_PATIENCE = 0.1
"""Seconds that a search, or closing, waits for other writes in order to store new vectors."""

KEPT_TOGETHER = 256
"""Number of vectors stored in one write, which takes a few milliseconds."""

_log = logging.getLogger("pydantic_hivemind")


class Indexer:
    """The indexes of a hive. It is safe to use from several threads; a forked child starts without indexes."""

    def __init__(self, database: Database, mounts: MountTable, embedder: Embedder, pool: ChromaPool) -> None:
        self.embedder = embedder
        self.pool = pool
        self.mounts = mounts
        self._database = database
        self._fails = False
        self._renew()
        self._gate = Gate(self)

    def _renew(self) -> None:
        self._indexes: OrderedDict[int, ScopeIndex] = OrderedDict()
        self._chunks = 0  # of all of them, as far as they were counted
        self._changing = Lock()
        self._queued: set[int] = set()
        self._failed: set[int] = set()
        self._worker = Worker()
        # Before the pool's: what was begun is closed in good order.
        weakref.finalize(self, self._worker.stop)

    def before_fork(self) -> None:
        """Do nothing: memory is not shared with the child."""

    def after_fork(self) -> None:
        """Replace locks and indexes in a forked child: threads of the parent may have held the locks."""
        self._renew()

    @contextmanager
    def current(
        self, database: Database, chain: Chain, *, embed: bool
    ) -> Generator[tuple[Transaction, list[ScopeIndex]], None, None]:
        """Yield the indexes of a chain, nearest scope first, and a transaction that sees the same state.

        Args:
            database: The database, as the scope sees it.
            chain: Ids of the scopes, nearest first.
            embed: Whether all passages must have vectors.

        Raises:
            EmbeddingError: The embedder failed.
        """
        embedded = not embed
        # Once: what is forgotten meanwhile, to make room, would come back without vectors.
        indexes = self._chain(database, chain)
        while True:
            with ExitStack() as held:
                # Ancestors first, so that no two searches wait for each other.
                for index in reversed(indexes):
                    held.enter_context(index.lock)
                tx = held.enter_context(database.snapshot(chain))
                overlay.check_alive(tx, chain)
                for index in indexes:
                    self._follow(index, tx)
                # What was written while the rest was embedded is left to words, or this might never end.
                if embedded or not any(index.pending for index in indexes):
                    yield tx, indexes
                    return
            keep = True
            for level, index in enumerate(indexes):
                keep = self.embed(index, chain[level:], keep=keep)
            embedded = True

    def touched(self, chain: Chain) -> None:
        """Update the index of a scope in the background, if the scope was searched before."""
        with self._changing:
            if chain[0] not in self._indexes or chain[0] in self._queued:
                return
            self._queued.add(chain[0])
        self._worker.submit(partial(self._keep_up, chain))

    def forget(self, scope_ids: Sequence[int]) -> None:
        """Drop the indexes and the collections of destroyed scopes."""
        for scope_id in scope_ids:
            with self._changing:
                self._remove(scope_id)
            self.pool.remove(scope_id)

    def drop(self, index: ScopeIndex) -> None:
        """Drop a damaged index; the next search rebuilds it."""
        with self._changing:
            if self._indexes.get(index.scope_id) is index:
                self._remove(index.scope_id)

    def discard(self, index: ScopeIndex) -> None:
        """Drop an index together with its collections, which failed."""
        # Not to be tried again: they may fail each time, or may not have been removed.
        self._failed.add(index.scope_id)
        self.drop(index)
        self.pool.discard(index.scope_id)

    def collection(self, database: Database, chain: Chain, name: str) -> Collection:
        """Return a collection of a scope, synchronised with the ledger.

        Raises:
            EmbeddingError: The embedder failed.
            StoreError: Chroma cannot be used here.
        """
        for last in (False, True):
            with self.current(database, chain[:1], embed=True) as (_, (index,)):
                pass
            try:
                with self.pool.open(chain[0], lasting=index.lasting) as chroma:
                    self._bring_up(chroma, index, database, chain)
                    return chroma.handle(name)
            except ChromaUnavailable as error:
                unopened = isinstance(error, ChromaNotOpened)
                if not unopened:
                    self.discard(index)
                if last or unopened:
                    raise StoreError(f"the collection cannot be used now: {error}; try again later") from None
        raise AssertionError

    def embed(self, index: ScopeIndex, chain: Chain, *, keep: bool = True) -> bool:
        """Add the vector of every pending chunk of a scope, from the ledger or else from the embedder.

        Vectors of chunks that no longer exist are dropped. New vectors are stored in the ledger.

        Args:
            index: The scope's index.
            chain: Ids of the scopes, nearest first.
            keep: Whether to wait for the ledger; otherwise the vectors are stored in the background.

        Returns:
            Whether the next call may wait for the ledger.
        """
        with index.embedding:
            with index.lock:
                texts = dict(index.pending)
                waits = bool(index.dropped or index.unkept)
            if not texts and not waits:
                return keep
            fingerprint = self.embedder.fingerprint
            with self._database.read(chain) as tx:
                found = chroma_sync.decoded(chunk_vectors.find(tx, chain, fingerprint, texts), self.embedder.dimension)
            with index.lock:
                index.add(found)
            rest = [hash for hash in texts if hash not in found]
            for start in range(0, len(rest), BATCH):
                if self._worker.stopping:
                    raise StoreClosed("the hive is closed; open it again")
                batch = rest[start : start + BATCH]
                made = dict(zip(batch, self.embedder.embed([texts[hash] for hash in batch]), strict=True))
                with index.lock:
                    index.add(made, kept=False)
                keep = self._keep(index, chain, patience=KEEP_PATIENCE if keep else 0) and keep
            if not rest:
                keep = self._keep(index, chain, patience=KEEP_PATIENCE if keep else 0) and keep
        if index.dense.held_bytes > MAX_EXACT_BYTES:
            self.touched(chain)
        return keep

    def reindex(self, progress: Callable[[int, int], object] | None) -> None:
        """Embed every passage, and delete vectors that are not needed."""
        fingerprint = self.embedder.fingerprint
        with self._database.read() as tx:
            rows = scopes.all(tx)
        for done, row in enumerate(rows, start=1):
            with suppress(ScopeGone):
                with self.current(self._database, row.chain, embed=True) as (tx, (index, *_)):
                    needless = {
                        hash for hash in chunk_vectors.hashes(tx, row.id, fingerprint) if not index.dense.places(hash)
                    }
                    followed = index.watermark or 0
                self._keep(index, row.chain)
                with self._database.write((row.id,)) as tx:
                    self._forget(tx, row.id, followed, needless)
                    chunk_vectors.forget_others(tx, row.id, fingerprint)
            if progress is not None:
                progress(done, len(rows))

    def note(self, failure: EmbeddingError | None) -> None:
        """Log when the embedder starts to fail, and when it works again."""
        if failure is not None and not self._fails:
            _log.warning("searches use the lexical ranking only: %s", failure)
        elif failure is None and self._fails:
            _log.info("searches go by meaning again")
        self._fails = failure is not None

    def close(self) -> None:
        """Drop all indexes; threads that embed or synchronise stop after their current batch."""
        self._worker.stop()
        with self._changing:
            unkept = [index for index in self._indexes.values() if index.unkept]
            self._indexes.clear()
            self._chunks = 0
        # What is not kept is made again the next time, for which services are paid.
        for index in unkept:
            if not self._keep(index, (index.scope_id,), patience=KEEP_PATIENCE):
                break
        self.pool.close()

    # -- helpers -------------------------------------------------------------------------------

    def _chain(self, database: Database, chain: Chain) -> list[ScopeIndex]:
        """Return the indexes of a chain, evicting others if there are too many."""
        indexes = [self._index(database, scope_id) for scope_id in chain]
        with self._changing:
            for scope_id in [scope_id for scope_id in self._indexes if scope_id not in chain]:
                if len(self._indexes) <= MAX_INDEXES and self._chunks <= MAX_INDEXED_CHUNKS:
                    break
                self._remove(scope_id)
        return indexes

    def _index(self, database: Database, scope_id: int) -> ScopeIndex:
        with self._changing:
            index = self._indexes.get(scope_id)
            if index is not None:
                self._indexes.move_to_end(scope_id)
                return index
        with database.read() as tx:
            lasting = self.pool.lasts and not scopes.is_session(tx, scope_id)
        stored = self._stored(scope_id) if lasting else 0
        with self._changing:
            made = ScopeIndex(scope_id, self.mounts, lasting=lasting, stored=stored)
            return self._indexes.setdefault(scope_id, made)

    def _stored(self, scope_id: int) -> int:
        """Return the watermark of the collections in which a scope is searched; 0 for a small scope."""
        with suppress(ChromaUnavailable, EmbeddingError):
            if scope_id not in self._failed and self.pool.has(scope_id) and self._is_large(scope_id):
                with self.pool.open(scope_id, lasting=True) as chroma:
                    return chroma.synced
        return 0

    def _is_large(self, scope_id: int) -> bool:
        with self._database.read() as tx:
            count = chunk_vectors.count(tx, scope_id, self.embedder.fingerprint)
        return count * self.embedder.dimension * np.dtype(np.float32).itemsize > MAX_EXACT_BYTES

    def _remove(self, scope_id: int) -> None:
        index = self._indexes.pop(scope_id, None)
        if index is not None:
            self._chunks -= index.counted

    def _follow(self, index: ScopeIndex, tx: Transaction) -> None:
        try:
            index.follow(tx)
        except BaseException:
            self.drop(index)
            raise
        with self._changing:
            if self._indexes.get(index.scope_id) is index:
                self._chunks += len(index.dense) - index.counted
                index.counted = len(index.dense)

    def _keep(self, index: ScopeIndex, chain: Chain, *, patience: float | None = None) -> bool:
        """Store new vectors in the ledger, or in the background if other writes hold it for too long.

        Returns:
            Whether they were stored. If not, they can be computed again.
        """
        try:
            while self._keep_some(index, patience):
                pass
        except StoreBusy:
            self.touched(chain)
        except (StoreError, ScopeGone):
            pass
        else:
            return True
        return False

    def _keep_some(self, index: ScopeIndex, patience: float | None) -> bool:
        """Store some new vectors, and return whether there are more."""
        with index.lock:
            dropped, followed = set(index.dropped), index.watermark or 0
            some = list(islice(index.unkept, KEPT_TOGETHER))
            made = index.dense.vectors(some)
        # Of the scope alone: its vectors are written here and nowhere else, and no tree waits for them.
        if made or dropped:
            with self._database.write((index.scope_id,), patience=patience) as tx:
                if scopes.exists(tx, index.scope_id):
                    dropped = self._forget(tx, index.scope_id, followed, dropped)
                    chunk_vectors.store(tx, index.scope_id, self.embedder.fingerprint, chroma_sync.encoded(made))
        with index.lock:
            index.dropped -= dropped
            index.unkept.difference_update(some)
            return bool(index.unkept)

    def _forget(self, tx: Transaction, scope_id: int, followed: int, needless: set[bytes]) -> set[bytes]:
        """Remove vectors that were not needed up to a watermark, unless the scope has changed since then."""
        if changes_since.since(tx, scope_id, followed).heads:
            return set()
        chunk_vectors.forget(tx, scope_id, self.embedder.fingerprint, needless)
        return needless

    def _keep_up(self, chain: Chain) -> None:
        """Update a scope's index in the background, and move its vectors to Chroma if they are many."""
        self._queued.discard(chain[0])
        try:
            with self.current(self._database, chain, embed=True) as (_, (index, *_)):
                pass
            self.embed(index, chain)
            if index.lasting and index.dense.held_bytes > MAX_EXACT_BYTES and index.scope_id not in self._failed:
                self._move(index, chain)
        except ChromaUnavailable as error:
            _log.warning("a scope is searched without its collections: %s", error)
        except HivemindError:
            pass  # the next search says what is wrong

    def _move(self, index: ScopeIndex, chain: Chain) -> None:
        """Move the vectors of a scope to its collections."""
        with self.pool.open(chain[0], lasting=True) as chroma:
            if chroma.lasting:
                try:
                    self._bring_up(chroma, index, self._database, chain)
                except ChromaUnavailable:
                    if chroma.failed:
                        self.discard(index)
                    raise
                with index.lock:
                    index.release()

    def _bring_up(self, chroma: ScopeChroma, index: ScopeIndex, database: Database, chain: Chain) -> None:
        with database.read() as tx:
            if not scopes.exists(tx, chain[0]):
                # Who destroyed it may have looked for a directory before there was one.
                self.pool.remove(chain[0])
                raise ScopeGone("the scope was destroyed; ask the hive for it again")
        chroma_sync.bring_up(chroma, index, database, chain, self.mounts, self.embedder, lambda: self._worker.stopping)
