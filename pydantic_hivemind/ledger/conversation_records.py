"""The rows of conversations: an id, and the last turn of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sqlalchemy import and_, delete, func, select, update

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.schema import conversations, turns

_AT = (conversations.c.scope_id == param("of_scope"), conversations.c.id == param("of_id"))

_INFO_COLUMNS = (
    conversations.c.id,
    conversations.c.title,
    func.coalesce(turns.c.position + 1, 0),
    conversations.c.updated_at,
    conversations.c.archived_at,
    conversations.c.created_at,
)
_WITH_TURNS = conversations.outerjoin(
    turns, and_(turns.c.scope_id == conversations.c.scope_id, turns.c.id == conversations.c.head)
)
_INFOS = Statement(
    lambda: (
        select(*_INFO_COLUMNS)
        .select_from(_WITH_TURNS)
        .where(conversations.c.scope_id == param("of_scope"))
        .order_by(conversations.c.id)
    )
)
_INFO = Statement(lambda: select(*_INFO_COLUMNS).select_from(_WITH_TURNS).where(*_AT))
_SET_TITLE = Statement(lambda: update(conversations).where(*_AT).values(title=param("new_title")))
_SET_ARCHIVED = Statement(lambda: update(conversations).where(*_AT).values(archived_at=param("new_archived_at")))
_HEAD = Statement(lambda: select(conversations.c.head).where(*_AT))
_END = Statement(
    lambda: select(conversations.c.head, func.coalesce(turns.c.position + 1, 0)).select_from(_WITH_TURNS).where(*_AT)
)
_UNKNOWN = ("title", "archived_at", "change")
_INSERT = Statement(lambda: insert_row(conversations, without=_UNKNOWN))
_UPDATE = Statement(
    lambda: update(conversations).where(*_AT).values(head=param("head"), updated_at=param("updated_at"))
)
_DELETE = Statement(lambda: delete(conversations).where(*_AT, conversations.c.title.is_(None)))


@dataclass(frozen=True)
class InfoRow:
    """A conversation without its messages.

    Attributes:
        id: Id of the conversation in its scope.
        title: Title for people, if it has one.
        messages: Number of messages.
        updated_at: Time of the last change of its messages, in seconds since the epoch.
        archived_at: Time at which it was put aside; `None` if it was not.
        created_at: Time at which it got its first message or title; `None` where an earlier version did not store it.
    """

    id: str
    title: str | None
    messages: int
    updated_at: float
    archived_at: float | None
    created_at: float | None


def infos(tx: Transaction, scope_id: int) -> list[InfoRow]:
    """Return a scope's conversations that have messages or a title, sorted by id."""
    return [InfoRow(*row) for row in tx.rows(_INFOS, {"of_scope": scope_id})]


def info(tx: Transaction, scope_id: int, id: str) -> InfoRow | None:
    """Return a conversation without its messages; `None` if it has neither messages nor a title."""
    rows = tx.rows(_INFO, {"of_scope": scope_id, "of_id": id})
    return InfoRow(*rows[0]) if rows else None


def set_title(tx: Transaction, scope_id: int, id: str, title: str | None) -> None:
    """Set the title of a conversation, which may have no messages yet."""
    at: dict[str, Value] = {"of_scope": scope_id, "of_id": id}
    if not tx.run(_SET_TITLE, {**at, "new_title": title}) and title is not None:
        now = tx.now()
        tx.run(_INSERT, {"scope_id": scope_id, "id": id, "head": None, "updated_at": now, "created_at": now})
        tx.run(_SET_TITLE, {**at, "new_title": title})


def set_archived(tx: Transaction, scope_id: int, id: str, archived_at: float | None) -> bool:
    """Set when a conversation was put aside, and return whether there is one."""
    return bool(tx.run(_SET_ARCHIVED, {"of_scope": scope_id, "of_id": id, "new_archived_at": archived_at}))


def head(tx: Transaction, scope_id: int, id: str) -> bytes | None:
    """Return the last turn of a conversation; `None` if it is empty."""
    rows = tx.rows(_HEAD, {"of_scope": scope_id, "of_id": id})
    return cast("bytes | None", rows[0][0]) if rows else None


def end(tx: Transaction, scope_id: int, id: str) -> tuple[bytes | None, int]:
    """Return the last turn of a conversation and its number of messages; `None` and 0 if it is empty."""
    rows = tx.rows(_END, {"of_scope": scope_id, "of_id": id})
    return cast("tuple[bytes | None, int]", tuple(rows[0])) if rows else (None, 0)


def set_head(tx: Transaction, scope_id: int, id: str, head: bytes | None) -> None:
    """Set the last turn of a conversation; `None` makes it empty, and removes it unless it has a title."""
    at: dict[str, Value] = {"of_scope": scope_id, "of_id": id}
    if head is None and tx.run(_DELETE, at):
        return
    now = tx.now()
    values: dict[str, Value] = {"head": head, "updated_at": now}
    if not tx.run(_UPDATE, at | values) and head is not None:
        tx.run(_INSERT, values | {"scope_id": scope_id, "id": id, "created_at": now})
