"""The rows of conversations: an id, and the last turn of the history."""

from __future__ import annotations

import time
from typing import cast

from sqlalchemy import delete, select, update

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.schema import conversations

_AT = (conversations.c.scope_id == param("of_scope"), conversations.c.id == param("of_id"))

_IDS = Statement(
    lambda: select(conversations.c.id).where(conversations.c.scope_id == param("scope_id")).order_by(conversations.c.id)
)
_HEAD = Statement(lambda: select(conversations.c.head).where(*_AT))
_UNKNOWN = ("title", "archived_at", "created_at", "change")
_INSERT = Statement(lambda: insert_row(conversations, without=_UNKNOWN))
_UPDATE = Statement(
    lambda: update(conversations).where(*_AT).values(head=param("head"), updated_at=param("updated_at"))
)
_DELETE = Statement(lambda: delete(conversations).where(*_AT))


def ids(tx: Transaction, scope_id: int) -> list[str]:
    """Return the ids of a scope's conversations that are not empty, sorted."""
    return [cast(str, row[0]) for row in tx.rows(_IDS, {"scope_id": scope_id})]


def head(tx: Transaction, scope_id: int, id: str) -> bytes | None:
    """Return the last turn of a conversation; `None` if it is empty."""
    rows = tx.rows(_HEAD, {"of_scope": scope_id, "of_id": id})
    return cast("bytes | None", rows[0][0]) if rows else None


def set_head(tx: Transaction, scope_id: int, id: str, head: bytes | None) -> None:
    """Set the last turn of a conversation; `None` makes it empty."""
    at: dict[str, Value] = {"of_scope": scope_id, "of_id": id}
    if head is None:
        tx.run(_DELETE, at)
        return
    values: dict[str, Value] = {"head": head, "updated_at": time.time()}
    if not tx.run(_UPDATE, at | values):
        tx.run(_INSERT, values | {"scope_id": scope_id, "id": id})
