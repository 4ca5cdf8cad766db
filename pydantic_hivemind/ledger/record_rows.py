"""The rows of records: small things that features keep in a scope, by kind and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select
from typing_extensions import Unpack

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, fill, insert_row, param, slots
from pydantic_hivemind.ledger.schema import records

KEYS_PER_QUERY = 500
"""Number of records found in one query; databases limit its parameters, SQLite to 32,766."""


@dataclass(frozen=True)
class RecordRow:
    """A record as it is stored.

    Attributes:
        key: Unique in its scope and kind.
        position: Order within the kind.
        owner: What else it is found by.
        changed_at: Time of the last change, in seconds since the epoch.
        expires_at: Time from which on it counts as missing; `None` for never.
        data: Content.
    """

    key: str
    position: int | None
    owner: str | None
    changed_at: float
    expires_at: float | None
    data: bytes


_COLUMNS = [records.c[name] for name in RecordRow.__dataclass_fields__]
_OF_KIND = and_(records.c.scope_id == param("of_scope"), records.c.kind == param("of_kind"))
_OF_OWNER = records.c.owner == param("of_owner")
_LIVE = or_(records.c.expires_at.is_(None), records.c.expires_at > param("now"))
_EXPIRED = records.c.expires_at <= param("now")


def _select(*where: ColumnElement[bool]) -> Select[Unpack[tuple[Any, ...]]]:
    return select(*_COLUMNS).where(_OF_KIND, _LIVE, *where).order_by(records.c.position, records.c.key)


def _select_all() -> Select[Unpack[tuple[Any, ...]]]:
    return _select()


def _select_keys(count: int) -> Select[Unpack[tuple[Any, ...]]]:
    return _select(records.c.key.in_(slots("key", count)))


_FIND = Statement(_select_keys)
_LIST = Statement(_select_all)
_LIST_OF_OWNER = Statement(lambda: _select(_OF_OWNER))
_NEXT = Statement(lambda: select(func.coalesce(func.max(records.c.position) + 1, 0)).where(_OF_KIND))
_NEXT_OF_OWNER = Statement(
    lambda: select(func.coalesce(func.max(records.c.position) + 1, 0)).where(_OF_KIND, _OF_OWNER)
)
_INSERT = Statement(lambda: insert_row(records))
_DELETE = Statement(lambda: delete(records).where(_OF_KIND, records.c.key == param("of_key")))
_DELETE_OF_OWNER = Statement(lambda: delete(records).where(_OF_KIND, _OF_OWNER))
_DELETE_EXPIRED = Statement(lambda: delete(records).where(_OF_KIND, _EXPIRED))


def find(tx: Transaction, scope_id: int, kind: str, keys: Sequence[str], now: float) -> dict[str, RecordRow]:
    """Return the records of some keys, by key, without those that are missing or expired."""
    found: dict[str, RecordRow] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        part = keys[start : start + KEYS_PER_QUERY]
        values = {"of_scope": scope_id, "of_kind": kind, "now": now, **fill("key", part)}
        found.update((row[0], RecordRow(*row)) for row in tx.rows(_FIND, values, len(part)))
    return found


def listing(tx: Transaction, scope_id: int, kind: str, owner: str | None, now: float) -> list[RecordRow]:
    """Return the records of a kind, or those of an owner, in their order, without expired ones."""
    values = {"of_scope": scope_id, "of_kind": kind, "now": now}
    if owner is None:
        return [RecordRow(*row) for row in tx.rows(_LIST, values)]
    return [RecordRow(*row) for row in tx.rows(_LIST_OF_OWNER, {**values, "of_owner": owner})]


def next_position(tx: Transaction, scope_id: int, kind: str, owner: str | None) -> int:
    """Return the position of a record that is appended to those of a kind, or of an owner."""
    values = {"of_scope": scope_id, "of_kind": kind}
    if owner is None:
        return tx.rows(_NEXT, values)[0][0]
    return tx.rows(_NEXT_OF_OWNER, {**values, "of_owner": owner})[0][0]


def put(tx: Transaction, scope_id: int, kind: str, row: RecordRow) -> None:
    """Store a record; one of the same key is replaced."""
    remove(tx, scope_id, kind, row.key)
    tx.run(_INSERT, {"scope_id": scope_id, "kind": kind, **vars(row)})


def remove(tx: Transaction, scope_id: int, kind: str, key: str) -> None:
    """Delete a record, if it exists."""
    tx.run(_DELETE, {"of_scope": scope_id, "of_kind": kind, "of_key": key})


def remove_of_owner(tx: Transaction, scope_id: int, kind: str, owner: str) -> None:
    """Delete the records of an owner."""
    tx.run(_DELETE_OF_OWNER, {"of_scope": scope_id, "of_kind": kind, "of_owner": owner})


def remove_expired(tx: Transaction, scope_id: int, kind: str, now: float) -> None:
    """Delete the records of a kind that have expired."""
    tx.run(_DELETE_EXPIRED, {"of_scope": scope_id, "of_kind": kind, "now": now})
