"""Changing a scope's own layer set by set: many paths with few statements, as `layer` does it path by path."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from zlib import crc32

from sqlalchemy import (
    Boolean,
    Delete,
    LargeBinary,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert
from sqlalchemy.types import Float, Integer, Text
from typing_extensions import Unpack

from pydantic_hivemind.base.paths import parent_of
from pydantic_hivemind.ledger.columns import Key, Number
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.given_rows import Columns, batches, given, given_paths, paths_of, run
from pydantic_hivemind.ledger.engine.statements import Row, Statement, Value, param
from pydantic_hivemind.ledger.layer import NOT_NEEDED, Cause, note_horizon
from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.schema import Kind, heads, merge_bases, versions
from pydantic_hivemind.limits import KEPT_VERSIONS


class NewState(NamedTuple):
    """What a path becomes in a scope's own layer.

    Attributes:
        path: The path.
        kind: What the scope has there; `None` for nothing of its own.
        opaque: Whether it hides what lower scopes have under the path.
        origin: The merge base.
        size: Bytes of a file.
        tags: As they are stored.
        action: What `history` calls it.
        is_new: Whether the scope had nothing of its own there.
        created_at: Of a new head, when the file came to be; 0 for now.
        copied: The version that has the bytes of a file.
        data: The bytes, where no version has them.
        written_as: The version that says who wrote it.
    """

    path: str
    kind: Kind | None
    opaque: bool = False
    origin: int | None = None
    size: int = 0
    tags: str = "[]"
    action: str = ""
    is_new: bool = False
    created_at: float = 0.0
    copied: int | None = None
    data: bytes | None = None
    written_as: int | None = None


class KeptFile(NamedTuple):
    """A file of a scope's own that becomes a copy, and a change, of what a lower scope has."""

    path: str
    lower_id: int


_STATE: Columns = (
    ("path", Key),
    ("kind", Integer()),
    ("opaque", Boolean()),
    ("origin", Number),
    ("size", Number),
    ("tags", Text()),
    ("action", Text()),
    ("copied", Number),
    ("data", LargeBinary()),
    ("checksum", Number),
    ("written_as", Number),
)
_HEAD: Columns = (
    ("path", Key),
    ("parent", Key),
    ("kind", Integer()),
    ("opaque", Boolean()),
    ("version", Number),
    ("origin", Number),
    ("created_at", Float()),
)
_BASE: Columns = (("path", Key), ("head", Key), ("version", Number))


# Versions are numbered in the order of their paths: that in which PostgreSQL joins depends on how much others have.


def _insert_versions(count: int) -> ReturningInsert[Unpack[tuple[int, str]]]:
    rows = given(_STATE, count)
    copied, written = versions.alias("copied"), versions.alias("written")
    chosen = {
        "scope_id": bindparam("scope_id", type_=Number),
        "path": rows.c.path,
        "kind": rows.c.kind,
        "opaque": rows.c.opaque,
        "action": rows.c.action,
        "origin": rows.c.origin,
        "size": rows.c.size,
        "tags": rows.c.tags,
        "source": bindparam("source", type_=Text()),
        "promotion": bindparam("promotion", type_=Text()),
        "promoted": bindparam("promoted", type_=Integer()),
        "created_at": bindparam("now", type_=Float()),
        "data": func.coalesce(sql_cast(rows.c.data, LargeBinary()), copied.c.data),
        "checksum": func.coalesce(rows.c.checksum, copied.c.checksum),
        # Who wrote it in the source, if it comes from there.
        "actor": case((rows.c.written_as.is_(None), bindparam("actor", type_=Number)), else_=written.c.actor),
        "written_at": func.coalesce(written.c.written_at, written.c.created_at),
    }
    joined = rows.outerjoin(copied, copied.c.id == rows.c.copied).outerjoin(written, written.c.id == rows.c.written_as)
    found = select(*chosen.values()).select_from(joined).order_by(rows.c.path)
    return insert(versions).from_select(list(chosen), found).returning(versions.c.id, versions.c.path)


