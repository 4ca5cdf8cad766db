"""`ScopeIndex`: the text of one scope, split into passages, following the ledger's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from threading import Lock, RLock
from typing import NamedTuple

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.text_content import searched_text
from pydantic_hivemind.ledger import changes_since, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.merging.operation_log import is_journal
from pydantic_hivemind.search.text.bm25 import LexicalIndex
from pydantic_hivemind.search.text.chunking import Chunk, headings, parts, split
from pydantic_hivemind.search.vectors.embedding import Vectors
from pydantic_hivemind.search.vectors.exact import Dense

HASH_BYTES = 16
"""Length of chunk hashes, in bytes: the chance of a collision among 2**60 is negligible."""


class Passage(NamedTuple):
    """The position of a chunk in its file: characters from 0, lines from 1."""

    hash: bytes
    start: int
    end: int
    first_line: int
    last_line: int


class Document(NamedTuple):
    """A file that can be searched, at one version."""

    head: Head
    passages: tuple[Passage, ...]

    def hashes(self) -> list[bytes]:
        """Hashes of its chunks, in order."""
        return [passage.hash for passage in self.passages]


class ScopeIndex:
    """The searchable content of one scope's own layer.

    Attributes:
        lasting: Whether its collections are kept on disk; those of a session are not.
        lock: Held while the index is used; `embedding` is held while vectors are computed.
        layer: The scope's own heads by path, which mask those of its ancestors.
        documents: Its searchable files, by path.
        partial: Paths of those of which the beginning and the end are searched.
        lexical: Their lexical index.
        dense: Their vectors, as far as they are in memory.
        pending: Text of the chunks that need a vector.
        unkept: Chunks whose vectors are in memory and not yet in the ledger.
        dropped: Removed chunks whose vectors are still in the ledger.
        unstored: Paths that changed since the collections were synchronised.
        stored: Watermark of the collections.
        released: Whether vectors in the collections were removed from memory.
        counted: Number of chunks, as the indexer has counted them.
    """

    def __init__(self, scope_id: int, mounts: MountTable, *, lasting: bool, stored: int = 0) -> None:
        self.scope_id = scope_id
        self.lasting = lasting
        self.lock = RLock()
        self.embedding = Lock()
        self.layer: dict[str, Head] = {}
        self.documents: dict[str, Document] = {}
        self.partial: set[str] = set()
        self.lexical = LexicalIndex()
        self.dense = Dense()
        self.pending: dict[bytes, str] = {}
        self.unkept: set[bytes] = set()
        self.dropped: set[bytes] = set()
        self.unstored: set[str] = set()
        self.stored = stored
        self.released = stored > 0
        self.counted = 0
        self.watermark: int | None = None
        self._mounts = mounts

    def follow(self, tx: Transaction) -> None:
        """Apply the changes since the last call."""
        if self.watermark is None:
            if self.stored:
                self.unstored.update(changes_since.since(tx, self.scope_id, self.stored).heads)
            changes = changes_since.everything(tx, self.scope_id)
            if not self.stored:
                self.unstored.update(changes.heads)
        else:
            changes = changes_since.since(tx, self.scope_id, self.watermark)
            self.unstored.update(changes.heads)
        wanted: list[Head] = []
        for path, head in changes.heads.items():
            if head is None:
                self.layer.pop(path, None)
            else:
                self.layer[path] = head
            if head is not None and self._is_searched(head):
                wanted.append(head)
            else:
                self._forget(path)
        for head, data in overlay.contents(tx, wanted):
            self._take(head, data)
        # Last: where this fails half-way, it is done again.
        self.watermark = changes.watermark

    def _is_searched(self, head: Head) -> bool:
        """Return whether a head is a file that can have passages. Operation logs of memory are not searched."""
        is_indexed = head.kind == Kind.FILE and self._mounts.of(head.path).indexed_bytes > 0
        return is_indexed and not is_journal(head.path)

    def add(self, vectors: Mapping[bytes, Vectors], *, kept: bool = True) -> None:
        """Add vectors of pending chunks."""
        self.dense.add(vectors)
        for hash in vectors:
            # Nobody would let go of those of chunks that went meanwhile.
            if self.pending.pop(hash, None) is not None and not kept:
                self.unkept.add(hash)

    def is_stored(self, path: str) -> bool:
        """Return whether a file's passages are searched in the collections."""
        return self.released and path not in self.unstored

    def mark_stored(self, documents: Mapping[str, Document | None], watermark: int) -> None:
        """Record that the collections match some paths at the given versions, and all others up to the watermark."""
        for path, document in documents.items():
            if self.documents.get(path) is document:
                self.unstored.discard(path)
        self.stored = watermark

    def release(self) -> None:
        """Remove from memory the vectors that the collections have."""
        self.released = True
        places = self.dense.places
        self.dense.release(
            hash
            for hash in self.dense.held()
            if hash not in self.unkept and all(self.is_stored(path) for path, _ in places(hash))
        )

    def _take(self, head: Head, data: bytes) -> None:
        mount = self._mounts.of(head.path)
        text = searched_text(data)
        searched = parts(text, mount.indexed_bytes) if text is not None else []
        chunks: list[Chunk] = []
        above: list[str] = []
        passages: list[Passage] = []
        for part in searched:
            start, lines = part.start, part.first_line - 1
            found: list[Chunk] = []
            for chunk in split(part.text):
                # Blank ones say nothing: embedders refuse them, or make zeros of them.
                if not chunk.text.isspace():
                    hash = blake2b(chunk.text.encode(), digest_size=HASH_BYTES).digest()
                    end = start + len(chunk.text)
                    passages.append(Passage(hash, start, end, lines + chunk.first_line, lines + chunk.last_line))
                    found.append(chunk)
                start += len(chunk.text)
            chunks += found
            above += headings(found)
        if not passages:
            self._forget(head.path)
            return
        if len(searched) > 1:
            self.partial.add(head.path)
        else:
            self.partial.discard(head.path)
        old = self.documents.get(head.path)
        document = self.documents[head.path] = Document(head, tuple(passages))
        # What all files of a mount are called by says nothing of one.
        name = head.path.removeprefix(mount.prefix)
        self.lexical.replace(head.path, [chunk.text for chunk in chunks], above, name=name)
        self._gone(self.dense.replace(head.path, old.hashes() if old else (), document.hashes()))
        if not self.is_stored(head.path):
            for passage, chunk in zip(passages, chunks, strict=True):
                self.dropped.discard(passage.hash)
                if passage.hash not in self.dense:
                    self.pending[passage.hash] = chunk.text

    def _forget(self, path: str) -> None:
        self.partial.discard(path)
        old = self.documents.pop(path, None)
        if old is not None:
            self.lexical.remove(path)
            self._gone(self.dense.replace(path, old.hashes(), ()))

    def _gone(self, hashes: Iterable[bytes]) -> None:
        for hash in hashes:
            self.pending.pop(hash, None)
            self.unkept.discard(hash)
            self.dropped.add(hash)
