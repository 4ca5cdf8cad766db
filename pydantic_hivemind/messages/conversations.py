"""`Conversation`: a message history stored in a scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic_hivemind.ledger import conversation_records, idempotency, message_chain, overlay
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.messages import encoding

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


class Conversation:
    """A message history stored in a scope; each message is stored once. Made by `Scope.conversation`.

    It belongs to its scope only: children do not see it. An unknown id is an empty conversation.

    Every operation raises `ScopeGone` once the scope is destroyed or its ttl has passed, `StoreClosed` once the hive is
    closed, and `StoreBusy` or `StoreUnreachable` if the database does not answer in time. Every change can also raise
    `StoreFull` or `StoreReadOnly`.
    """

    __slots__ = ("_database", "_id", "_row")

    def __init__(self, database: Database, row: ScopeRow, id: str) -> None:
        encoding.check_text(id, "a conversation's id")
        self._database = database
        self._row = row
        self._id = id

    @property
    def id(self) -> str:
        """Id of the conversation in its scope."""
        return self._id

    def load(self) -> list[ModelMessage]:
        """Return all messages, for `agent.run(message_history=...)`.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.snapshot() as tx:
            overlay.check_alive(tx, self._row.chain)
            head = conversation_records.head(tx, self._row.id, self._id)
            stored = message_chain.load(tx, self._row.id, [] if head is None else [head])
        return list(encoding.decode(stored).values())

    def append(self, messages: Sequence[ModelMessage], *, operation_id: str | None = None) -> None:
        """Add messages, such as `result.new_messages()`; two concurrent appends both take effect.

        Args:
            messages: The messages to add.
            operation_id: Makes a retry safe: messages are not added twice.

        Raises:
            CheckpointError: A message cannot be stored as JSON. None was added.
            OperationConflict: The operation id was used for something else.
        """
        data = [encoding.encode(message) for message in messages]

        def append(tx: Transaction) -> None:
            head = conversation_records.head(tx, self._row.id, self._id)
            last = None if head is None else message_chain.position(tx, self._row.id, head)
            self._store(tx, message_chain.follow(head, 0 if last is None else last + 1, data), head)

        self._change(append, operation_id, "conversation.append", data)

    def replace(self, messages: Sequence[ModelMessage], *, operation_id: str | None = None) -> None:
        """Replace the whole history, as after a rewind or a summary; messages that both have are stored once.

        Args:
            messages: The new history.
            operation_id: Makes a retry safe: changes made after the first call are kept.

        Raises:
            CheckpointError: A message cannot be stored as JSON. Nothing was changed.
            OperationConflict: The operation id was used for something else.
        """
        history = message_chain.follow(None, 0, [encoding.encode(message) for message in messages])

        def replace(tx: Transaction) -> None:
            head = conversation_records.head(tx, self._row.id, self._id)
            self._store(tx, history, None)
            message_chain.forget(tx, self._row.id, head)

        self._change(replace, operation_id, "conversation.replace", [turn.data for turn in history])

    def clear(self) -> None:
        """Remove all messages.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        self.replace([])

    def _change(
        self, work: Callable[[Transaction], None], operation_id: str | None, name: str, data: Sequence[bytes]
    ) -> None:
        """Run work in one transaction, unless its operation id was used before."""
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            idempotency.once(tx, self._row.id, operation_id, (name, self._id, *data), lambda: work(tx))

    def _store(self, tx: Transaction, history: list[message_chain.Turn], otherwise: bytes | None) -> None:
        message_chain.store(tx, self._row.id, history)
        conversation_records.set_head(tx, self._row.id, self._id, history[-1].id if history else otherwise)
