"""Directories that one process at a time may write, trusted only if the last owner closed them cleanly.

What a scope's Chroma stores on disk is derived, and discarded whenever it may be damaged. Nothing here raises if a
directory is not available, because another process owns it, it is read-only, or not a directory; callers continue
without it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import portalocker
from portalocker import LockFlags

LOCK = "lock"
"""File that the owner holds locked; the lock ends with the process."""

MARKER = "clean.json"
"""File that exists only while the directory has no owner and the last owner closed it cleanly."""

GONE = "gone"
"""File that exists if the scope was destroyed: the owner must delete the directory when it closes it."""

CONTENT = "chroma"
"""Subdirectory with the content."""

ON_WINDOWS = os.name == "nt"


class Directory:
    """A directory that this process owns. Made by `own`."""

    def __init__(self, path: Path, stamp: str, lock: int, synced: int) -> None:
        self._path = path
        self._stamp = stamp
        self._lock = lock
        self.content = path / CONTENT
        self.synced = synced
        """What its last owner said at `close`; 0 for an empty one."""

    def close(self, synced: int) -> None:
        """Release the directory and mark its content as complete. Nothing may be writing to it any more."""
        with suppress(OSError):
            for path in _files(self.content):
                _write_through(path)
            marker = self._path / MARKER
            state = {"stamp": self._stamp, "synced": synced, "files": _state(self.content)}
            # One that is half written is no JSON, and believed as little as one that is missing.
            marker.write_text(json.dumps(state), encoding="utf-8")
            _write_through(marker)
        self._release()
        # Not before: who fails to own it says so first, and tries then.
        if os.path.lexists(self._path / GONE):
            remove(self._path)

    def delete(self) -> None:
        """Delete the directory and its content."""
        with suppress(OSError):
            _remove(self.content)
            (self._path / MARKER).unlink(missing_ok=True)
            (self._path / GONE).unlink(missing_ok=True)
            if not ON_WINDOWS:
                _remove_empty(self._path)
        self._release()
        # What is open cannot be removed there.
        if ON_WINDOWS:
            with suppress(OSError):
                _remove_empty(self._path)

    def abandon(self) -> None:
        """Release the directory in a forked child, which is not the owner."""
        # This does not unlock what the parent has open, too.
        os.close(self._lock)

    def _release(self) -> None:
        # Also where a child has inherited it, and has not let go.
        with suppress(portalocker.LockException):
            portalocker.unlock(self._lock)
        os.close(self._lock)


def own(path: Path, stamp: str) -> Directory | None:
    """Take ownership of a directory, and empty it unless it was closed cleanly under the same stamp.

    Returns:
        The directory; `None` if it is not available at once.
    """
    with suppress(OSError):
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(lock, LockFlags.EXCLUSIVE)
            # Another process may have deleted it after it was opened here.
            if os.fstat(lock).st_nlink:
                return Directory(path, stamp, lock, _take(path, stamp))
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    return None


def discard(path: Path) -> None:
    """Delete a directory, if it has no owner."""
    if os.path.lexists(path) and (directory := own(path, "")):
        directory.delete()


def remove(path: Path) -> None:
    """Delete a directory permanently: now, or as soon as its owner closes it."""
    with suppress(OSError):
        (path / GONE).touch()
    discard(path)


def _take(path: Path, stamp: str) -> int:
    """Return the watermark of the content if it can be trusted; otherwise delete it and return 0."""
    content, marker = path / CONTENT, _read_marker(path)
    clean = marker is not None and marker["stamp"] == stamp and marker["files"] == _state(content)
    # Gone for good before anything else changes: whatever happens from here on, the content is in doubt.
    (path / MARKER).unlink(missing_ok=True)
    _write_through(path)
    if clean and marker is not None:
        return int(marker["synced"])
    _remove(content)
    content.mkdir()
    return 0


def is_clean(path: Path, stamp: str) -> bool:
    """Return whether a directory was closed under this stamp and has no owner."""
    marker = _read_marker(path)
    return marker is not None and marker["stamp"] == stamp


def stamp_of(path: Path) -> str | None:
    """Return the stamp under which a directory was closed; `None` if it is in use or was not closed."""
    marker = _read_marker(path)
    return None if marker is None else str(marker["stamp"])


def is_in_doubt(path: Path) -> bool:
    """Return whether a directory has no owner and was not closed cleanly."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY)
    except OSError:
        return path.is_dir() and _read_marker(path) is None
    try:
        # There, locks that several may hold need another package.
        _lock(lock, LockFlags.EXCLUSIVE if ON_WINDOWS else LockFlags.SHARED)
    except OSError:
        return False
    else:
        return _read_marker(path) is None
    finally:
        os.close(lock)


def _read_marker(path: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((path / MARKER).read_bytes())
        return marker if {"stamp", "synced", "files"} <= marker.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _state(content: Path) -> dict[str, list[int]]:
    """Return the size and time of every file, to detect changed, truncated or copied files."""
    found = {str(path.relative_to(content)): path.stat() for path in _files(content)}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in found.items()}


def _files(content: Path) -> Iterator[Path]:
    return (path for path in sorted(content.rglob("*")) if path.is_file())


def _lock(descriptor: int, kind: LockFlags) -> None:
    """Lock a file at once.

    Raises:
        OSError: Another process has it.
    """
    try:
        portalocker.lock(descriptor, kind | LockFlags.NON_BLOCKING)
    except portalocker.LockException as error:
        raise OSError(str(error)) from error


def _remove_empty(path: Path) -> None:
    (path / LOCK).unlink(missing_ok=True)
    path.rmdir()


def _write_through(path: Path) -> None:
    if ON_WINDOWS and path.is_dir():
        return  # Directories cannot be opened there.
    descriptor = os.open(path, os.O_RDWR if ON_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
