"""A scope's own layer: the heads it has itself, and the log of what each of its paths was.

Every change of a head adds a row to `versions` that says what the path is in this scope from then on: a file, a
directory, a whiteout, or nothing of its own. So the newest row of a path is the state of its head, and the one
before it is what a change can be taken back to.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast
from zlib import crc32

from sqlalchemy import Delete, ScalarSelect, bindparam, delete, false, func, insert, literal, null, select, update

from pydantic_hivemind.base.paths import ancestors_of, below, parent_of
from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.columns import Key, Number
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.overlay import Head, Overlay
from pydantic_hivemind.ledger.schema import Kind, heads, horizons, merge_bases, versions
from pydantic_hivemind.limits import KEPT_VERSIONS


@dataclass(frozen=True)
class Cause:
    """Why a version comes to be: what `history` shows of it."""

    action: str
    source: str | None = None
    promotion: str | None = None


_PATH = (heads.c.scope_id == param("scope_id"), heads.c.path == param("path"))
_OF_PATH = (heads.c.scope_id == param("of_scope"), heads.c.path == param("of_path"))
_BELOW = (heads.c.scope_id == param("scope_id"), heads.c.path >= param("low"), heads.c.path < param("high"))

_INSERT_HEAD = Statement(lambda: insert_row(heads))
_UPDATE_HEAD = Statement(
    lambda: (
        update(heads)
        .where(*_OF_PATH)
        .values(
            kind=param("kind"),
            opaque=param("opaque"),
            version=param("version"),
            origin=param("origin"),
        )
    )
)
_DELETE_HEAD = Statement(lambda: delete(heads).where(*_PATH))
_DELETE_BELOW = Statement(lambda: delete(heads).where(*_BELOW))
_INSERT_VERSION = Statement(lambda: insert_row(versions, numbered=True, without=("written_at",)))
_BURY_BELOW = Statement(
    lambda: insert(versions).from_select(
        ["scope_id", "path", "kind", "opaque", "action", "size", "tags", "source", "promotion", "created_at", "actor"],
        select(
            heads.c.scope_id,
            heads.c.path,
            null(),
            false(),
            param("action"),
            literal(0),
            func.coalesce(versions.c.tags, "[]"),
            param("source"),
            param("promotion"),
            param("now"),
            # PostgreSQL is told its type: in a list of results it cannot guess it.
            bindparam("actor", type_=Number),
        )
        .select_from(heads.outerjoin(versions, versions.c.id == heads.c.version))
        .where(*_BELOW),
    )
)


NOT_NEEDED = (
    ~select(literal(1)).where(heads.c.origin == versions.c.id).exists(),
    ~select(literal(1)).where(merge_bases.c.version == versions.c.id).exists(),
)
"""Of a version that may be pruned: nothing began with it."""


def _oldest_kept() -> ScalarSelect[int]:
    of_path = (versions.c.scope_id == param("scope_id"), versions.c.path == param("path"))
    newest_first = select(versions.c.id).where(*of_path).order_by(versions.c.id.desc())
    return newest_first.limit(1).offset(KEPT_VERSIONS - 1).scalar_subquery()


def _prune() -> Delete:
    of_path = (versions.c.scope_id == param("scope_id"), versions.c.path == param("path"))
    return delete(versions).where(*of_path, versions.c.id < _oldest_kept(), *NOT_NEEDED)


_PRUNE = Statement(_prune)
_SET_HORIZON = Statement(
    lambda: (
        update(horizons)
        .where(horizons.c.scope_id == param("scope_id"), horizons.c.path == param("path"))
        .values(version=_oldest_kept() - 1)
    )
)
_INSERT_HORIZON = Statement(
    lambda: insert(horizons).from_select(
        ["scope_id", "path", "version"],
        # PostgreSQL is told their types: in a list of results it cannot guess them.
        select(bindparam("of_scope", type_=Number), bindparam("of_path", type_=Key), _oldest_kept() - 1),
    )
)


def store(tx: Transaction, head: Head, own: Head | None, cause: Cause, data: bytes | None = None) -> Head:
    """Make `head` the scope's own at its path, where `own` was; it comes back with its version."""
    version = _log(tx, head, head.kind, cause, data)
    # A directory has no version of its own: what is in it does.
    head = head._replace(version=cast(int, None) if head.kind == Kind.DIRECTORY else version)
    changed: dict[str, Value] = {
        "kind": int(head.kind),
        "opaque": head.opaque,
        "version": head.version,
        "origin": head.origin,
    }
    if own is None:
        place: dict[str, Value] = {
            "scope_id": head.scope_id,
            "path": head.path,
            "parent": parent_of(head.path),
            "created_at": head.created_at,
        }
        tx.run(_INSERT_HEAD, place | changed)
    else:
        tx.run(_UPDATE_HEAD, {"of_scope": head.scope_id, "of_path": head.path} | changed)
    _prune_path(tx, head)
    return head


