"""Message histories: chains of turns with shared beginnings, and their messages.

A turn's id is the hash of the previous turn's id and its message, so it identifies a whole history, and if it is
stored, all turns before it are stored too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, and_, delete, literal, or_, select, true
from sqlalchemy.sql.dml import ReturningDelete
from typing_extensions import Unpack

from pydantic_hivemind.ledger import actor_records, message_rows
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, fill, insert_row, param, slots
from pydantic_hivemind.ledger.message_rows import hashed
from pydantic_hivemind.ledger.schema import checkpoints, conversations, messages, turns

HEADS_PER_QUERY = (1, 8, 200)
"""Numbers of histories loaded in the first queries and the others: the first are likely to contain the others."""

END = 2**31 - 1
"""A position behind every turn."""


class Turn(NamedTuple):
    """One turn of a history, as it is to be stored; without data if it was when it was loaded, and likely still is."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes | None
    position: int


class Stored(NamedTuple):
    """One turn of a history, as it is stored: the instructions are apart from the message where many share them."""

    id: bytes
    previous: bytes | None
    message: bytes
    data: bytes
    instructions: bytes | None

    @property
    def json(self) -> bytes:
        """The whole message."""
        return message_rows.joined(self.data, self.instructions)


def step(previous: bytes | None, position: int, data: bytes) -> Turn:
    """Return the turn that appends a message to a history."""
    return step_again(previous, position, hashed(data), data)


def step_again(previous: bytes | None, position: int, message: bytes, data: bytes | None) -> Turn:
    """Return the turn that appends a message whose hash is known."""
    return Turn(hashed((previous or b"") + message), previous, message, data, position)


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
_POSITIONS: Statement[[int]] = Statement(
    lambda count: select(turns.c.position).where(turns.c.scope_id == _SCOPE, turns.c.id.in_(slots("id", count)))
)
_INSERT_TURN = Statement(lambda: insert_row(turns))


def _history(heads: int, *, laterally: bool = False) -> Select[Unpack[tuple[Any, ...]]]:
    of_scope = and_(turns.c.scope_id == _SCOPE, turns.c.position >= param("least"))
    reached = (
        select(turns.c.id, turns.c.previous, turns.c.message, turns.c.position)
        .where(of_scope, turns.c.id.in_(slots("head", heads)))
        .cte("reached", recursive=True)
    )
    before = select(turns.c.id, turns.c.previous, turns.c.message, turns.c.position).where(
        of_scope, turns.c.id == reached.c.previous
    )
    if laterally:
        each = before.limit(1).lateral()
        before = select(*each.c).select_from(reached.join(each, true()))
    reached = reached.union(before)
    stored = and_(messages.c.scope_id == _SCOPE, messages.c.hash == reached.c.message)
    return (
        select(reached.c.id, reached.c.previous, reached.c.message, messages.c.data, messages.c.instructions)
        .select_from(reached.join(messages, stored))
        .where(reached.c.position < param("below"))
        .order_by(reached.c.position)
    )


def _history_laterally(heads: int) -> Select[Unpack[tuple[Any, ...]]]:
    """Return it so that each turn is looked up by its id.

    As long as the table has no statistics, PostgreSQL would read all turns of the scope for each turn of the history:
    2 s for 4,000 of them, instead of 17 ms.
    """
    return _history(heads, laterally=True)


_HISTORY: Statement[[int]] = Statement(_history, postgresql=_history_laterally)


def _drop() -> ReturningDelete[Unpack[tuple[Any, ...]]]:
    """Delete a turn, unless it is the end of a history or another turn follows it, and those before it likewise."""
    follower = turns.alias("follower")

    def is_end(turn: Any) -> list[Any]:
        return [
            select(literal(1)).where(table.c.scope_id == _SCOPE, table.c.head == turn.c.id).exists()
            for table in (checkpoints, conversations)
        ]

    def follows(turn: Any, *where: Any) -> Any:
        return (
            select(literal(1)).where(follower.c.scope_id == _SCOPE, follower.c.previous == turn.c.id, *where).exists()
        )

    last, before = turns.alias("last"), turns.alias("before")
    dropped = (
        select(last.c.id, last.c.previous)
        .where(last.c.scope_id == _SCOPE, last.c.id == param("id"), ~or_(*is_end(last), follows(last)))
        .cte("dropped", recursive=True)
    )
    dropped = dropped.union_all(
        select(before.c.id, before.c.previous).where(
            before.c.scope_id == _SCOPE,
            before.c.id == dropped.c.previous,
            ~or_(*is_end(before), follows(before, follower.c.id != dropped.c.id)),
        )
    )
    return (
        delete(turns)
        .where(turns.c.scope_id == _SCOPE, turns.c.id.in_(select(dropped.c.id)))
        .returning(turns.c.id, turns.c.message)
    )


