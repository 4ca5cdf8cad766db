"""Changing the tree of a scope. Every function works on the scope's own layer, inside a write transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Delete, delete, func, insert, literal, select, update

from pydantic_hivemind.errors import (
    FileTooLarge,
    InvalidPath,
    InvalidTag,
    IsADirectory,
    PathExists,
    PathNotFound,
    VersionConflict,
)
from pydantic_hivemind.ledger import tree
from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.schema import Kind, heads, versions
from pydantic_hivemind.ledger.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.tree import Chain, Head, View
from pydantic_hivemind.paths import ancestors_of, below, parent_of

KEPT_VERSIONS = 20
"""Versions kept of each path of a scope, beside those that a live child started from."""

MAX_FILE_BYTES = 256 << 20
"""Largest file, in bytes. A file is read and written whole, and SQLite ends at a gigabyte."""

MAX_TAGS = 64
"""Most tags of one file."""

MAX_TAG_CHARS = 128
"""Longest tag, in characters."""


@dataclass(frozen=True)
class Cause:
    """Why a version comes to be: what `history` shows of it."""

    action: str
    source: str | None = None
    promotion: str | None = None


_PATH = (heads.c.scope_id == param("scope_id"), heads.c.path == param("path"))

_INSERT_HEAD = Statement(lambda: insert_row(heads))
_UPDATE_HEAD = Statement(
    lambda: (
        update(heads)
        .where(heads.c.scope_id == param("of_scope"), heads.c.path == param("of_path"))
        .values(
            kind=param("kind"),
            opaque=param("opaque"),
            version=param("version"),
            origin=param("origin"),
        )
    )
)
_DELETE_HEAD = Statement(lambda: delete(heads).where(*_PATH))
_DELETE_BELOW = Statement(
    lambda: delete(heads).where(
        heads.c.scope_id == param("scope_id"), heads.c.path >= param("low"), heads.c.path < param("high")
    )
)
_SET_ORIGIN = Statement(
    lambda: (
        update(heads)
        .where(heads.c.scope_id == param("of_scope"), heads.c.path == param("of_path"))
        .values(origin=param("origin"))
    )
)
_INSERT_VERSION = Statement(lambda: insert_row(versions, numbered=True))
_BURY_BELOW = Statement(
    lambda: insert(versions).from_select(
        ["scope_id", "path", "action", "origin", "size", "tags", "source", "promotion", "created_at"],
        select(
            heads.c.scope_id,
            heads.c.path,
            param("action"),
            heads.c.origin,
            literal(0),
            versions.c.tags,
            param("source"),
            param("promotion"),
            param("now"),
        )
        .select_from(heads.join(versions, versions.c.id == heads.c.version))
        .where(
            heads.c.scope_id == param("scope_id"),
            heads.c.path >= param("low"),
            heads.c.path < param("high"),
            heads.c.kind == Kind.FILE.value,
        ),
    )
)
_NEWEST = Statement(lambda: select(func.coalesce(func.max(versions.c.id), 0)))


def _prune() -> Delete:
    of_path = (versions.c.scope_id == param("scope_id"), versions.c.path == param("path"))
    oldest_kept = (
        select(versions.c.id).where(*of_path).order_by(versions.c.id.desc()).limit(1).offset(KEPT_VERSIONS - 1)
    )
    needed = select(literal(1)).where(heads.c.origin == versions.c.id).exists()
    return delete(versions).where(*of_path, versions.c.id < oldest_kept.scalar_subquery(), ~needed)


_PRUNE = Statement(_prune)


def check_version(head: Head | None, expected: int | None, path: str) -> None:
    """Compare what is visible with what the caller expects; 0 stands for "no file".

    Raises:
        VersionConflict: They differ.
    """
    actual = head.version if head is not None and head.kind == Kind.FILE else 0
    if expected is not None and expected != actual:
        found = f"it is at version {actual}" if actual else "there is no file"
        wanted = f"version {expected}" if expected else "no file"
        raise VersionConflict(
            f"{path!r}: expected {wanted}, but {found}; read it again", expected=expected, actual=actual
        )


def tag_list(tags: str | Sequence[str]) -> list[str]:
    """Tags, or one tag, each once and sorted."""
    return [tags] if isinstance(tags, str) else sorted(set(tags))


def encode_tags(tags: str | Sequence[str]) -> str:
    """Tags as they are stored: a sorted JSON array.

    Raises:
        InvalidTag: Too many, too long, or empty.
    """
    unique = tag_list(tags)
    if len(unique) > MAX_TAGS or any(not 0 < len(tag) <= MAX_TAG_CHARS for tag in unique):
        raise InvalidTag(f"a file takes up to {MAX_TAGS} tags of 1 to {MAX_TAG_CHARS} characters")
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
    if len(data) > MAX_FILE_BYTES:
        raise FileTooLarge(f"{path!r} would have {len(data)} bytes; the most is {MAX_FILE_BYTES}")
    view.check_parents(path)
    seen = view.find(path)
    if seen is not None and seen.kind == Kind.DIRECTORY:
        raise IsADirectory(f"{path!r} is a directory, not a file")
    check_version(seen, expected_version, path)
    _make_parents(tx, chain[0], view, path)
    own = view.own.get(path)
    now = time.time()
    kept_tags = seen.tags if seen is not None else "[]"
    head = Head(
        scope_id=chain[0],
        path=path,
        kind=Kind.FILE,
        opaque=False,
        version=0,
        origin=_origin(view, path, seen),
        created_at=seen.created_at if seen is not None else now,
        size=len(data),
        tags=kept_tags if tags is None else encode_tags(tags),
        modified_at=now,
    )
    head = head._replace(version=_add_version(tx, head, cause, data))
    _store(tx, head, own)
    return head


def make_dir(tx: Transaction, chain: Chain, view: View, path: str, *, expected_version: int | None = None) -> None:
    """Make a directory and those above it; one that is there stays as it is."""
    if path == "/":
        return
    view.check_parents(path)
    seen = view.find(path)
    if seen is not None and seen.kind == Kind.FILE:
        raise PathExists(f"{path!r} is a file; remove it first")
    check_version(seen, expected_version, path)
    if seen is None:
        _make_parents(tx, chain[0], view, path)
        _make_directory(tx, chain[0], view, path)


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
    view = tree.entry(tx, chain, path)
    view.check_parents(path)
    seen = view.find(path)
    if seen is None:
        raise PathNotFound(f"there is no file or directory {path!r}")
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
    now = time.time()
    if seen.kind == Kind.DIRECTORY:
        low, high = below(path)
        span: dict[str, Value] = {"scope_id": chain[0], "low": low, "high": high}
        details: dict[str, Value] = {"source": cause.source, "promotion": cause.promotion, "now": now}
        tx.run(_BURY_BELOW, span | details | {"action": "delete"})
        tx.run(_DELETE_BELOW, span)
    if lower is None:
        if seen.kind == Kind.FILE:
            _add_version(tx, seen._replace(scope_id=chain[0], size=0, modified_at=now), _deletion(cause), None)
            tx.run(_PRUNE, {"scope_id": chain[0], "path": path})
        tx.run(_DELETE_HEAD, {"scope_id": chain[0], "path": path})
        return
    _make_parents(tx, chain[0], view, path)
    grave = Head(
        scope_id=chain[0],
        path=path,
        kind=Kind.WHITEOUT,
        opaque=False,
        version=0,
        origin=origin,
        created_at=now,
        size=0,
        tags=seen.tags or "[]",
        modified_at=now,
    )
    grave = grave._replace(version=_add_version(tx, grave, _deletion(cause), None))
    _store(tx, grave, own)


def drop_own(tx: Transaction, scope_id: int, path: str) -> None:
    """Let the lower scopes show through at a path, as if the scope had never changed it."""
    tx.run(_DELETE_HEAD, {"scope_id": scope_id, "path": path})


def set_origin(tx: Transaction, scope_id: int, path: str, origin: int | None) -> None:
    """Say what the scope's change of a path is a change of from now on."""
    tx.run(_SET_ORIGIN, {"of_scope": scope_id, "of_path": path, "origin": origin})