def _keep() -> Any:
    rows = given_paths()
    own, lower = heads.alias("own"), heads.alias("lower")
    received = versions.alias("received")
    chosen = {
        "scope_id": bindparam("scope_id", type_=Number),
        "path": lower.c.path,
        "kind": lower.c.kind,
        "opaque": lower.c.opaque,
        "action": bindparam("action", type_=Text()),
        "origin": own.c.origin,
        "size": received.c.size,
        "tags": received.c.tags,
        "created_at": bindparam("now", type_=Float()),
        "data": received.c.data,
        "checksum": received.c.checksum,
        "actor": received.c.actor,
        "written_at": received.c.written_at,
    }
    joined = (
        rows.join(own, (own.c.path == rows.c.value) & (own.c.scope_id == param("own_id")))
        .join(lower, (lower.c.path == rows.c.value) & (lower.c.scope_id == param("lower_id")))
        .join(received, received.c.id == lower.c.version)
    )
    found = select(*chosen.values()).select_from(joined).order_by(lower.c.path)
    return insert(versions).from_select(list(chosen), found)


def _received_bases() -> Any:
    rows, lower = given_paths(), heads.alias("lower")
    joined = rows.join(lower, (lower.c.path == rows.c.value) & (lower.c.scope_id == param("lower_id")))
    found = select(bindparam("scope_id", type_=Number), lower.c.path, lower.c.path, lower.c.version)
    return insert(merge_bases).from_select(["scope_id", "path", "head", "version"], found.select_from(joined))


def _insert_heads(count: int) -> Any:
    rows = given(_HEAD, count)
    names = [name for name, _ in _HEAD]
    return insert(heads).from_select(
        ["scope_id", *names], select(bindparam("scope_id", type_=Number), *(rows.c[name] for name in names))
    )


def _update_heads(count: int) -> Any:
    rows = given(_HEAD, count)
    return (
        update(heads)
        .where(heads.c.scope_id == param("of_scope"), heads.c.path == rows.c.path)
        .values({name: rows.c[name] for name in ("kind", "opaque", "version", "origin")})
    )


def _of_given() -> Any:
    return select(given_paths().c.value)


def _delete_heads() -> Delete:
    return delete(heads).where(heads.c.scope_id == param("of_scope"), heads.c.path.in_(_of_given()))


def _update_kept() -> Any:
    rows = given_paths()
    made = versions.alias("made")
    return (
        update(heads)
        .where(
            heads.c.scope_id == param("of_scope"),
            heads.c.path == rows.c.value,
            made.c.scope_id == param("of_scope"),
            made.c.path == rows.c.value,
            made.c.id > param("after"),
        )
        .values(kind=made.c.kind, opaque=made.c.opaque, version=made.c.id, origin=made.c.origin)
    )


def _full() -> Any:
    return (
        select(versions.c.path)
        .where(versions.c.scope_id == param("of_scope"), versions.c.path.in_(_of_given()))
        .group_by(versions.c.path)
        .having(func.count() > KEPT_VERSIONS)
    )


def _prune() -> ReturningDelete[Unpack[tuple[str]]]:
    other = versions.alias("other")
    oldest_kept = (
        select(other.c.id)
        .where(other.c.scope_id == versions.c.scope_id, other.c.path == versions.c.path)
        .order_by(other.c.id.desc())
        .limit(1)
        .offset(KEPT_VERSIONS - 1)
        .correlate(versions)
        .scalar_subquery()
    )
    of_paths = (versions.c.scope_id == param("of_scope"), versions.c.path.in_(_of_given()))
    return delete(versions).where(*of_paths, versions.c.id < oldest_kept, *NOT_NEEDED).returning(versions.c.path)


def _delete_bases() -> Delete:
    # Not of what the head hides, if it stands where a directory was.
    return delete(merge_bases).where(
        merge_bases.c.scope_id == param("of_scope"),
        merge_bases.c.path.in_(_of_given()),
        merge_bases.c.head == merge_bases.c.path,
    )


def _insert_bases(count: int) -> Any:
    rows = given(_BASE, count)
    return insert(merge_bases).from_select(
        ["scope_id", "path", "head", "version"],
        select(bindparam("scope_id", type_=Number), rows.c.path, rows.c.head, rows.c.version),
    )


_INSERT_VERSIONS: Statement[[int]] = Statement(_insert_versions)
_KEEP = Statement(_keep)
_INSERT_HEADS: Statement[[int]] = Statement(_insert_heads)
_UPDATE_HEADS: Statement[[int]] = Statement(_update_heads)
DELETE_HEADS = Statement(_delete_heads)
_UPDATE_KEPT = Statement(_update_kept)
_RECEIVED_BASES = Statement(_received_bases)
_FULL = Statement(_full)
_PRUNE = Statement(_prune)
_DELETE_BASES = Statement(_delete_bases)
_INSERT_BASES: Statement[[int]] = Statement(_insert_bases)


