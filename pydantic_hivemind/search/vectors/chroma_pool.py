"""The pool of a hive's Chroma clients: few are open at a time, each on a scope's directory or in memory."""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_hivemind.base import fork_safety
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.store_permissions import make_directory
from pydantic_hivemind.limits import MAX_OPEN_COLLECTIONS
from pydantic_hivemind.search.vectors import chroma_directories
from pydantic_hivemind.search.vectors.chroma import (
    HNSW,
    ChromaNotOpened,
    ChromaUnavailable,
    ScopeChroma,
    is_low,
    usable,
)
from pydantic_hivemind.search.vectors.chroma_directories import Directory
from pydantic_hivemind.search.vectors.embedding import Embedder

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None

LAYOUT = 3
"""Number of the format of records: chunks, ids and metadata. Directories of an older format are rebuilt."""

DESCRIPTORS_EACH = 48
"""File descriptors that the process must have for each open Chroma client: with a limit of 1,024, at most 21 are open,
and 400 and more descriptors are left for other uses."""


@dataclass(eq=False)
class _Open:
    chroma: ScopeChroma
    directory: Directory | None
    users: int = 0


class ChromaPool:
    """The Chroma clients of a hive's scopes. Safe for threads, other processes, and forks.

    A lasting scope has a directory under `root`. A client is in memory for a session, without a root, and if the
    directory is not available: another process owns it, it cannot be written, or its disk is almost full. A client that
    failed is deleted once it is unused, and opened again.
    """

    def __init__(self, root: Path | None, embedder: Embedder, mounts: MountTable | None = None) -> None:
        self._root = root
        self._embedder = embedder
        self._mounts = mounts or MountTable()
        self._closed = False
        self._open: OrderedDict[int, _Open] = OrderedDict()
        # Also at the end of a process that did not close it.
        weakref.finalize(self, _shut_unused, self._open)
        _pools.add(self)

    @property
    def lasts(self) -> bool:
        """Whether content survives the process."""
        return self._root is not None

    @contextmanager
    def open(self, scope_id: int, *, lasting: bool) -> Generator[ScopeChroma]:
        """Yield a scope's Chroma client, which stays open during the block. `synced` is its watermark.

        Raises:
            ChromaNotOpened: It cannot be opened, too many others are in use, the pool is closed, or the process was
                forked after Chroma was used.
            EmbeddingError: The embedder's fingerprint cannot be determined; not raised for a session.
        """
        if not usable():
            raise ChromaNotOpened("Chroma cannot be used in a process that was forked after Chroma was used")
        stamp = self._stamp if lasting else None
        with _lock:
            if self._closed:
                raise ChromaNotOpened("the hive is closed")
            if scope_id not in self._open:
                self._shut_oldest(down_to=_most() - 1)
                if len(self._open) >= _most_in_use():
                    raise ChromaNotOpened("too many Chroma clients are in use")
                self._open[scope_id] = self._start(scope_id, stamp)
            self._open.move_to_end(scope_id)
            entry = self._open[scope_id]
            entry.users += 1
        try:
            yield entry.chroma
        finally:
            with _lock:
                entry.users -= 1
                if self._closed or entry.chroma.failed:
                    self._shut_if_unused(scope_id)
                self._shut_oldest(down_to=_most())

    def has(self, scope_id: int) -> bool:
        """Return whether a scope's Chroma client is open, or was closed cleanly with vectors of the same embedder.

        Raises:
            EmbeddingError: The embedder's fingerprint cannot be determined.
        """
        with _lock:
            if entry := self._open.get(scope_id):
                return not entry.chroma.failed
        path = self._place(scope_id)
        return path is not None and usable() and chroma_directories.is_clean(path, self._stamp)

    def discard(self, scope_id: int) -> None:
        """Delete a scope's collections as soon as they are unused. Those that another process owns stay."""
        with _lock:
            if entry := self._open.get(scope_id):
                entry.chroma.failed = True
                self._shut_if_unused(scope_id)
            elif path := self._place(scope_id):
                chroma_directories.discard(path)

    def remove(self, scope_id: int) -> None:
        """Delete the collections of a destroyed scope, or have their owner delete them on close."""
        with _lock:
            if path := self._place(scope_id):
                chroma_directories.remove(path)
            self.discard(scope_id)

    def close(self) -> None:
        """Close all clients; those in use as soon as they are unused."""
        self._closed = True
        _shut_unused(self._open)

    @cached_property
    def _stamp(self) -> str:
        # What is in which collection depends on the mounts.
        mounts = [(mount.prefix, mount.collection, mount.indexed_bytes) for mount in self._mounts]
        return json.dumps(_made_with() | {"embedder": self._embedder.fingerprint, "mounts": mounts}, sort_keys=True)

    def _start(self, scope_id: int, stamp: str | None) -> _Open:
        if stamp is not None and (directory := self._own(scope_id, stamp)):
            try:
                return _Open(ScopeChroma(self._embedder, directory.content, directory.synced), directory)
            except ChromaUnavailable:
                directory.delete()
        return _Open(ScopeChroma(self._embedder, None, 0), None)

    def _own(self, scope_id: int, stamp: str) -> Directory | None:
        path = self._place(scope_id)
        with suppress(OSError):
            if path is not None:
                make_directory(path.parent)
                return chroma_directories.own(path, stamp) if not is_low(path.parent) else None
        return None

    def _place(self, scope_id: int) -> Path | None:
        return self._root / str(scope_id) if self._root is not None else None

    def _shut_oldest(self, *, down_to: int) -> None:
        for scope_id in list(self._open):
            if len(self._open) <= down_to:
                break
            if not self._open[scope_id].chroma.lent:
                self._shut_if_unused(scope_id)

    def _shut_if_unused(self, scope_id: int) -> None:
        if (entry := self._open.get(scope_id)) and not entry.users:
            _shut(self._open.pop(scope_id))

    def forget(self) -> None:
        """Release the parent's clients in a forked child."""
        for entry in self._open.values():
            _never_freed(entry.chroma.disown())
            if entry.directory:
                entry.directory.abandon()
        self._open.clear()