_DROP = Statement(_drop)


def store(tx: Transaction, scope_id: int, history: Sequence[Turn]) -> None:
    """Store the turns of a history that are not stored yet, in order; the cost is proportional to their number.

    Raises:
        DataMissing: The scope has not got the message of one that has no data.
    """
    fresh = history[len(history) - _fresh(tx, scope_id, history) :]
    if not fresh:
        return
    data = {turn.message: turn.data for turn in fresh}
    # Of two that are the same, one may have been loaded, and the other not.
    data.update((turn.message, turn.data) for turn in fresh if turn.data is not None)
    message_rows.store(tx, scope_id, data)
    actor, now = actor_records.current_id(tx), tx.now()
    rows: list[dict[str, Value]] = [
        {
            "scope_id": scope_id,
            "id": turn.id,
            "previous": turn.previous,
            "message": turn.message,
            "position": turn.position,
            "actor": actor,
            "created_at": now,
        }
        for turn in fresh
    ]
    tx.run_all(_INSERT_TURN, rows)


def _fresh(tx: Transaction, scope_id: int, history: Sequence[Turn]) -> int:
    """Return how many turns at the end of a history are not stored yet."""
    for batch in message_rows.batches(range(len(history) - 1, -1, -1)):
        ids = [history[index].id for index in batch]
        found = tx.rows(_POSITIONS, {"scope_id": scope_id, **fill("id", ids)}, len(ids))
        if found:
            # Whatever comes before a stored turn is stored.
            return history[-1].position - max(cast(int, position) for (position,) in found)
    return len(history)


def position(tx: Transaction, scope_id: int, id: bytes) -> int | None:
    """Return the number of turns before one; `None` if it is not stored."""
    rows = tx.rows(_POSITION, {"scope_id": scope_id, "id": id})
    return rows[0][0] if rows else None


def load(
    tx: Transaction, scope_id: int, heads: Iterable[bytes], *, least: int = 0, below: int = END
) -> dict[bytes, Stored]:
    """Return every turn of the histories that end with `heads`, by id, those of a history in order.

    Args:
        tx: The transaction.
        scope_id: The scope.
        heads: The last turns of the histories. Of those that begin alike, the longest first costs least.
        least: Position of the first turn to return.
        below: Position behind the last turn to return.
    """
    left = list(dict.fromkeys(heads))
    loaded: dict[bytes, Stored] = {}
    for queries in count():
        left = [head for head in left if head not in loaded]
        if not left:
            break
        size = HEADS_PER_QUERY[min(queries, len(HEADS_PER_QUERY) - 1)]
        batch, left = left[:size], left[size:]
        values: dict[str, Value] = {"scope_id": scope_id, "least": least, "below": below, **fill("head", batch)}
        for row in tx.rows(_HISTORY, values, len(batch)):
            turn = Stored(*row)
            loaded[turn.id] = turn
    apart = {turn.instructions for turn in loaded.values() if turn.instructions is not None}
    if apart:
        texts = message_rows.instructions(tx, scope_id, apart)
        for id, turn in loaded.items():
            if turn.instructions is not None:
                loaded[id] = turn._replace(instructions=texts.get(turn.instructions))
    return loaded


def forget(tx: Transaction, scope_id: int, heads: Iterable[bytes | None]) -> None:
    """Delete the ends of histories that are not used any more, back to where other histories join them.

    Args:
        tx: The transaction.
        scope_id: The scope.
        heads: The last turns of the histories. Of those that begin alike, the longest first costs least.
    """
    dropped: dict[bytes, bytes] = {}
    for head in heads:
        if head is not None and head not in dropped:
            dropped.update(tx.rows(_DROP, {"scope_id": scope_id, "id": head}))
    message_rows.forget(tx, scope_id, {*dropped.values()})