@dataclass(frozen=True)
class LoggedAs:
    """What all changes that a promotion makes in a scope have in common.

    Attributes:
        cause: From where they come.
        count: How many there are.
        after: A version number from before them.
        actor: Who promotes.
    """

    cause: Cause
    count: int
    after: int
    actor: int | None = None

    def values(self) -> dict[str, Value]:
        """Return it as columns of `versions`."""
        cause = self.cause
        return {"source": cause.source, "promotion": cause.promotion, "promoted": self.count, "now": time.time()}


def apply(tx: Transaction, scope_id: int, states: Sequence[NewState], logged: LoggedAs) -> None:
    """Make each path of a scope's own layer what it is to be, and log it; each state has an action of its own."""
    now = time.time()
    shared = {"scope_id": scope_id, "actor": logged.actor, **logged.values()}
    made: dict[str, int] = {}
    for batch in batches(_STATE, [_logged(state) for state in states]):
        rows = tx.rows(_INSERT_VERSIONS, shared | batch.values, batch.count)
        made.update((cast(str, path), cast(int, version)) for version, path in rows)
    kept = [state for state in states if state.kind is not None]
    run(tx, _INSERT_HEADS, _HEAD, [_head(state, made, now) for state in kept if state.is_new], scope_id=scope_id)
    run(tx, _UPDATE_HEADS, _HEAD, [_head(state, made, now) for state in kept if not state.is_new], of_scope=scope_id)
    gone = [state.path for state in states if state.kind is None]
    if gone:
        tx.run(DELETE_HEADS, {"paths": paths_of(gone), "of_scope": scope_id})
    prune(tx, scope_id, [state.path for state in states])


def keep(tx: Transaction, scope_id: int, files: Sequence[KeptFile], action: str, after: int) -> None:
    """Make files of a scope's own copies, and changes, of what lower scopes have at their paths, and of nothing else.

    `after` is a version number from before the transaction.
    """
    for lower_id in {file.lower_id for file in files}:
        paths = [file.path for file in files if file.lower_id == lower_id]
        places: dict[str, Value] = {"paths": paths_of(paths), "scope_id": scope_id, "lower_id": lower_id}
        own: dict[str, Value] = {"paths": paths_of(paths), "of_scope": scope_id}
        tx.run(_KEEP, {**places, "own_id": scope_id, "action": action, "now": time.time()})
        tx.run(_UPDATE_KEPT, {**own, "after": after})
        tx.run(_DELETE_BASES, own)
        tx.run(_RECEIVED_BASES, places)
        prune(tx, scope_id, paths)


def add_bases(tx: Transaction, scope_id: int, rows: Sequence[MergeBase]) -> None:
    """Add rows of `merge_bases` that are not there yet."""
    run(tx, _INSERT_BASES, _BASE, rows, scope_id=scope_id)


def prune(tx: Transaction, scope_id: int, paths: Sequence[str]) -> None:
    """Remove the oldest versions of some paths, and note up to where their past is not known any more."""
    if not paths:
        return
    # Nearly always no path has too many, which is found at half the cost of a deletion that deletes nothing.
    full = [cast(str, row[0]) for row in tx.rows(_FULL, {"paths": paths_of(paths), "of_scope": scope_id})]
    if full:
        pruned = tx.rows(_PRUNE, {"paths": paths_of(full), "of_scope": scope_id})
        for path in sorted({cast(str, row[0]) for row in pruned}):
            note_horizon(tx, scope_id, path)


def _logged(state: NewState) -> Row:
    return (
        state.path,
        None if state.kind is None else int(state.kind),
        state.opaque,
        state.origin,
        state.size,
        state.tags,
        state.action,
        state.copied,
        state.data,
        None if state.data is None else crc32(state.data),
        state.written_as,
    )


def _head(state: NewState, made: dict[str, int], now: float) -> Row:
    assert state.kind is not None
    version = None if state.kind == Kind.DIRECTORY else made[state.path]
    created_at = state.created_at or now
    return (state.path, parent_of(state.path), int(state.kind), state.opaque, version, state.origin, created_at)
