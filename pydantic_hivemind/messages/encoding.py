"""Encoding of pydantic-ai messages for the ledger.

pydantic-ai is imported on first use, because the import takes half a second.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.errors import CheckpointError
from pydantic_hivemind.ledger.message_chain import Stored
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
    data = json.dumps(known, separators=(",", ":")).encode()
    # With what is read for what was left out, such as the time: each reading would make it up anew.
    complete = dumped(_read([data]) or [])
    return data if complete is None or len(complete) <= len(b"[]") else complete[1:-1]


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


def dumped(messages: Sequence[ModelMessage]) -> bytes | None:
    """Return messages as JSON, which may not be readable, to tell whether they changed; `None` if there is none."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    try:
        return ModelMessagesTypeAdapter.dump_json([*messages], warnings=False)
    except Exception:  # noqa: BLE001 - of whatever kind: it is mended when it is encoded
        return None
