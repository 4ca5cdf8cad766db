"""Changing the tree of a scope. Every function works on the scope's own layer, inside a write transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.errors import (
    FileTooLarge,
    InvalidPath,
    InvalidTag,
    IsADirectory,
    PathExists,
    PathNotFound,
    VersionConflict,
)
from pydantic_hivemind.ledger import history, layer, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.overlay import Chain, Head, View
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.limits import MAX_FILE_BYTES, MAX_TAG_CHARS, MAX_TAGS

MAKE_DIR = Cause("make_dir")


def check_version(head: Head | None, expected: int | None, path: str) -> None:
    """Compare what is visible with what the caller expects; 0 stands for "no file".

    Raises:
        VersionConflict: They differ.
    """
    actual = head.version if head is not None and head.kind == Kind.FILE else 0
    if expected is not None and expected != actual:
        found = f"it is at version {actual}" if actual else "it does not exist"
        wanted = f"version {expected}" if expected else "no file"
        raise VersionConflict(
            f"{path!r}: expected {wanted}, but {found}; read it again and repeat the change",
            expected=expected,
            actual=actual,
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
    view: View,
    path: str,
    data: bytes,
    cause: Cause,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: int | None = None,
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
    check_version(seen, expected_version, path)
    layer.make_parents(tx, chain[0], view, path, cause)
    head = layer.new_head(
        chain[0],
        path,
        Kind.FILE,
        origin=_origin(view, path, seen),
        tags=encode_tags(tags) if tags is not None else seen.tags if seen is not None else "[]",
        size=len(data),
    )
    if seen is not None:
        head = head._replace(created_at=seen.created_at)
    return layer.store(tx, head, view.own.get(path), cause, data)


def make_dir(
    tx: Transaction,
    chain: Chain,
    view: View,
    path: str,
    cause: Cause = MAKE_DIR,
    *,
    expected_version: int | None = None,
) -> None:
    """Make a directory and those above it; one that is there stays as it is."""
    if path == "/":
        return
    view.check_parents(path)
    seen = view.find(path)
    if seen is not None and seen.kind == Kind.FILE:
        raise PathExists(f"{path!r} is a file; remove it first")
    check_version(seen, expected_version, path)
    if seen is None:
        layer.make_parents(tx, chain[0], view, path, cause)
        layer.make_directory(tx, chain[0], view, path, cause)


def remove(
    tx: Transaction,
    chain: Chain,
    path: str,
    cause: Cause,
    *,
    expected_version: int | None = None,
) -> None:
    """Remove a file, or a directory and everything in it. What lower scopes have there is hidden."""
    if path == "/":
        raise InvalidPath("the root cannot be removed; remove what is in it, or destroy the scope")
    view = overlay.entry(tx, chain, path)
    view.check_parents(path)
    seen = view.find(path)
    if seen is None:
        raise PathNotFound(f"{path!r} does not exist")
    check_version(seen, expected_version, path)
    own = view.own.get(path)
    lower = None if _hiding(view, path) else view.find(path, above=1)
    origin = None
    if own is not None and own.blocks:
        origin = own.origin
    elif lower is not None and lower.kind == Kind.DIRECTORY:
        origin = _seen_until(tx, chain, path)
    elif lower is not None and own is None:
        origin = lower.version
    deletion = Cause("delete", cause.source, cause.promotion)
    if seen.kind == Kind.DIRECTORY:
        layer.drop_below(tx, chain[0], path, deletion)
    if lower is not None:
        layer.make_parents(tx, chain[0], view, path, cause)
        grave = layer.new_head(chain[0], path, Kind.WHITEOUT, origin=origin, tags=seen.tags or "[]")
        layer.store(tx, grave, own, deletion)
    elif own is not None:
        layer.drop(tx, own, deletion)


def _hiding(view: View, path: str) -> Head | None:
    """The scope's own entry above a path that hides what lower scopes have there."""
    above = (view.own.get(parent) for parent in ancestors_of(path))
    return next((own for own in above if own is not None and own.blocks), None)


def _origin(view: View, path: str, seen: Head | None) -> int | None:
    """The version that a scope's file at a path is a change of, which it keeps from the first change on."""
    own = view.own.get(path)
    if own is not None:
        return own.origin
    if seen is not None:
        return seen.version
    # The scope removed the directory around it, and had seen what was in it then.
    hiding = _hiding(view, path)
    hidden = view.find(path, above=1)
    if hiding is None or hidden is None or hidden.kind != Kind.FILE or hidden.version > (hiding.origin or 0):
        return None
    return hidden.version


def _seen_until(tx: Transaction, chain: Chain, directory: str) -> int:
    """The newest version number of the hive, or of what the scope has seen in a directory if that is less.

    What lower scopes changed behind the scope's own changes it has not seen.
    """
    view = overlay.subtree(tx, chain, directory)
    newest = history.newest(tx)
    layers = view.layers[1:] if view.own else ()
    for lower in (head for heads in layers for head in heads.values() if head.kind == Kind.FILE):
        # What the scope has in its place, or around it, from before it was written.
        around = (view.own.get(place) for place in ancestors_of(lower.path))
        hiding = (view.own.get(lower.path), *(own for own in around if own is not None and own.blocks))
        since = min((own.origin or 0 for own in hiding if own is not None), default=lower.version)
        if lower.path in view.own and lower.version < since:
            since = min(since, _made_of(tx, chain, lower))
        if lower.version > since:
            # Farther down it may have been there before, the same.
            past = history.states(tx, chain[1:], lower.path)
            unseen = [state.version for state in past if state.kind == Kind.FILE and state.version > since]
            newest = min(newest, *(version - 1 for version in unseen))
    return newest


def _made_of(tx: Transaction, chain: Chain, lower: Head) -> int:
    """The newest version that the scope's own file was ever made of, in the scope of a lower file or above; 0 for none.

    Once promoted past that one, it is made of what was received farther down, which says nothing of what is between.
    """
    nearer = chain[1 : chain.index(lower.scope_id) + 1]
    origins = {past.origin for past in history.states(tx, chain[:1], lower.path) if past.origin is not None}
    found = (history.one(tx, nearer, origin) for origin in origins)
    return max((made_of.version for made_of, _ in filter(None, found) if made_of.path == lower.path), default=0)
