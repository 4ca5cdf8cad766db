"""`Conversation`: a message history that a scope keeps, so that an app keeps none of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic_hivemind import transcripts
from pydantic_hivemind.ledger import conversations, tree, turns
from pydantic_hivemind.ledger.database import Database, Transaction
from pydantic_hivemind.ledger.scopes import ScopeRow

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


class Conversation:
    """A message history in a scope; each message is stored once. Made by `Scope.conversation`.

    It belongs to its scope alone: children do not see it. An unknown id is an empty conversation.
    """

    __slots__ = ("_database", "_id", "_row")

    def __init__(self, database: Database, row: ScopeRow, id: str) -> None:
        self._database = database
        self._row = row
        self._id = id

    @property
    def id(self) -> str:
        """Its id in the scope."""
        return self._id

    def load(self) -> list[ModelMessage]:
        """All messages, to be given to `agent.run(message_history=...)`."""
        with self._database.snapshot() as tx:
            tree.check_alive(tx, self._row.chain)
            head = conversations.head(tx, self._row.id, self._id)
            stored = turns.load(tx, self._row.id, [] if head is None else [head])
        return list(transcripts.decode(stored).values())

    def append(self, messages: Sequence[ModelMessage]) -> None:
        """Add messages, as `result.new_messages()` gives them; of two appends at once both land."""
        with self._database.write() as tx:
            tree.check_alive(tx, self._row.chain)
            head = conversations.head(tx, self._row.id, self._id)
            count = 0 if head is None else turns.position(tx, self._row.id, head) + 1
            self._store(tx, list(transcripts.encode(messages, after=head, position=count)), head)

    def replace(self, messages: Sequence[ModelMessage]) -> None:
        """Keep these messages instead, as after a rewind or a summary; what they share is stored once."""
        history = list(transcripts.encode(messages))
        with self._database.write() as tx:
            tree.check_alive(tx, self._row.chain)
            head = conversations.head(tx, self._row.id, self._id)
            self._store(tx, history, None)
            if head is not None:
                turns.forget(tx, self._row.id, head)

    def clear(self) -> None:
        """Forget all messages."""
        self.replace([])

    def _store(self, tx: Transaction, history: list[turns.Turn], otherwise: bytes | None) -> None:
        turns.store(tx, self._row.id, history)
        conversations.set_head(tx, self._row.id, self._id, history[-1].id if history else otherwise)
