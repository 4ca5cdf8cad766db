"""`HivemindCheckpointStore`: pydantic-deep's `CheckpointStore` on a scope.

pydantic-deep is imported on first use: it takes a second.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.messages.checkpoints import Snapshot

if TYPE_CHECKING:
    from pydantic_deep.features.checkpointing import Checkpoint

_FIELDS = tuple(field.name for field in fields(Snapshot))


class HivemindCheckpointStore:
    """Keeps the checkpoints of a scope, for `DeepAgentDeps(checkpoint_store=...)`.

    The order of everything is that of `InMemoryCheckpointStore`. Only the scope's own checkpoints are seen.
    It has no length and is always true: pydantic-deep asks `deps.checkpoint_store or fallback`.
    """

    def __init__(self, scope: Scope) -> None:
        self._checkpoints = scope.checkpoints()

    async def save(self, checkpoint: Checkpoint) -> None:
        """Save or overwrite a checkpoint. Raises `CheckpointError` for what is no JSON."""
        snapshot = Snapshot(**{name: getattr(checkpoint, name) for name in _FIELDS})
        await run_sync(self._checkpoints.save, snapshot)

    async def get(self, checkpoint_id: str) -> Checkpoint | None:
        """The checkpoint of that id."""
        found = await run_sync(self._checkpoints.get, checkpoint_id)
        return found and _checkpoint(found)

    async def get_by_label(self, label: str) -> Checkpoint | None:
        """The first checkpoint with that label, in the order they were first saved."""
        found = await run_sync(self._checkpoints.get_by_label, label)
        return found and _checkpoint(found)

    async def list_all(self) -> list[Checkpoint]:
        """Every checkpoint by creation time."""
        return [_checkpoint(found) for found in await run_sync(self._checkpoints.list_all)]

    async def remove(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one."""
        return await run_sync(self._checkpoints.remove, checkpoint_id)

    async def remove_oldest(self) -> bool:
        """Remove the checkpoint that was created first; whether there was one."""
        return await run_sync(self._checkpoints.remove_oldest)

    async def count(self) -> int:
        """How many there are."""
        return await run_sync(self._checkpoints.count)

    async def clear(self) -> None:
        """Remove all checkpoints."""
        await run_sync(self._checkpoints.clear)


def _checkpoint(snapshot: Snapshot) -> Checkpoint:
    from pydantic_deep.features.checkpointing import Checkpoint

    return Checkpoint(**{name: getattr(snapshot, name) for name in _FIELDS})
