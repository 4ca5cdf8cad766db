"""`Conversation`: a message history stored in a scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from pydantic_hivemind.base.pickled import Pickled
from pydantic_hivemind.errors import CheckpointError, InvalidOption, VersionConflict
from pydantic_hivemind.ledger import conversation_records, idempotency, message_chain, message_rows, overlay
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.scopes import ScopeRow
from pydantic_hivemind.messages import encoding, history_cache, turn_fence

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


class Turn(Protocol):
    """A turn of a conversation, for `with` and `async with`: it gives the messages."""

    def __enter__(self) -> list[ModelMessage]: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> list[ModelMessage]: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Conversation(Pickled):
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

    @property
    def title(self) -> str | None:
        """Title for people; assigning one sets it, also before the first message."""
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            found = conversation_records.info(tx, self._row.id, self._id)
        return None if found is None else found.title

    @title.setter
    def title(self, title: str | None) -> None:
        self.rename(title)

    def rename(self, title: str | None) -> None:
        """Set the title, or remove it.

        Raises:
            CheckpointError: The title contains NUL or a lone surrogate.
        """
        if title is not None:
            encoding.check_text(title, "a conversation's title")
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            conversation_records.set_title(tx, self._row.id, self._id, title)

    def archive(self, archived: bool = True) -> bool:  # noqa: FBT001, FBT002
        """Put the conversation aside, or take it back, and return whether it exists. Its messages stay.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            return conversation_records.set_archived(tx, self._row.id, self._id, tx.now() if archived else None)

    def turn(self, *, wait: float = 60.0) -> Turn:
        """Return a context in which no other turn of this conversation takes place, in any process.

        Entered with `with` or `async with`, it gives the messages, without those that cannot be read: `append` fits
        with `expected_count=len(history)` all the same. The turn of a process that died or was stopped is over within
        30 seconds. Entering it raises `TurnBusy` if another turn has not ended in time.

        What is appended, replaced or cleared in the block raises `TurnLost` if another turn has begun meanwhile.

        Args:
            wait: How long to wait for another turn to end, in seconds.

        Raises:
            InvalidOption: `wait` is negative or not a number.
        """
        # By name: it stands on this module.
        turns = import_module("pydantic_hivemind.hive.conversation_turns")
        return cast("Turn", turns.ConversationTurn(self, wait))

    def load(self, *, last: int | None = None, skip_unreadable: bool = False) -> list[ModelMessage]:
        """Return all messages, for `agent.run(message_history=...)`.

        Args:
            last: Return at most so many messages, the last ones.
            skip_unreadable: Whether to leave out messages that the installed pydantic-ai cannot read, such as those of
                a later release; otherwise they are an error.

        Raises:
            CheckpointError: A message cannot be read.
            InvalidOption: `last` is negative.
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        if last is not None and last < 0:
            raise InvalidOption(f"last={last!r} is negative; pass the number of messages to load")
        messages, unreadable = self._load(last)
        if unreadable and not skip_unreadable:
            raise CheckpointError(
                f"{unreadable} of {len(messages) + unreadable} messages of this conversation cannot be read with the "
                "installed pydantic-ai; upgrade it, or load the others with skip_unreadable=True"
            )
        return messages

    def append(
        self, messages: Sequence[ModelMessage], *, expected_count: int | None = None, operation_id: str | None = None
    ) -> None:
        """Add messages, such as `result.new_messages()`; two concurrent appends both take effect.

        Args:
            messages: The messages to add.
            expected_count: Number of messages that the conversation must have; in a turn, of those that can be read. A
                repeated call that has added these messages already does nothing.
            operation_id: Makes a retry safe: messages are not added twice, even if they were built again, with other
                times.

        Raises:
            CheckpointError: A message cannot be stored as JSON. None was added.
            VersionConflict: The conversation has another number of messages.
            TurnLost: Another turn has begun since the one that this is called in.
            OperationConflict: The operation id was used for something else.
        """
        data = [encoding.encode(message) for message in messages]
        turn = turn_fence.current(self._place)
        unreadable = 0 if turn is None else turn.unreadable

        def append(tx: Transaction) -> None:
            turn_fence.check(tx, self._place)
            head, count = conversation_records.end(tx, self._row.id, self._id)
            if expected_count is not None and count != expected_count + unreadable:
                if self._has_at(tx, head, expected_count + unreadable, data):
                    return
                raise VersionConflict(
                    f"the conversation has {count - unreadable} messages, not {expected_count}; load it again",
                    expected=expected_count,
                    actual=count - unreadable,
                )
            if data:
                self._store(tx, message_chain.follow(head, count, data), head)

        self._change(append, operation_id, "conversation.append", data)

    def replace(self, messages: Sequence[ModelMessage], *, operation_id: str | None = None) -> None:
        """Replace the whole history, as after a rewind or a summary; messages that both have are stored once.

        Args:
            messages: The new history.
            operation_id: Makes a retry safe: changes made after the first call are kept.

        Raises:
            CheckpointError: A message cannot be stored as JSON. Nothing was changed.
            OperationConflict: The operation id was used for something else.
            TurnLost: Another turn has begun since the one that this is called in.
        """
        known = history_cache.known_turns(messages) if operation_id is None else []
        try:
            self._replace(messages, known, operation_id)
        except message_rows.DataMissing:
            # They were loaded from another scope, or were removed from this one since.
            self._replace(messages, [], operation_id)

    def _replace(
        self, messages: Sequence[ModelMessage], known: list[message_chain.Turn], operation_id: str | None
    ) -> None:
        data = [encoding.encode(message) for message in messages[len(known) :]]
        history = [*known, *message_chain.follow(known[-1].id if known else None, len(known), data)]

        def replace(tx: Transaction) -> None:
            turn_fence.check(tx, self._place)
            head = conversation_records.head(tx, self._row.id, self._id)
            self._store(tx, history, None)
            message_chain.forget(tx, self._row.id, [head])

        self._change(replace, operation_id, "conversation.replace", data)
        if (turn := turn_fence.current(self._place)) is not None:
            turn.unreadable = 0

    def clear(self) -> None:
        """Remove all messages.

        Raises:
            TurnLost: Another turn has begun since the one that this is called in.
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        self.replace([])

    @property
    def _place(self) -> turn_fence.Place:
        return turn_fence.Place(self._database, self._row.id, self._id)

    def _load(self, last: int | None = None) -> tuple[list[ModelMessage], int]:
        """Return the messages that can be read, and how many others there are."""
        with self._database.snapshot(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            head, count = conversation_records.end(tx, self._row.id, self._id)
            least = 0 if last is None else max(count - last, 0)
            stored = message_chain.load(tx, self._row.id, [] if head is None else [head], least=least)
        messages = list(encoding.decode(stored).values())
        if not least:
            history_cache.remember([*stored.values()], messages)
        return messages, len(stored) - len(messages)

    def _has_at(self, tx: Transaction, head: bytes | None, index: int, data: Sequence[bytes]) -> bool:
        if head is None or index < 0 or not data:
            return False
        there = message_chain.load(tx, self._row.id, [head], least=index, below=index + len(data))
        return [encoding.without_times(turn.json) for turn in there.values()] == [*map(encoding.without_times, data)]

    def _change(
        self, work: Callable[[Transaction], None], operation_id: str | None, name: str, data: Sequence[bytes]
    ) -> None:
        """Run work in one transaction, unless its operation id was used before."""
        with self._database.write(self._row.chain) as tx:
            overlay.check_alive(tx, self._row.chain)
            same = () if operation_id is None else map(encoding.without_times, data)
            now, earlier = (name, self._id, *same), (name, self._id, *data)
            idempotency.once(tx, self._row.id, operation_id, now, lambda: work(tx), earlier=earlier)

    def _store(self, tx: Transaction, history: list[message_chain.Turn], otherwise: bytes | None) -> None:
        message_chain.store(tx, self._row.id, history)
        conversation_records.set_head(tx, self._row.id, self._id, history[-1].id if history else otherwise)
