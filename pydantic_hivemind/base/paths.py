"""Paths in a scope: absolute POSIX text, independent of the host's file systems."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePath

from pydantic_hivemind.errors import InvalidPath
from pydantic_hivemind.limits import MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_NAMES


@lru_cache(maxsize=4096)
def normalize(path: str | PurePath) -> str:
    """Return `path` as an absolute path without `.`, `..`, doubled or trailing slashes.

    `..` collapses as text and stops at the root; a path without a leading slash starts at the root.

    Raises:
        InvalidPath: It is not text, contains NUL or a lone surrogate, or is too long or too deep.
    """
    if isinstance(path, PurePath):
        path = path.as_posix()
    elif not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPath(f"a path must be text such as '/notes.md', not {type(path).__name__}")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment and segment != ".":
            segments.append(segment)
    if len(segments) > MAX_PATH_NAMES:
        raise InvalidPath(f"a path can have at most {MAX_PATH_NAMES} names; this one has {len(segments)}")
    normal = "/" + "/".join(segments)
    if "\0" in normal:
        raise InvalidPath("a path cannot contain the NUL character; remove it")
    try:
        encoded = normal.encode()
    except UnicodeEncodeError:
        raise InvalidPath("a path must be valid Unicode; it contains a lone surrogate") from None
    if len(encoded) > MAX_NAME_BYTES:
        if len(encoded) > MAX_PATH_BYTES:
            raise InvalidPath(f"a path can have at most {MAX_PATH_BYTES} bytes; this one has {len(encoded)}")
        longest = max(len(segment.encode()) for segment in segments)
        if longest > MAX_NAME_BYTES:
            raise InvalidPath(f"a name in a path can have at most {MAX_NAME_BYTES} bytes; one here has {longest}")
    return normal


def name_of(path: str) -> str:
    """Return the last name of a normalized path; empty for the root."""
    return path.rpartition("/")[2]


def parent_of(path: str) -> str:
    """Return the parent directory of a normalized path; the root is its own parent."""
    return path.rpartition("/")[0] or "/"


@lru_cache(maxsize=4096)
def ancestors_of(path: str) -> tuple[str, ...]:
    """Return every directory above a normalized path, outermost first, without the root."""
    found: list[str] = []
    cut = path.find("/", 1)
    while cut != -1:
        found.append(path[:cut])
        cut = path.find("/", cut + 1)
    return tuple(found)


def below(directory: str) -> tuple[str, str]:
    """Return the half-open range of text in which every path strictly below `directory` sorts.

    A range is used instead of a pattern, so that `%` and `_` in a path stay ordinary characters. `0` is the character
    after `/`.
    """
    stem = "" if directory == "/" else directory
    return f"{stem}/", f"{stem}0"


def is_below(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or below it."""
    return directory == "/" or path == directory or path.startswith(directory + "/")


def is_url(store: object) -> bool:
    """Return whether the location of a store is a URL of a database, not a directory."""
    return isinstance(store, str) and "://" in store
