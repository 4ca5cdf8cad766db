"""`HivemindCheckpointStore`: pydantic-deep's `CheckpointStore` in a scope.

pydantic-deep is imported on first use, because the import takes a second.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from pydantic_hivemind.hive.async_messages import AsyncCheckpoints
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.messages.checkpoints import Snapshot

if TYPE_CHECKING:
    from pydantic_deep.features.checkpointing import Checkpoint

_FIELDS = tuple(field.name for field in fields(Snapshot))


class HivemindCheckpointStore:
    """A checkpoint store in a scope, for `DeepAgentDeps(checkpoint_store=...)`.

    Orders are those of `InMemoryCheckpointStore`. Only the scope's own checkpoints are visible, and with
    `conversation=` only those of that conversation: pruning and rewinding concern no other. The store has no length and
    is always true, because pydantic-deep evaluates `deps.checkpoint_store or fallback`.

    Every method raises `ScopeGone` if the scope was destroyed and `StoreError` if the store fails.

    Args:
        scope: The scope.
        conversation: Id of the conversation that is saved; without one, the store has the checkpoints of the scope that
            belong to no conversation.

    Raises:
        CheckpointError: The conversation's id is empty, or contains NUL or a lone surrogate.
    """

    def __init__(self, scope: Scope | AsyncScope, *, conversation: str | None = None) -> None:
        self._scope = sync_scope(scope)
        self._checkpoints = AsyncCheckpoints(self._scope.checkpoints(conversation))

    @property
    def scope(self) -> Scope:
        """The scope that the checkpoints are in."""
        return self._scope

    @property
    def conversation(self) -> str | None:
        """Id of the conversation, if the store is one conversation's."""
        return self._checkpoints.sync.conversation

    async def save(self, checkpoint: Checkpoint) -> None:
        """Save or overwrite a checkpoint.

        Raises:
            CheckpointError: A part of it cannot be stored as JSON, or its id or label contains NUL or a lone surrogate.
        """
        snapshot = Snapshot(**{name: getattr(checkpoint, name) for name in _FIELDS})
        await self._checkpoints.save(snapshot)

    async def get(self, checkpoint_id: str) -> Checkpoint | None:
        """Return the checkpoint of that id, or `None`.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        found = await self._checkpoints.get(checkpoint_id)
        return found and _checkpoint(found)

    async def get_by_label(self, label: str) -> Checkpoint | None:
        """Return the checkpoint with that label that was saved first, or `None`.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        found = await self._checkpoints.get_by_label(label)
        return found and _checkpoint(found)

    async def list_all(self) -> list[Checkpoint]:
        """Return every checkpoint, sorted by creation time.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return [_checkpoint(found) for found in await self._checkpoints.list_all()]

    async def remove(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint, and return whether it existed.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return await self._checkpoints.remove(checkpoint_id)

    async def remove_oldest(self) -> bool:
        """Remove the oldest checkpoint, and return whether there was one.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return await self._checkpoints.remove_oldest()

    async def count(self) -> int:
        """Return the number of checkpoints.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return await self._checkpoints.count()

    async def clear(self) -> None:
        """Remove every checkpoint.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        await self._checkpoints.clear()


def _checkpoint(snapshot: Snapshot) -> Checkpoint:
    from pydantic_deep.features.checkpointing import Checkpoint

    return Checkpoint(**{name: getattr(snapshot, name) for name in _FIELDS})
