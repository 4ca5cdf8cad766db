"""Message histories: chains of turns with shared beginnings, and their messages.

A turn's id is the hash of the previous turn's id and its message, so it identifies a whole history, and if it is
stored, all turns before it are stored too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, and_, delete, literal, or_, select, tuple_
from sqlalchemy.sql.dml import ReturningDelete
from typing_extensions import Unpack

from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, fill, insert_row, param, slots
from pydantic_hivemind.ledger.schema import checkpoints, conversations, messages, turns

HASH_BYTES = 16
"""Length of the hashes of messages and turns, in bytes: the chance of a collision among 2**60 is negligible."""

HEADS_PER_QUERY = 200
"""Number of histories loaded in one query; databases limit its parameters, SQLite to 32,766."""


MESSAGES_PER_QUERY = 500
"""Number of messages read in one query when all are read."""


class Turn(NamedTuple):
    """One turn of a history, before it is stored."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes
    position: int


class Stored(NamedTuple):
    """One turn of a history, as it is stored."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes


def step(previous: bytes | None, position: int, data: bytes) -> Turn:
    """Return the turn that appends a message to a history."""
    message = blake2b(data, digest_size=HASH_BYTES).digest()
    id = blake2b((previous or b"") + message, digest_size=HASH_BYTES).digest()
    return Turn(id, previous, message, data, position)


def follow(previous: bytes | None, position: int, messages: Iterable[bytes]) -> list[Turn]:
    """Return the turns that append messages to a history."""
    added: list[Turn] = []
    for data in messages:
        added.append(step(previous, position + len(added), data))
        previous = added[-1].id
    return added


_SCOPE = param("scope_id")
_AT = (turns.c.scope_id == _SCOPE, turns.c.id == param("id"))

_POSITION = Statement(lambda: select(turns.c.position).where(*_AT))
_HAS_MESSAGE = Statement(
    lambda: select(literal(1)).where(messages.c.scope_id == _SCOPE, messages.c.hash == param("hash"))
)
_INSERT_TURN = Statement(lambda: insert_row(turns))
_INSERT_MESSAGE = Statement(lambda: insert_row(messages, without=("instructions", "uses")))


_PAGE = Statement(
    lambda: (
        select(messages.c.scope_id, messages.c.hash, messages.c.data)
        .where(tuple_(messages.c.scope_id, messages.c.hash) > tuple_(param("after_scope"), param("after_hash")))
        .order_by(messages.c.scope_id, messages.c.hash)
        .limit(param("limit"))
    )
)


def _history(heads: int) -> Select[Unpack[tuple[Any, ...]]]:
    of_scope = turns.c.scope_id == _SCOPE
    reached = (
        select(turns.c.id, turns.c.previous, turns.c.message, turns.c.position)
        .where(of_scope, turns.c.id.in_(slots("head", heads)))
        .cte("reached", recursive=True)
    )
    before = select(turns.c.id, turns.c.previous, turns.c.message, turns.c.position).where(
        of_scope, turns.c.id == reached.c.previous
    )
    reached = reached.union(before)
    stored = and_(messages.c.scope_id == _SCOPE, messages.c.hash == reached.c.message)
    return (
        select(reached.c.id, reached.c.previous, reached.c.message, messages.c.data)
        .select_from(reached.join(messages, stored))
        .order_by(reached.c.position)
    )


_HISTORY: Statement[[int]] = Statement(_history)


def _drop() -> ReturningDelete[Unpack[tuple[Any, ...]]]:
    """Delete a turn, unless it is the end of a history or another turn follows it."""
    next = turns.alias("next")
    uses = [
        select(literal(1)).where(table.c.scope_id == _SCOPE, column == param("id")).exists()
        for table, column in (
            (checkpoints, checkpoints.c.head),
            (conversations, conversations.c.head),
            (next, next.c.previous),
        )
    ]
    return delete(turns).where(*_AT, ~or_(*uses)).returning(turns.c.previous, turns.c.message)


_DROP = Statement(_drop)
_DELETE_MESSAGE = Statement(
    lambda: delete(messages).where(
        messages.c.scope_id == _SCOPE,
        messages.c.hash == param("hash"),
        ~select(literal(1)).where(turns.c.scope_id == _SCOPE, turns.c.message == param("hash")).exists(),
    )
)


def store(tx: Transaction, scope_id: int, history: Sequence[Turn]) -> None:
    """Store the turns of a history that are not stored yet, in order; the cost is proportional to their number."""
    fresh: list[Turn] = []
    for turn in reversed(history):
        if position(tx, scope_id, turn.id) is not None:
            break
        fresh.append(turn)
    for turn in reversed(fresh):
        values: dict[str, Value] = {"scope_id": scope_id, "hash": turn.message, "data": turn.data}
        if not tx.rows(_HAS_MESSAGE, values):
            tx.run(_INSERT_MESSAGE, values)
        values = {
            "scope_id": scope_id,
            "id": turn.id,
            "previous": turn.previous,
            "message": turn.message,
            "position": turn.position,
            "actor": actor_records.current_id(tx),
            "created_at": time.time(),
        }
        tx.run(_INSERT_TURN, values)


def position(tx: Transaction, scope_id: int, id: bytes) -> int | None:
    """Return the number of turns before one; `None` if it is not stored."""
    rows = tx.rows(_POSITION, {"scope_id": scope_id, "id": id})
    return rows[0][0] if rows else None


def load(tx: Transaction, scope_id: int, heads: Iterable[bytes]) -> dict[bytes, Stored]:
    """Return every turn of the histories that end with `heads`, by id, those of a history in order."""
    wanted = sorted(set(heads))
    loaded: dict[bytes, Stored] = {}
    for start in range(0, len(wanted), HEADS_PER_QUERY):
        batch = wanted[start : start + HEADS_PER_QUERY]
        values: dict[str, Value] = {"scope_id": scope_id, **fill("head", batch)}
        for row in tx.rows(_HISTORY, values, len(batch)):
            turn = Stored(*row)
            loaded[turn.id] = turn
    return loaded


def every_message(tx: Transaction) -> Iterator[bytes]:
    """Yield the messages of all scopes."""
    after: tuple[Value, Value] = (-1, b"")
    while rows := tx.rows(_PAGE, {"after_scope": after[0], "after_hash": after[1], "limit": MESSAGES_PER_QUERY}):
        yield from (cast(bytes, data) for _, _, data in rows)
        after = rows[-1][0], rows[-1][1]


def forget(tx: Transaction, scope_id: int, head: bytes | None) -> None:
    """Delete the end of a history that is not used any more, back to where other histories join it."""
    while head is not None:
        dropped = tx.rows(_DROP, {"scope_id": scope_id, "id": head})
        if not dropped:
            return
        head, message = dropped[0]
        tx.run(_DELETE_MESSAGE, {"scope_id": scope_id, "hash": message})
