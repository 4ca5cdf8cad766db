"""Messages and checkpoints for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    UserPromptPart,
)
from pydantic_deep.features.checkpointing import (
    Checkpoint,
)

MOMENT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def ask(content: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(content, timestamp=MOMENT)])


def checkpoint(id: str, messages: list[ModelMessage], **changes: Any) -> Checkpoint:
    made = Checkpoint(id, f"label-{id}", 1, list(messages), len(messages), MOMENT, {})
    return replace(made, **changes)


def as_json(messages: list[ModelMessage]) -> bytes:
    return ModelMessagesTypeAdapter.dump_json(messages)


def frozen(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint as it is at this moment, through JSON."""
    return replace(checkpoint, messages=ModelMessagesTypeAdapter.validate_json(as_json(checkpoint.messages)))
