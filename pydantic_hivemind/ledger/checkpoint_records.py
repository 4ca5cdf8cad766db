"""The rows of checkpoints: their fields, and the last turn of each history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, delete, func, select, update
from typing_extensions import Unpack

from pydantic_hivemind.ledger import message_chain
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Row, Statement, Value, insert_row, param
from pydantic_hivemind.ledger.message_chain import Turn
from pydantic_hivemind.ledger.schema import checkpoints


@dataclass(frozen=True)
class CheckpointRow:
    """A checkpoint as it is stored.

    Attributes:
        id: Id of the checkpoint in its scope.
        label: Name for people; need not be unique.
        turn: The agent's count of model requests.
        head: Id of the last turn of its history; `None` for an empty one.
        message_count: Number of messages, as the agent reported it.
        created_at: ISO 8601, with or without an offset.
        created_us: The same in microseconds since the epoch, for ordering.
        metadata: JSON.
    """

    id: str
    label: str
    turn: int
    head: bytes | None
    message_count: int
    created_at: str
    created_us: int
    metadata: str


class Place(NamedTuple):
    """Where checkpoints are: each place has ids, labels and an order of its own.

    Attributes:
        scope_id: The scope.
        conversation: Id of the conversation; empty for the checkpoints of the scope that belong to none.
    """

    scope_id: int
    conversation: str

    def values(self) -> dict[str, Value]:
        """Return it as parameters."""
        return {"of_scope": self.scope_id, "of_conversation": self.conversation}


_COLUMNS = [checkpoints.c[name] for name in CheckpointRow.__dataclass_fields__]
_OF_PLACE = and_(checkpoints.c.scope_id == param("of_scope"), checkpoints.c.conversation == param("of_conversation"))
_OF_ID = checkpoints.c.id == param("of_id")
_OLDEST_FIRST = (checkpoints.c.created_us, checkpoints.c.position)


def _select(*where: ColumnElement[bool]) -> Select[Unpack[tuple[Any, ...]]]:
    return select(*_COLUMNS).where(_OF_PLACE, *where)


_GET = Statement(lambda: _select(_OF_ID))
_BY_LABEL = Statement(lambda: _select(checkpoints.c.label == param("label")).order_by(checkpoints.c.position).limit(1))
_LIST = Statement(lambda: _select().order_by(*_OLDEST_FIRST))
_OLDEST = Statement(lambda: _select().order_by(*_OLDEST_FIRST).limit(1))
_COUNT = Statement(lambda: select(func.count()).where(_OF_PLACE))
_NEXT = Statement(lambda: select(func.coalesce(func.max(checkpoints.c.position) + 1, 0)).where(_OF_PLACE))
_INSERT = Statement(lambda: insert_row(checkpoints))
_UPDATE = Statement(
    lambda: (
        update(checkpoints)
        .where(_OF_PLACE, _OF_ID)
        .values({name: param(name) for name in CheckpointRow.__dataclass_fields__ if name != "id"})
    )
)
_DELETE = Statement(lambda: delete(checkpoints).where(_OF_PLACE, _OF_ID))
_DELETE_ALL = Statement(lambda: delete(checkpoints).where(_OF_PLACE))


def save(tx: Transaction, place: Place, row: CheckpointRow, history: Sequence[Turn]) -> None:
    """Store a checkpoint and the new turns of its history; one of the same id is replaced and keeps its position."""
    message_chain.store(tx, place.scope_id, history)
    values: dict[str, Value] = asdict(row)
    before = get(tx, place, row.id)
    if before is None:
        position = tx.rows(_NEXT, place.values())[0][0]
        tx.run(_INSERT, values | {**place._asdict(), "position": position})
    else:
        tx.run(_UPDATE, values | {**place.values(), "of_id": row.id})
        message_chain.forget(tx, place.scope_id, [before.head])


def get(tx: Transaction, place: Place, id: str) -> CheckpointRow | None:
    """Return the checkpoint of that id, or `None`."""
    return _first(tx.rows(_GET, {**place.values(), "of_id": id}))


def by_label(tx: Transaction, place: Place, label: str) -> CheckpointRow | None:
    """Return the checkpoint with that label that was saved first, or `None`."""
    return _first(tx.rows(_BY_LABEL, {**place.values(), "label": label}))


def listing(tx: Transaction, place: Place) -> list[CheckpointRow]:
    """Return every checkpoint, oldest first."""
    return [CheckpointRow(*row) for row in tx.rows(_LIST, place.values())]


def oldest(tx: Transaction, place: Place) -> CheckpointRow | None:
    """Return the oldest checkpoint, or `None`."""
    return _first(tx.rows(_OLDEST, place.values()))


def count(tx: Transaction, place: Place) -> int:
    """Return the number of checkpoints."""
    return tx.rows(_COUNT, place.values())[0][0]


def remove(tx: Transaction, place: Place, row: CheckpointRow) -> None:
    """Delete a checkpoint, and the turns that only its history contained."""
    tx.run(_DELETE, {**place.values(), "of_id": row.id})
    message_chain.forget(tx, place.scope_id, [row.head])


def clear(tx: Transaction, place: Place) -> None:
    """Delete every checkpoint, and the turns that only their histories contained."""
    rows = listing(tx, place)
    tx.run(_DELETE_ALL, place.values())
    message_chain.forget(tx, place.scope_id, [row.head for row in reversed(rows)])


def _first(rows: list[Row]) -> CheckpointRow | None:
    return CheckpointRow(*rows[0]) if rows else None