# Once, when this is imported: to ask for a version imports, and a child that is forked meanwhile waits forever.
_CHROMA = importlib.metadata.version("chromadb")


def _made_with() -> dict[str, Any]:
    return {"layout": LAYOUT, "chroma": _CHROMA, "hnsw": HNSW}


def made_by_another(path: Path) -> str | None:
    """Return the version of Chroma that made a directory, if it must be rebuilt for this version."""
    stamp = chroma_directories.stamp_of(path)
    if stamp is None:
        return None
    try:
        maker = json.loads(stamp)
        return None if maker.items() >= _made_with().items() else str(maker["chroma"])
    except (ValueError, AttributeError, KeyError):
        return "of an unknown version"


def _most() -> int:
    return min(MAX_OPEN_COLLECTIONS, _most_in_use())


def _most_in_use() -> int:
    if resource is None:
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(1, limit // DESCRIPTORS_EACH)


def _shut_unused(entries: OrderedDict[int, _Open]) -> None:
    with _lock:
        for scope_id in [scope_id for scope_id, entry in entries.items() if not entry.users]:
            _shut(entries.pop(scope_id))


def _shut(entry: _Open) -> None:
    failed = entry.chroma.failed
    try:
        entry.chroma.stop()
    except ChromaUnavailable:
        failed = True
    if entry.directory and failed:
        entry.directory.delete()
    elif entry.directory:
        entry.directory.close(entry.chroma.synced)


# -- forks -------------------------------------------------------------------------------------

_lock = threading.RLock()
"""Held while any Chroma client of the process is opened or closed, and while the process forks."""

_pools: weakref.WeakSet[ChromaPool] = weakref.WeakSet()


def _never_freed(inherited: object) -> None:
    # Its threads are in the parent only: who frees it waits for them forever.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _before() -> None:
    _lock.acquire()


def _after_in_parent() -> None:
    _lock.release()


def _after_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's is held
    _lock = threading.RLock()
    for pool in list(_pools):
        pool.forget()


fork_safety.around(_before, _after_in_parent, _after_in_child)