def drop(tx: Transaction, own: Head, cause: Cause) -> None:
    """Let the lower scopes show through where the scope had something of its own."""
    gone = own._replace(opaque=False, origin=None, size=0, modified_at=time.time())
    _log(tx, gone, None, cause, None)
    tx.run(_DELETE_HEAD, {"scope_id": own.scope_id, "path": own.path})
    _prune_path(tx, own)


def drop_below(tx: Transaction, scope_id: int, directory: str, cause: Cause) -> None:
    """Drop everything that the scope has itself in a directory."""
    low, high = below(directory)
    span: dict[str, Value] = {"scope_id": scope_id, "low": low, "high": high}
    details: dict[str, Value] = {
        "action": cause.action,
        "source": cause.source,
        "promotion": cause.promotion,
        "now": time.time(),
        "actor": actor_records.current_id(tx),
    }
    tx.run(_BURY_BELOW, span | details)
    tx.run(_DELETE_BELOW, span)


def make_parents(tx: Transaction, scope_id: int, view: Overlay, path: str, cause: Cause) -> None:
    """Each scope holds every directory above what it holds, so that its layer is a tree by itself."""
    for parent in ancestors_of(path):
        make_directory(tx, scope_id, view, parent, cause)


def make_directory(tx: Transaction, scope_id: int, view: Overlay, path: str, cause: Cause) -> None:
    """Make a directory of the scope's own, if it has none there."""
    own = view.own.get(path)
    if own is not None and own.kind == Kind.DIRECTORY:
        return
    # A directory made where one was removed hides what lower scopes have in it.
    head = new_head(
        scope_id, path, Kind.DIRECTORY, opaque=own is not None, origin=own.origin if own is not None else None
    )
    store(tx, head, own, cause)


def new_head(
    scope_id: int, path: str, kind: Kind, *, opaque: bool = False, origin: int | None, tags: str = "[]", size: int = 0
) -> Head:
    """A head as of now, without a version."""
    now = time.time()
    return Head(scope_id, path, kind, opaque, 0, origin, now, size, tags, now)


def _log(tx: Transaction, head: Head, kind: Kind | None, cause: Cause, data: bytes | None) -> int:
    values: dict[str, Value] = {
        "scope_id": head.scope_id,
        "path": head.path,
        "kind": None if kind is None else int(kind),
        "opaque": head.opaque,
        "action": cause.action,
        "origin": head.origin,
        "size": head.size,
        "tags": head.tags or "[]",
        "source": cause.source,
        "promotion": cause.promotion,
        "promoted": None,
        "created_at": head.modified_at,
        "data": data,
        "checksum": None if data is None else crc32(data),
        "actor": actor_records.current_id(tx),
    }
    return cast(int, tx.rows(_INSERT_VERSION, values)[0][0])


def _prune_path(tx: Transaction, head: Head) -> None:
    """Remove the oldest versions of a path, and note up to where its past is not known any more."""
    if tx.run(_PRUNE, {"scope_id": head.scope_id, "path": head.path}):
        note_horizon(tx, head.scope_id, head.path)


def note_horizon(tx: Transaction, scope_id: int, path: str) -> None:
    """Note up to where the past of a path, of which versions were pruned, is not known any more."""
    at: dict[str, Value] = {"scope_id": scope_id, "path": path}
    if not tx.run(_SET_HORIZON, at):
        tx.run(_INSERT_HORIZON, {**at, "of_scope": scope_id, "of_path": path})