def _deletion(cause: Cause) -> Cause:
    return Cause("delete", cause.source, cause.promotion)


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
    view = tree.subtree(tx, chain, directory)
    newest = cast(int, tx.rows(_NEWEST, {})[0][0])
    for own in view.own.values():
        lower = view.find(own.path, above=1)
        changed = lower is not None and lower.kind == Kind.FILE and lower.version > (own.origin or 0)
        if lower is not None and changed and own.kind != Kind.DIRECTORY:
            newest = min(newest, lower.version - 1)
    return newest


def _add_version(tx: Transaction, head: Head, cause: Cause, data: bytes | None) -> int:
    values: dict[str, Value] = {
        "scope_id": head.scope_id,
        "path": head.path,
        "action": cause.action,
        "origin": head.origin,
        "size": head.size,
        "tags": head.tags,
        "source": cause.source,
        "promotion": cause.promotion,
        "created_at": head.modified_at,
        "data": data,
    }
    return cast(int, tx.rows(_INSERT_VERSION, values)[0][0])


def _store(tx: Transaction, head: Head, own: Head | None) -> None:
    """Make `head` the scope's own at its path, where `own` was."""
    if own is None:
        values: dict[str, Value] = {
            "scope_id": head.scope_id,
            "path": head.path,
            "parent": parent_of(head.path),
            "kind": int(head.kind),
            "opaque": head.opaque,
            "version": head.version,
            "origin": head.origin,
            "created_at": head.created_at,
        }
        tx.run(_INSERT_HEAD, values)
    else:
        values = {
            "of_scope": head.scope_id,
            "of_path": head.path,
            "kind": int(head.kind),
            "opaque": head.opaque,
            "version": head.version,
            "origin": head.origin,
        }
        tx.run(_UPDATE_HEAD, values)
    if head.kind != Kind.DIRECTORY:
        tx.run(_PRUNE, {"scope_id": head.scope_id, "path": head.path})


def _make_parents(tx: Transaction, scope_id: int, view: View, path: str) -> None:
    """Each scope holds every directory above what it holds, so that its layer is a tree by itself."""
    for parent in ancestors_of(path):
        _make_directory(tx, scope_id, view, parent)


def _make_directory(tx: Transaction, scope_id: int, view: View, path: str) -> None:
    own = view.own.get(path)
    if own is not None and own.kind == Kind.DIRECTORY:
        return
    # A directory made where one was removed hides what lower scopes have in it.
    head = Head(
        scope_id=scope_id,
        path=path,
        kind=Kind.DIRECTORY,
        opaque=own is not None,
        version=cast(int, None),
        origin=own.origin if own is not None else None,
        created_at=time.time(),
        size=0,
        tags="",
        modified_at=0,
    )
    _store(tx, head, own)
