"""Message histories: rows of turns that share their beginnings, and the messages they are made of.

A turn's id is the hash of the id before it and of its message, so it names a whole history, and where it is
stored everything before it is stored too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, and_, delete, literal, or_, select
from typing_extensions import Unpack

from pydantic_hivemind.ledger.database import Transaction
from pydantic_hivemind.ledger.schema import checkpoints, conversations, messages, turns
from pydantic_hivemind.ledger.statements import Statement, Value, fill, insert_row, param, slots

HASH_BYTES = 16
"""Length of the hashes that messages and turns are known by: no two of 2**60 collide by chance."""

LOOKUP_BATCH = 200
"""Turns that are looked for in one query, when a history is stored that no earlier save has prepared."""


@dataclass(frozen=True)
class Turn:
    """One step of a history, ready to be stored."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes
    position: int


class Stored(NamedTuple):
    """One step of a history, as it was stored."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes


def step(previous: bytes | None, position: int, data: bytes) -> Turn:
    """The turn that adds a message to a history."""
    message = blake2b(data, digest_size=HASH_BYTES).digest()
    id = blake2b((previous or b"") + message, digest_size=HASH_BYTES).digest()
    return Turn(id, previous, message, data, position)


_SCOPE = param("scope_id")

_FOUND: Statement[[int]] = Statement(
    lambda count: select(turns.c.id).where(turns.c.scope_id == _SCOPE, turns.c.id.in_(slots("id", count)))
)
_HAS_MESSAGE = Statement(
    lambda: select(literal(1)).where(messages.c.scope_id == _SCOPE, messages.c.hash == param("hash"))
)
_INSERT_TURN = Statement(lambda: insert_row(turns))
_INSERT_MESSAGE = Statement(lambda: insert_row(messages))
_POSITION = Statement(lambda: select(turns.c.position).where(turns.c.scope_id == _SCOPE, turns.c.id == param("id")))


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

_TURN = Statement(
    lambda: select(turns.c.previous, turns.c.message).where(turns.c.scope_id == _SCOPE, turns.c.id == param("id"))
)


def _needed() -> Select[Unpack[tuple[Any, ...]]]:
    """Whether anything ends at a turn or goes on from it."""
    id = param("id")
    ends = [
        select(literal(1)).where(table.c.scope_id == _SCOPE, table.c.head == id).exists()
        for table in (checkpoints, conversations)
    ]
    goes_on = select(literal(1)).where(turns.c.scope_id == _SCOPE, turns.c.previous == id).exists()
    return select(literal(1)).where(or_(*ends, goes_on))


_NEEDED = Statement(_needed)
_DELETE_TURN = Statement(lambda: delete(turns).where(turns.c.scope_id == _SCOPE, turns.c.id == param("id")))
_DELETE_MESSAGE = Statement(
    lambda: delete(messages).where(
        messages.c.scope_id == _SCOPE,
        messages.c.hash == param("hash"),
        ~select(literal(1)).where(turns.c.scope_id == _SCOPE, turns.c.message == param("hash")).exists(),
    )
)


def known(tx: Transaction, scope_id: int, id: bytes) -> bool:
    """Whether the history that ends with a turn is stored."""
    return bool(tx.rows(_FOUND, {"scope_id": scope_id} | fill("id", [id]), 1))


def store(tx: Transaction, scope_id: int, history: Sequence[Turn]) -> None:
    """Store the turns of a history that are not stored yet, given in order."""
    first = 0
    end = len(history)
    while end > 0 and first == 0:
        start = max(0, end - LOOKUP_BATCH)
        batch = history[start:end]
        rows = tx.rows(_FOUND, {"scope_id": scope_id} | fill("id", [turn.id for turn in batch]), len(batch))
        found = {row[0] for row in rows}
        if found:
            first = 1 + max(index for index in range(start, end) if history[index].id in found)
        end = start
    for turn in history[first:]:
        values: dict[str, Value] = {"scope_id": scope_id, "hash": turn.message, "data": turn.data}
        if not tx.rows(_HAS_MESSAGE, values):
            tx.run(_INSERT_MESSAGE, values)
        values = {
            "scope_id": scope_id,
            "id": turn.id,
            "previous": turn.previous,
            "message": turn.message,
            "position": turn.position,
        }
        tx.run(_INSERT_TURN, values)


def position(tx: Transaction, scope_id: int, id: bytes) -> int:
    """How many turns come before one."""
    return cast(int, tx.rows(_POSITION, {"scope_id": scope_id, "id": id})[0][0])


def load(tx: Transaction, scope_id: int, heads: Iterable[bytes]) -> list[Stored]:
    """Every turn of the histories that end with `heads`, earlier ones first, each once."""
    wanted = sorted(set(heads))
    if not wanted:
        return []
    values: dict[str, Value] = {"scope_id": scope_id, **fill("head", wanted)}
    return [Stored(*row) for row in tx.rows(_HISTORY, values, len(wanted))]


def forget(tx: Transaction, scope_id: int, head: bytes | None) -> None:
    """Delete the end of a history that nothing uses any more, back to where others join it."""
    while head is not None:
        at: dict[str, Value] = {"scope_id": scope_id, "id": head}
        if tx.rows(_NEEDED, at):
            return
        rows = tx.rows(_TURN, at)
        if not rows:
            return
        previous, message = cast("tuple[bytes | None, bytes]", rows[0])
        tx.run(_DELETE_TURN, at)
        tx.run(_DELETE_MESSAGE, {"scope_id": scope_id, "hash": message})
        head = previous
