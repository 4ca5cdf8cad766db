"""Encoding of pydantic-ai messages for the ledger.

pydantic-ai is imported on first use, because the import takes half a second.
"""

from __future__ import annotations

import gc
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import is_
from typing import TYPE_CHECKING, Any, cast

from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.ledger import message_chain
from pydantic_hivemind.ledger.message_chain import Stored, Turn
from pydantic_hivemind.messages.mending import mend
from pydantic_hivemind.messages.storable_copies import storable_values

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

_log = logging.getLogger(__name__)

DECODED_AT_ONCE = 64
"""Messages that are decoded in one call, which no other thread can come between. It takes about a millisecond; all of a
long history would take the event loop a tenth of a second."""


def encode(message: ModelMessage) -> bytes:
    """Return a message as JSON that can be read again.

    A value that pydantic-ai would not read again is converted, such as a lone surrogate or a number where it expects
    text: see `mending`.

    Raises:
        CheckpointError: It contains a value that cannot be stored as JSON, or could not be read again.
    """
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        # The adapter takes lists; what stands between the brackets is the message.
        data = ModelMessagesTypeAdapter.dump_json([message], warnings=False)
        ModelMessagesTypeAdapter.validate_json(data)
    except Exception as error:  # noqa: BLE001 - of whatever kind: it is mended, or raised
        return _mended(message, error)
    return data[1:-1]


def _mended(message: ModelMessage, error: Exception) -> bytes:
    try:
        known = mend(storable_values(message), _problems)
    except CheckpointError:
        raise
    except Exception:  # noqa: BLE001 - the first error says what is wrong
        known = None
    if known is None:
        raise CheckpointError(
            f"a message cannot be stored as JSON: {error}; replace the value with text, numbers, lists or dicts"
        ) from error
    _log.warning("a message was stored with a value converted: %s", type(error).__name__)
    return json.dumps(known, separators=(",", ":")).encode()


def _problems(message: Any) -> list[Mapping[str, Any]]:
    from pydantic import ValidationError
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        ModelMessagesTypeAdapter.validate_json(b"[" + json.dumps(message).encode() + b"]")
    except ValidationError as error:
        return [{"loc": found["loc"][1:], "type": found["type"]} for found in error.errors(include_url=False)]
    return []


def decode(stored: Mapping[bytes, Stored]) -> dict[bytes, ModelMessage]:
    """Return the message of every stored turn, each a separate object: agents change messages in place.

    A message that this version of pydantic-ai cannot read is left out, and hides no other.
    """
    found = [*stored.items()]
    made: dict[bytes, ModelMessage] = {}
    for start in range(0, len(found), DECODED_AT_ONCE):
        some = found[start : start + DECODED_AT_ONCE]
        messages = _read([turn.json for _, turn in some])
        if messages is None:
            for id, turn in some:
                alone = _read([turn.json]) or _read_mended(turn.json)
                if alone is not None:
                    made[id] = alone[0]
        else:
            made.update(zip([id for id, _ in some], messages, strict=True))
    return made


def is_readable(data: bytes) -> bool:
    """Return whether a stored message can be decoded."""
    return (_read([data]) or _read_mended(data)) is not None


def _read(data: Sequence[bytes]) -> list[ModelMessage] | None:
    from pydantic import ValidationError
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        return ModelMessagesTypeAdapter.validate_json(b"[" + b",".join(data) + b"]")
    except ValidationError:
        return None


def _read_mended(data: bytes) -> list[ModelMessage] | None:
    """Return a message that was stored by an earlier version of this package, which did not mend it."""
    try:
        known = mend(json.loads(data), _problems)
    except (ValueError, RecursionError):
        return None
    return None if known is None else _read([json.dumps(known).encode()])


def without_times(data: bytes) -> bytes:
    """Return an encoded message without the times and ids that pydantic-ai makes up anew whenever it is built."""
    message = json.loads(data)
    for name in ("timestamp", "run_id", "conversation_id"):
        message.pop(name, None)
    for part in message.get("parts", ()):
        part.pop("timestamp", None)
        # What pydantic-ai makes up where the provider gives none.
        if str(part.get("tool_call_id")).startswith("pyd_ai_"):
            del part["tool_call_id"]
    return json.dumps(message, sort_keys=True).encode()


def is_storable(text: str) -> bool:
    """Return whether every database can store a text: it contains neither NUL nor a lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_text(text: str, what: str) -> None:
    """Check that an id or label can be stored.

    Args:
        text: The id or label.
        what: What it is, for the error's text.

    Raises:
        CheckpointError: It contains NUL or a lone surrogate.
    """
    if not is_storable(text):
        raise CheckpointError(f"{what} contains NUL or a lone surrogate, which cannot be stored; remove them")


def _dumped(message: ModelMessage) -> bytes | None:
    """Return a message as JSON that was not read again, to tell whether it changed; `None` if there is no such JSON."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        return ModelMessagesTypeAdapter.dump_json([message], warnings=False)
    except Exception:  # noqa: BLE001 - of whatever kind: it is mended when it is encoded
        return None


