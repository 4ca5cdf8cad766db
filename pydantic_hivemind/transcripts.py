"""Messages of pydantic-ai as the ledger stores them.

pydantic-ai is imported on first use: it takes half a second.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import is_
from typing import TYPE_CHECKING, Any, cast

from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.ledger import turns
from pydantic_hivemind.ledger.turns import Stored, Turn

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


def encode(message: ModelMessage) -> bytes:
    """A message as JSON.

    Raises:
        CheckpointError: It holds something that is no JSON.
    """
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        # The adapter takes lists; what stands between the brackets is the message.
        return ModelMessagesTypeAdapter.dump_json([message])[1:-1]
    except Exception as error:
        raise CheckpointError(f"a message cannot be stored as JSON: {error}; change what it holds") from error


def decode(stored: Mapping[bytes, Stored]) -> dict[bytes, ModelMessage]:
    """The message of every turn; no two turns share one, as agents change messages in place."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    made = ModelMessagesTypeAdapter.validate_json(b"[" + b",".join(turn.data for turn in stored.values()) + b"]")
    return dict(zip(stored, made, strict=True))


def is_storable(text: str) -> bool:
    """Whether every database can store a text: it has no NUL and no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_text(text: str, what: str) -> None:
    """Refuse an id or label that cannot be stored.

    Raises:
        CheckpointError: It has a NUL or a lone surrogate.
    """
    if not is_storable(text):
        raise CheckpointError(f"{what} cannot have a NUL or a lone surrogate in it; remove them")


class HistoryCache:
    """Remembers how the messages of the last history were encoded, so that the next one costs what is new.

    To encode a message takes 20 microseconds, to find that it did not change a third of one. pydantic-ai
    changes messages in place, so each is compared, every time, with what it was made of when it was encoded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoded: list[_Encoded] = []
        self._turns: list[Turn] = []
        # What follows from `_encoded`, so that one comparison tells whether any of it changed.
        self._messages: list[ModelMessage] = []
        self._live: list[object] = []
        self._seen: list[object] = []
        self._unknown: list[_Encoded] = []

    def encode(self, messages: Sequence[ModelMessage]) -> list[Turn]:
        """The turns of a whole history. Raises `CheckpointError` for a message that is no JSON."""
        with self._lock:
            same = self._unchanged(messages)
            # What is encoded keeps its message alive, so no other can have the same id.
            moved = {id(past.message): past for past in self._encoded[same:]}
            if moved:
                self._cut(same)
            for message in messages[same:]:
                past = moved.get(id(message))
                self._add(past if past is not None and past.is_current() else _Encoded(message))
            return self._turns.copy()

    def _unchanged(self, messages: Sequence[ModelMessage]) -> int:
        """How many messages at the start are those of last time, as they were."""
        count = len(self._messages)
        if (
            count <= len(messages)
            and all(map(is_, self._messages, messages))
            and self._live == self._seen
            and all(past.is_current() for past in self._unknown)
        ):
            return count  # the usual case, at the speed of C
        for index, (past, message) in enumerate(zip(self._encoded, messages, strict=False)):
            if past.message is not message or not past.is_current():
                return index
        return min(count, len(messages))

    def _add(self, past: _Encoded) -> None:
        self._turns.append(turns.step(self._turns[-1].id if self._turns else None, len(self._turns), past.data))
        self._encoded.append(past)
        self._messages.append(past.message)
        self._live += past.live
        self._seen += past.seen
        if not past.known:
            self._unknown.append(past)

    def _cut(self, length: int) -> None:
        """Forget what comes after the first messages."""
        for each in (self._turns, self._encoded, self._messages):
            del each[length:]
        self._live = [state for past in self._encoded for state in past.live]
        self._seen = [state for past in self._encoded for state in past.seen]
        self._unknown = [past for past in self._encoded if not past.known]


class _Encoded:
    """A message's JSON, and what the message was made of then: its containers, and a copy of each.

    What `==` does not tell apart is taken for unchanged.
    """

    __slots__ = ("data", "known", "live", "message", "seen")

    def __init__(self, message: ModelMessage) -> None:
        self.message = message
        self.live: list[object] = []
        self.seen: list[object] = []
        # First the copies: a change by another thread before the encoding then shows as one, and does no harm.
        try:
            self.known = _copy_state(message, self.live, self.seen)
        except RecursionError:
            self.known = False
        if not self.known:
            self.live, self.seen = [], []
        self.data = encode(message)

    def is_current(self) -> bool:
        """Whether the message would be encoded the same now."""
        return self.live == self.seen if self.known else encode(self.message) == self.data


_IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime})


def _copy_state(value: object, live: list[object], seen: list[object]) -> bool:
    """Collect the containers in a value, and a copy of each.

    Returns whether that is all its state: what an app's own objects are made of cannot be known.
    """
    kind = type(value)
    if kind in _IMMUTABLE:
        return True
    if kind is list:
        copy: Any = cast("list[object]", value).copy()
        inside = copy
    elif kind is dict:
        copy = cast("dict[object, object]", value).copy()
        inside = [*copy, *copy.values()]
    elif kind.__module__.startswith("pydantic_ai.") and hasattr(value, "__dict__"):
        value = vars(value)
        copy = value.copy()
        inside = copy.values()
    else:
        return False
    live.append(value)
    seen.append(copy)
    return all(_copy_state(item, live, seen) for item in inside)
