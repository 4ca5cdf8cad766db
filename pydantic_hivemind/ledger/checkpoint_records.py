"""The rows of checkpoints: their fields, and the last turn of each history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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


_COLUMNS = [checkpoints.c[name] for name in CheckpointRow.__dataclass_fields__]
# Those of the stores without a conversation; a conversation's own are none of theirs.
_OF_SCOPE = and_(checkpoints.c.scope_id == param("of_scope"), checkpoints.c.conversation == "")
_OF_ID = checkpoints.c.id == param("of_id")
_OLDEST_FIRST = (checkpoints.c.created_us, checkpoints.c.position)


def _select(*where: ColumnElement[bool]) -> Select[Unpack[tuple[Any, ...]]]:
    return select(*_COLUMNS).where(_OF_SCOPE, *where)


_GET = Statement(lambda: _select(_OF_ID))
_BY_LABEL = Statement(lambda: _select(checkpoints.c.label == param("label")).order_by(checkpoints.c.position).limit(1))
_LIST = Statement(lambda: _select().order_by(*_OLDEST_FIRST))
_OLDEST = Statement(lambda: _select().order_by(*_OLDEST_FIRST).limit(1))
_COUNT = Statement(lambda: select(func.count()).where(_OF_SCOPE))
_NEXT = Statement(lambda: select(func.coalesce(func.max(checkpoints.c.position) + 1, 0)).where(_OF_SCOPE))
_INSERT = Statement(lambda: insert_row(checkpoints))
_UPDATE = Statement(
    lambda: (
        update(checkpoints)
        .where(_OF_SCOPE, _OF_ID)
        .values({name: param(name) for name in CheckpointRow.__dataclass_fields__ if name != "id"})
    )
)
_DELETE = Statement(lambda: delete(checkpoints).where(_OF_SCOPE, _OF_ID))


def save(tx: Transaction, scope_id: int, row: CheckpointRow, history: Sequence[Turn]) -> None:
    """Store a checkpoint and the new turns of its history; one of the same id is replaced and keeps its position."""
    message_chain.store(tx, scope_id, history)
    values: dict[str, Value] = asdict(row)
    before = get(tx, scope_id, row.id)
    if before is None:
        position = tx.rows(_NEXT, {"of_scope": scope_id})[0][0]
        tx.run(_INSERT, values | {"scope_id": scope_id, "conversation": "", "position": position})
    else:
        tx.run(_UPDATE, values | {"of_scope": scope_id, "of_id": row.id})
        message_chain.forget(tx, scope_id, before.head)


def get(tx: Transaction, scope_id: int, id: str) -> CheckpointRow | None:
    """Return the checkpoint of that id, or `None`."""
    return _first(tx.rows(_GET, {"of_scope": scope_id, "of_id": id}))


def by_label(tx: Transaction, scope_id: int, label: str) -> CheckpointRow | None:
    """Return the checkpoint with that label that was saved first, or `None`."""
    return _first(tx.rows(_BY_LABEL, {"of_scope": scope_id, "label": label}))


def listing(tx: Transaction, scope_id: int) -> list[CheckpointRow]:
    """Return every checkpoint, oldest first."""
    return [CheckpointRow(*row) for row in tx.rows(_LIST, {"of_scope": scope_id})]


def oldest(tx: Transaction, scope_id: int) -> CheckpointRow | None:
    """Return the oldest checkpoint, or `None`."""
    return _first(tx.rows(_OLDEST, {"of_scope": scope_id}))


def count(tx: Transaction, scope_id: int) -> int:
    """Return the number of checkpoints."""
    return tx.rows(_COUNT, {"of_scope": scope_id})[0][0]


def remove(tx: Transaction, scope_id: int, row: CheckpointRow) -> None:
    """Delete a checkpoint, and the turns that only its history contained."""
    tx.run(_DELETE, {"of_scope": scope_id, "of_id": row.id})
    message_chain.forget(tx, scope_id, row.head)


def _first(rows: list[Row]) -> CheckpointRow | None:
    return CheckpointRow(*rows[0]) if rows else None
