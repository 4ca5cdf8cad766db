"""`Checkpoints`: saved states of the conversations in a scope."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.base.pickled import Pickled
from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.ledger import checkpoint_records, message_chain, message_rows, overlay
from pydantic_hivemind.ledger.checkpoint_records import CheckpointRow, Place
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.message_chain import Stored, Turn
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.messages import encoding
from pydantic_hivemind.messages.encoding import is_storable
from pydantic_hivemind.messages.history_cache import HistoryCache, remember

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

MOST = 2**63
"""Exclusive upper bound of the integers that every database can store."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Snapshot:
    """A conversation at one point in time. The fields are those of pydantic-deep's `Checkpoint`.

    Attributes:
        id: Id of the checkpoint, unique in its conversation.
        label: Name for people; need not be unique.
        turn: The agent's count of model requests.
        messages: The message history.
        message_count: Number of messages, as the agent reported it.
        created_at: Creation time; a naive datetime is ordered as if it were UTC.
        metadata: Any value that can be stored as JSON.
    """

    id: str
    label: str
    turn: int
    messages: list[ModelMessage]
    message_count: int
    created_at: datetime
    metadata: dict[str, Any]


class Checkpoints(Pickled):
    """The checkpoints of one scope or of one of its conversations, without those of its ancestors or children.

    Made by `Scope.checkpoints`.

    Each message is stored once, and saving costs only what was added since the messages were loaded from the scope, or
    saved through this object. It is safe to use from any thread.

    Every operation raises `ScopeGone` once the scope is destroyed or its ttl has passed, `StoreClosed` once the hive is
    closed, and `StoreBusy` or `StoreUnreachable` if the database does not answer in time. Every change can also raise
    `StoreFull` or `StoreReadOnly`.
    """

    __slots__ = ("_cache", "_database", "_place", "_row")

    def __init__(self, database: Database, row: ScopeRow, conversation: str | None = None) -> None:
        if conversation is not None:
            encoding.check_text(conversation, "a conversation's id")
            if not conversation:
                raise CheckpointError(
                    "a conversation's id is empty; pass conversation=None for those of no conversation"
                )
        self._database = database
        self._row = row
        self._place = Place(row.id, conversation or "")
        self._cache = HistoryCache()

    @property
    def conversation(self) -> str | None:
        """Id of the conversation; `None` for the checkpoints of the scope that belong to none."""
        return self._place.conversation or None

    def save(self, snapshot: Snapshot) -> None:
        """Store a snapshot. A snapshot of the same id is replaced and keeps its position in the order.

        Raises:
            CheckpointError: A part of it cannot be stored as JSON, or its id or label contains NUL or a lone surrogate.
                Nothing was stored.
        """
        encoding.check_text(snapshot.id, "a checkpoint's id")
        encoding.check_text(snapshot.label, "a checkpoint's label")
        if not max(abs(snapshot.turn), abs(snapshot.message_count)) < MOST:
            raise CheckpointError(f"the turn and message count of a checkpoint must be less than {MOST}")
        try:
            self._save(snapshot, self._cache.encode(snapshot.messages))
        except message_rows.DataMissing:
            # They were loaded from another scope, or were removed from this one since.
            self._save(snapshot, self._cache.encode(snapshot.messages, loaded=False))

    def _save(self, snapshot: Snapshot, history: Sequence[Turn]) -> None:
        row = CheckpointRow(
            id=snapshot.id,
            label=snapshot.label,
            turn=snapshot.turn,
            head=history[-1].id if history else None,
            message_count=snapshot.message_count,
            created_at=snapshot.created_at.isoformat(),
            created_us=microseconds(snapshot.created_at),
            metadata=_metadata(snapshot.metadata),
        )
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            checkpoint_records.save(tx, self._place, row, history)

    def get(self, id: str) -> Snapshot | None:
        """Return the checkpoint of that id, or `None`.

        Raises:
            CheckpointError: The installed pydantic-ai cannot read one of its messages.
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return self._find(checkpoint_records.get, id)

    def get_by_label(self, label: str) -> Snapshot | None:
        """Return the checkpoint with that label that was saved first, or `None`.

        Raises:
            CheckpointError: The installed pydantic-ai cannot read one of its messages.
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return self._find(checkpoint_records.by_label, label)

    def list_all(self) -> list[Snapshot]:
        """Return every checkpoint whose messages can be read, oldest first.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            rows = checkpoint_records.listing(tx, self._place)
            stored = message_chain.load(tx, self._row.id, [row.head for row in reversed(rows) if row.head])
        return _snapshots(rows, stored)

    def count(self) -> int:
        """Return the number of checkpoints.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return checkpoint_records.count(tx, self._place)

    def remove(self, id: str) -> bool:
        """Delete a checkpoint, and return whether it existed.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return self._delete(lambda tx: checkpoint_records.get(tx, self._place, id) if is_storable(id) else None)

    def remove_oldest(self) -> bool:
        """Delete the oldest checkpoint, and return whether there was one.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return self._delete(lambda tx: checkpoint_records.oldest(tx, self._place))

    def clear(self) -> None:
        """Delete every checkpoint.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            checkpoint_records.clear(tx, self._place)

    def _find(self, query: Callable[[Transaction, Place, str], CheckpointRow | None], text: str) -> Snapshot | None:
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            row = query(tx, self._place, text) if is_storable(text) else None
            if row is None:
                return None
            stored = message_chain.load(tx, self._row.id, [row.head] if row.head else [])
        loaded = _snapshots([row], stored)
        if not loaded:
            raise CheckpointError(
                "a message of this checkpoint cannot be read with the installed pydantic-ai; upgrade it, or use "
                "another checkpoint"
            )
        remember([*stored.values()], loaded[0].messages)
        return loaded[0]

    def _delete(self, choose: Callable[[Transaction], CheckpointRow | None]) -> bool:
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            row = choose(tx)
            if row is not None:
                checkpoint_records.remove(tx, self._place, row)
            return row is not None


def _snapshots(rows: Sequence[CheckpointRow], stored: Mapping[bytes, Stored]) -> list[Snapshot]:
    """Return the snapshots of some rows that can be read; a message that several contain is decoded once."""
    made = encoding.decode(stored)
    histories: dict[bytes | None, list[ModelMessage]] = {None: []}
    snapshots: list[Snapshot] = []
    for row in rows:
        added: list[ModelMessage] = []
        at = row.head
        # What comes before is mostly the history of an earlier row.
        while at not in histories and at in made:
            added.append(made[at])
            at = stored[at].previous
        if at not in histories:
            continue  # One of its messages cannot be read.
        added.reverse()
        messages = histories[at] + added
        histories[row.head] = messages
        snapshots.append(
            Snapshot(
                id=row.id,
                label=row.label,
                turn=row.turn,
                messages=messages,
                message_count=row.message_count,
                created_at=datetime.fromisoformat(row.created_at),
                metadata=json.loads(row.metadata),
            )
        )
    return snapshots


def microseconds(moment: datetime) -> int:
    """Return microseconds since the epoch: exact, unlike seconds as a float."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _metadata(metadata: dict[str, Any]) -> str:
    try:
        return json.dumps(metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"the metadata of a checkpoint cannot be stored as JSON ({error}); use text, numbers, lists and dicts"
        ) from None
