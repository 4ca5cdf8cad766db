"""Messages of pydantic-ai as the ledger stores them.

pydantic-ai is imported on first use: it takes half a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_
from typing import TYPE_CHECKING

from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.ledger import turns
from pydantic_hivemind.ledger.turns import Stored, Turn

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


def encode(messages: Sequence[ModelMessage], *, after: bytes | None = None, position: int = 0) -> Iterator[Turn]:
    """The turns that add messages to the history that ends with `after` and has `position` turns.

    Raises:
        CheckpointError: A message holds something that is no JSON.
    """
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    for message in messages:
        try:
            # The adapter takes lists; what stands between the brackets is the message.
            data = ModelMessagesTypeAdapter.dump_json([message])[1:-1]
        except Exception as error:
            raise CheckpointError(f"a message cannot be stored as JSON: {error}") from error
        turn = turns.step(after, position, data)
        yield turn
        after, position = turn.id, position + 1


def decode(stored: Sequence[Stored]) -> dict[bytes, ModelMessage]:
    """The message of every turn, each message made once."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    unique = {turn.message: turn.data for turn in stored}
    made = ModelMessagesTypeAdapter.validate_json(b"[" + b",".join(unique.values()) + b"]")
    by_hash = dict(zip(unique, made, strict=True))
    return {turn.id: by_hash[turn.message] for turn in stored}


def check_text(text: str, what: str) -> None:
    """Refuse an id or label that no database can store.

    Raises:
        CheckpointError: NUL or a lone surrogate.
    """
    if "\0" in text:
        raise CheckpointError(f"{what} cannot contain the NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{what} must be valid Unicode; it contains a lone surrogate") from None


class HistoryCache:
    """Remembers the turns of the history that was encoded last, so that a longer one costs what was added.

    Messages are the same objects from save to save, and hardly ever change once the next one follows: those
    that were seen unchanged twice are compared by identity only, until a run ends. What pydantic-ai writes
    into them when a run ends is found when the next run's first history is looked through as a whole.
    """

    def __init__(self) -> None:
        self._messages: list[ModelMessage] = []
        self._states: list[object] = []
        self._turns: list[Turn] = []
        self._settled = 0
        self._run: object = None

    def encode(self, messages: Sequence[ModelMessage]) -> list[Turn]:
        """The turns of a whole history."""
        run = getattr(messages[-1], "run_id", None) if messages else None
        if run != self._run:
            self._settled = 0
        same = self._same_prefix(messages)
        self._settled = max(min(self._settled, same), min(same, len(self._messages)))
        self._run = run
        del self._messages[same:], self._states[same:], self._turns[same:]
        after = self._turns[-1].id if self._turns else None
        fresh = list(encode(messages[same:], after=after, position=same))
        self._messages.extend(messages[same:])
        self._states.extend(map(_state, messages[same:]))
        self._turns.extend(fresh)
        return list(self._turns)

    def _same_prefix(self, messages: Sequence[ModelMessage]) -> int:
        """How many messages at the start are those of last time, unchanged."""
        count = min(len(messages), len(self._messages))
        if not all(map(is_, messages[:count], self._messages)):
            count = next(i for i in range(count) if messages[i] is not self._messages[i])
        for index in range(min(self._settled, count), count):
            if _state(messages[index]) != self._states[index]:
                return index
        return count


def _state(value: object) -> object:
    """A copy of what a message is made of, which tells whether it was changed in place."""
    if isinstance(value, (list, tuple)):
        return [_state(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _state(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    fields = getattr(value, "__dict__", None)
    if fields is not None and getattr(value, "__dataclass_fields__", None) is not None:
        return {key: _state(item) for key, item in fields.items()}
    return value
