"""Changing the tree of a scope. Every function works on the scope's own layer, inside a write transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.errors import (
    FileTooLarge,
    InvalidPath,
    InvalidTag,
    IsADirectory,
    PathExists,
    PathNotFound,
    VersionConflict,
)
from pydantic_hivemind.ledger import layer, merge_bases, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.overlay import Chain, Head, Overlay
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.limits import MAX_FILE_BYTES, MAX_TAG_CHARS, MAX_TAGS

MAKE_DIR = Cause("make_dir")


def check_version(tx: Transaction, head: Head | None, expected: Expected | None, path: str) -> None:
    """Compare what is visible with what the caller expects; 0 stands for "no file".

    Raises:
        VersionConflict: They differ.
    """
    actual = head.version if head is not None and head.kind == Kind.FILE else 0
    names = tx.version_names
    if expected is not None and not names.are_same(expected, actual):
        found = f"it is at version {names.name(actual)}" if actual else "it does not exist"
        wanted = "no file" if expected in {0, "0"} else f"version {expected}"
        raise VersionConflict(
            f"{path!r}: expected {wanted}, but {found}; read it again and repeat the change",
            expected=0 if expected == "0" else expected,
            actual=names.shown(actual),
        )


def check_size(path: str, size: int) -> None:
    """Refuse a file of more bytes than the store takes.

    Raises:
        FileTooLarge: It is larger.
    """
    if size > MAX_FILE_BYTES:
        raise FileTooLarge(
            f"{path!r} would have {size} bytes, and the limit is {MAX_FILE_BYTES}; split it into several files"
        )


def tag_list(tags: str | Sequence[str]) -> list[str]:
    """Tags, or one tag, each once and sorted.

    Raises:
        InvalidTag: They are no texts.
    """
    if isinstance(tags, str):
        return [tags]
    try:
        unique = sorted(set(tags))
        "".join(unique)
    except TypeError:
        raise InvalidTag("tags must be a list of texts such as ['deploy'], or one text") from None
    return unique


def encode_tags(tags: str | Sequence[str]) -> str:
    """Tags as they are stored: a sorted JSON array.

    Raises:
        InvalidTag: Too many, too long, empty, or no valid Unicode.
    """
    unique = tag_list(tags)
    try:
        "".join(unique).encode()
    except UnicodeEncodeError:
        raise InvalidTag("a tag must be valid Unicode; this one contains a lone surrogate") from None
    if len(unique) > MAX_TAGS or any(not 0 < len(tag) <= MAX_TAG_CHARS for tag in unique):
        raise InvalidTag(f"a file can have up to {MAX_TAGS} tags of 1 to {MAX_TAG_CHARS} characters")
    return json.dumps(unique)


def put(
    tx: Transaction,
    chain: Chain,
    view: Overlay,
    path: str,
    data: bytes,
    cause: Cause,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: Expected | None = None,
) -> Head:
    """Write a file, with the directories above it. Without `tags` it keeps those it has.

    `view` is `tree.entry` of the path in the same transaction.
    """
    if path == "/":
        raise IsADirectory("'/' is a directory; name a file in it")
    check_size(path, len(data))
    view.check_parents(path)
    seen = view.find(path)
    if seen is not None and seen.kind == Kind.DIRECTORY:
        raise IsADirectory(f"{path!r} is a directory, not a file")
    check_version(tx, seen, expected_version, path)
    layer.make_parents(tx, chain[0], view, path, cause)
    own = view.own.get(path)
    copied = None if own is not None else seen or _seen_before(tx, chain[0], view, path)
    head = layer.new_head(
        chain[0],
        path,
        Kind.FILE,
        origin=own.origin if own is not None else None if copied is None else copied.version,
        tags=encode_tags(tags) if tags is not None else seen.tags if seen is not None else "[]",
        size=len(data),
    )
    if seen is not None:
        head = head._replace(created_at=seen.created_at)
    head = layer.store(tx, head, own, cause, data)
    if copied is not None:
        merge_bases.inherit(tx, chain[0], copied)
    return head


def make_dir(
    tx: Transaction,
    chain: Chain,
    view: Overlay,
    path: str,
    cause: Cause = MAKE_DIR,
    *,
    expected_version: Expected | None = None,
) -> None:
    """Make a directory and those above it; one that is there stays as it is."""
    if path == "/":
        return
    view.check_parents(path)
    seen = view.find(path)
    if seen is not None and seen.kind == Kind.FILE:
        raise PathExists(f"{path!r} is a file; remove it first")
    check_version(tx, seen, expected_version, path)
    if seen is None:
        layer.make_parents(tx, chain[0], view, path, cause)
        layer.make_directory(tx, chain[0], view, path, cause)


def remove(
    tx: Transaction,
    chain: Chain,
    path: str,
    cause: Cause,
    *,
    expected_version: Expected | None = None,
) -> None:
    """Remove a file, or a directory and everything in it. What lower scopes have there is hidden."""
    if path == "/":
        raise InvalidPath("the root cannot be removed; remove what is in it, or destroy the scope")
    view = overlay.entry(tx, chain, path)
    view.check_parents(path)
    seen = view.find(path)
    if seen is None:
        raise PathNotFound(f"{path!r} does not exist")
    check_version(tx, seen, expected_version, path)
    own = view.own.get(path)
    lower = None if _hiding(view, path) else view.find(path, above=1)
    deletion = Cause("delete", cause.source, cause.promotion)
    hidden: set[MergeBase] = set()
    if lower is not None and lower.kind == Kind.DIRECTORY and seen.kind == Kind.DIRECTORY:
        hidden = merge_bases.hidden_by(tx, chain, overlay.subtree(tx, chain, path), path)
    if seen.kind == Kind.DIRECTORY:
        layer.drop_below(tx, chain[0], path, deletion)
    if lower is not None:
        layer.make_parents(tx, chain[0], view, path, cause)
        origin = own.origin if own is not None else lower.version if lower.kind == Kind.FILE else None
        grave = layer.new_head(chain[0], path, Kind.WHITEOUT, origin=origin, tags=seen.tags or "[]")
        layer.store(tx, grave, own, deletion)
        merge_bases.store(tx, chain[0], hidden)
        if own is None and lower.kind == Kind.FILE:
            merge_bases.inherit(tx, chain[0], lower)
    elif own is not None:
        layer.drop(tx, own, deletion)


def _hiding(view: Overlay, path: str) -> Head | None:
    """Return the scope's own entry above a path that hides what lower scopes have there."""
    above = (view.own.get(parent) for parent in ancestors_of(path))
    return next((own for own in above if own is not None and own.blocks), None)


def _seen_before(tx: Transaction, scope_id: int, view: Overlay, path: str) -> Head | None:
    """Return the lower file that was seen at a path before the scope removed the directory around it."""
    hidden = view.find(path, above=1) if _hiding(view, path) else None
    if hidden is None or hidden.kind != Kind.FILE:
        return None
    return hidden if merge_bases.has_seen(tx, scope_id, path, hidden.version) else None