class HistoryCache:
    """Cache of the encoded messages of the last history, so that encoding the next one costs only what is new.

    Encoding a message takes 20 microseconds; finding that it did not change takes half a microsecond. pydantic-ai
    changes messages in place, so each message is compared every time with its state when it was encoded.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._encoded: list[_Encoded] = []
        self._turns: list[Turn] = []
        # What follows from `_encoded`, so that it is known at once whether any of it changed.
        self._messages: list[ModelMessage] = []
        self._state = _State()
        self._unknown: list[_Encoded] = []

    def encode(self, messages: Sequence[ModelMessage]) -> list[Turn]:
        """Return the turns of a whole history.

        Raises:
            CheckpointError: A message cannot be stored as JSON.
        """
        with self._lock:
            if self._process != os.getpid():
                # Another thread of the parent may have been in the middle of this.
                self._forget()
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
        """Return how many messages at the start are the same objects as last time, unchanged."""
        count = len(self._messages)
        if (
            count <= len(messages)
            and self._state.is_current()
            and all(map(is_, self._messages, messages))
            and all(past.is_current() for past in self._unknown)
        ):
            return count  # the usual case, at the speed of C
        for index, (past, message) in enumerate(zip(self._encoded, messages, strict=False)):
            if past.message is not message or not past.is_current():
                return index
        return min(count, len(messages))

    def _add(self, past: _Encoded) -> None:
        self._turns.append(message_chain.step(self._turns[-1].id if self._turns else None, len(self._turns), past.data))
        self._encoded.append(past)
        self._messages.append(past.message)
        if past.state is None:
            self._unknown.append(past)
        else:
            self._state.extend(past.state)

    def _cut(self, length: int) -> None:
        """Drop everything after the first messages."""
        for each in (self._turns, self._encoded, self._messages):
            del each[length:]
        self._unknown = [past for past in self._encoded if past.state is None]
        self._state = _State()
        for past in self._encoded:
            if past.state is not None:
                self._state.extend(past.state)


class _Encoded:
    """The JSON of a message, and the state it was encoded from; `None` if the state cannot be determined."""

    __slots__ = ("data", "dumped", "message", "state")

    def __init__(self, message: ModelMessage) -> None:
        self.message = message
        # First the state: a change by another thread before the encoding then shows as one, and does no harm.
        self.state: _State | None = _State()
        try:
            if not self.state.add(message):
                self.state = None
        except RecursionError:
            self.state = None
        self.data = encode(message)
        self.dumped = _dumped(message) if self.state is None else None

    def is_current(self) -> bool:
        """Return whether encoding the message now would give the same JSON."""
        if self.state is not None:
            return self.state.is_current()
        return self.dumped is not None and _dumped(self.message) == self.dumped


_IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime})


class _State:
    """The state of values: pydantic-ai's objects with their referents, and lists and dicts with a copy of each.

    Asking an object for its referents takes half as long as comparing its attributes by name. Values that `==` does not
    distinguish count as unchanged, and so does an object whose `__dict__` was replaced as a whole.
    """

    __slots__ = ("_containers", "_copies", "_objects", "_referents")

    def __init__(self) -> None:
        self._objects: list[object] = []
        self._referents: list[object] = []
        self._containers: list[object] = []
        self._copies: list[object] = []

    def is_current(self) -> bool:
        """Return whether every value still has the state in which it was added."""
        try:
            return self._containers == self._copies and gc.get_referents(*self._objects) == self._referents
        except Exception:  # noqa: BLE001 - what is there now cannot even be compared, as with an array
            return False

    def extend(self, other: _State) -> None:
        """Add the values of another state."""
        self._objects += other._objects
        self._referents += other._referents
        self._containers += other._containers
        self._copies += other._copies

    def add(self, value: object) -> bool:
        """Add a value and everything it contains.

        Returns:
            Whether that covers its whole state: that of an app's own objects is not known.
        """
        kind = type(value)
        if kind in _IMMUTABLE:
            return True
        if kind is list:
            return self._add_container(value, inside := cast("list[object]", value).copy(), inside)
        if kind is dict:
            copy = cast("dict[object, object]", value).copy()
            return self._add_container(value, copy, (*copy, *copy.values()))
        return kind.__module__.startswith("pydantic_ai.") and hasattr(value, "__dict__") and self._add_object(value)

    def _add_container(self, value: object, copy: object, inside: Iterable[object]) -> bool:
        self._containers.append(value)
        self._copies.append(copy)
        return all(map(self.add, inside))

    def _add_object(self, value: object) -> bool:
        # Attributes are in a dict, and from Python 3.13 on in the object itself.
        for owner in (vars(value), value):
            referents = gc.get_referents(owner)
            attributes = [*vars(value).values()]
            if {*map(id, attributes)} <= {*map(id, referents)}:
                self._objects.append(owner)
                self._referents += referents
                return all(map(self.add, attributes))
        return False
