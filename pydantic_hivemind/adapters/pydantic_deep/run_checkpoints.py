"""`RunCheckpoints`: the default checkpoint store of an agent that serves many users.

pydantic-deep's own default is one store in the memory of the agent: every user could list the checkpoints of all
others, and rewind into their conversations.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError

from pydantic_hivemind.adapters.backends.run_reads import get_current_run_context
from pydantic_hivemind.adapters.pydantic_deep.checkpoint_store import HivemindCheckpointStore
from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.hive.async_scope import read_few
from pydantic_hivemind.hive.internals import owner_and_sessions
from pydantic_hivemind.hive.scope import Scope

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_deep.features.checkpointing import Checkpoint, CheckpointStore

KEPT = 64
"""Number of stores that are kept for later runs: each remembers the messages that it saved last."""

_SHARED = (
    "Checkpoints of several users would be in one store: {which}. Leave `checkpoint_store` out, and each run has a "
    "store in its own scope, or pass `HivemindCheckpointStore(scope)` with the run's scope in its `DeepAgentDeps`."
)


class RunCheckpoints:
    """A checkpoint store that is, in each run, that of the run's own scope and conversation.

    Outside of scopes, for runs whose backend is another, it is one store in memory, as upstream's default is.

    Args:
        own: The store that the agent was made with, which only runs in its own scope may use.
    """

    def __init__(self, own: HivemindCheckpointStore | None = None) -> None:
        self._own = own
        self._stores: OrderedDict[tuple[Scope, str | None], HivemindCheckpointStore] = OrderedDict()
        self._lock = Lock()
        self._elsewhere: CheckpointStore | None = None

    async def save(self, checkpoint: Checkpoint) -> None:
        """Save or overwrite a checkpoint.

        Raises:
            CheckpointError: It cannot be stored.
        """
        await (await self._store()).save(checkpoint)

    async def get(self, checkpoint_id: str) -> Checkpoint | None:
        """Return the checkpoint of that id, or `None`.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).get(checkpoint_id)

    async def get_by_label(self, label: str) -> Checkpoint | None:
        """Return the checkpoint with that label that was saved first, or `None`.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).get_by_label(label)

    async def list_all(self) -> list[Checkpoint]:
        """Return every checkpoint, sorted by creation time.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).list_all()

    async def remove(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint, and return whether it existed.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).remove(checkpoint_id)

    async def remove_oldest(self) -> bool:
        """Remove the oldest checkpoint, and return whether there was one.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).remove_oldest()

    async def count(self) -> int:
        """Return the number of checkpoints.

        Raises:
            UserError: The run may not use the agent's store.
        """
        return await (await self._store()).count()

    async def clear(self) -> None:
        """Remove every checkpoint.

        Raises:
            UserError: The run may not use the agent's store.
        """
        await (await self._store()).clear()

    async def _store(self) -> CheckpointStore:
        ctx = get_current_run_context()
        if ctx is None:
            raise UserError(
                "The agent's checkpoints are those of its runs: use `HivemindCheckpointStore(scope)` outside."
            )
        scope = await found_scope(ctx)
        if scope is None:
            return self._in_memory()
        if self._own is not None:
            await _check(self._own, scope)
            return self._own
        return self._of(scope, ctx.conversation_id)

    def _of(self, scope: Scope, conversation: str | None) -> HivemindCheckpointStore:
        with self._lock:
            key = scope, conversation or None
            store = self._stores.get(key) or HivemindCheckpointStore(scope, conversation=key[1])
            self._stores[key] = store
            self._stores.move_to_end(key)
            while len(self._stores) > KEPT:
                self._stores.popitem(last=False)
            return store

    def _in_memory(self) -> CheckpointStore:
        if self._elsewhere is None:
            from pydantic_deep.features.checkpointing import InMemoryCheckpointStore

            self._elsewhere = InMemoryCheckpointStore()
        return self._elsewhere


class CheckOfStores(AbstractCapability[Any]):
    """Refuses a run whose `deps.checkpoint_store` is that of another scope."""

    async def before_run(self, ctx: RunContext[Any]) -> None:
        """Compare the store of the run with its scope.

        Raises:
            UserError: They do not belong together.
        """
        store = getattr(ctx.deps, "checkpoint_store", None)
        if isinstance(store, HivemindCheckpointStore):
            scope = await found_scope(ctx)
            if scope is not None:
                await _check(store, scope)


def default_store(given: object) -> RunCheckpoints:
    """Return the checkpoint store of an agent, from its option `checkpoint_store`.

    Raises:
        UserError: It would be shared by the scopes of all runs.
    """
    if given is None or isinstance(given, HivemindCheckpointStore):
        return RunCheckpoints(given)
    if isinstance(given, RunCheckpoints):
        return given
    raise UserError(_SHARED.format(which=f"`checkpoint_store={type(given).__name__}(...)` of the agent"))


async def _check(store: HivemindCheckpointStore, scope: Scope) -> None:
    """Refuse a store that other users may have as well: one of a scope's session is in the scope, or the session."""
    if store.scope != scope and store.scope not in await read_few(scope, lambda: owner_and_sessions(scope)):
        raise UserError(_SHARED.format(which="this run works in one scope, and its `checkpoint_store` is another's"))
