"""`AsyncScope`: the asynchronous face of `Scope`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.hive.async_messages import AsyncCheckpoints, AsyncConversation
from pydantic_hivemind.hive.async_proposals import AsyncProposal
from pydantic_hivemind.hive.async_seam import awaited, handing_out, perform
from pydantic_hivemind.hive.handle import KEEP, Keep, ScopeHandle, database_of, row_of
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.promotion.proposals import Proposal

Result = TypeVar("Result")


def _is_read_on_loop(scope: Scope, path: str) -> bool:  # noqa: ARG001 - the arguments are those of the method
    """Return whether the engine permits a read of a few rows on the event loop."""
    return database_of(scope).may_read_on_loop()


def _is_small(scope: Scope, path: str) -> bool:
    """Return whether the engine permits reading this file, and hence its size, on the event loop."""
    database = database_of(scope)
    if not database.may_read_on_loop():
        return False
    try:
        return database.may_read_on_loop(scope.stat(path).size)
    except HivemindError:
        return True  # Reading it finds out the same, and says it.


async def read_few(scope: Scope, work: Callable[[], Result]) -> Result:
    """Do some work that reads a few rows of a scope: on the event loop where the engine lets it."""
    return work() if database_of(scope).may_read_on_loop() else await perform(work, threads="quick")


async def read_file(scope: Scope, path: str, work: Callable[[], Result]) -> Result:
    """Do some work that reads a file of a scope: on the event loop where the engine lets it."""
    return work() if _is_small(scope, path) else await perform(work, threads="quick")


def sync_scope(scope: Scope | AsyncScope) -> Scope:
    """A scope for code that does not await, from either."""
    return scope.sync if isinstance(scope, AsyncScope) else scope


def _awaited_scope(scope: Scope) -> AsyncScope:
    return AsyncScope(scope)


def _awaited_proposals(proposals: list[Proposal]) -> list[AsyncProposal]:
    return [AsyncProposal(proposal) for proposal in proposals]


class AsyncScope(ScopeHandle):
    """A `Scope` for asynchronous code: its methods are awaited, with the same arguments and errors.

    Whatever queries the store is a method, such as `children`; whatever does not is a property, such as `name`, `chain`
    and `parent`. Made by `AsyncHivemind.scope` and `spawn`. It is safe to use from any number of tasks at once.

    If a task is cancelled while it awaits a change, the change is made completely or not at all, and no work continues
    in the background. A scope that `spawn` made for a cancelled task is destroyed.

    Args:
        scope: The scope to wrap.
    """

    __slots__ = ("_sync",)

    def __init__(self, scope: Scope) -> None:
        super().__init__(database_of(scope), row_of(scope), scope.chain)
        self._sync = scope

    @property
    def sync(self) -> Scope:
        """The synchronous scope, for code that does not await, such as a synchronous tool."""
        return self._sync

    @property
    def parent(self) -> AsyncScope | None:
        """The scope that this one reads through to; `None` for a root."""
        above = self._sync.parent
        return None if above is None else AsyncScope(above)

    async def children(self) -> tuple[AsyncScope, ...]:
        """Return the scopes whose parent is this one, sorted by name.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        return tuple(map(AsyncScope, await perform(lambda: self._sync.children)))

    read = awaited(Scope.read, on_loop=_is_small)
    read_bytes = awaited(Scope.read_bytes, on_loop=_is_small)
    read_text = awaited(Scope.read_text, on_loop=_is_small)
    exists = awaited(Scope.exists, on_loop=_is_read_on_loop)
    stat = awaited(Scope.stat, on_loop=_is_read_on_loop)
    list_dir = awaited(Scope.list_dir)
    glob = awaited(Scope.glob)
    grep = awaited(Scope.grep)
    grep_by_file = awaited(Scope.grep_by_file)
    history = awaited(Scope.history)
    recent = awaited(Scope.recent)
    # Others wait for what one search adds to an index: it goes on although nobody awaits it any more.
    search = awaited(Scope.search, interruptible=False)
    collection = awaited(Scope.collection, interruptible=False)
    diff = awaited(Scope.diff)

    info = awaited(Scope.info)
    renew = awaited(Scope.renew)
    destroy = awaited(Scope.destroy)

    async def move(self, *, name: str | None = None, parent: ScopeHandle | str | Keep | None = KEEP) -> None:
        """Rename the scope, or give it another parent, as `Scope.move` does.

        Args:
            name: The new name; if omitted, it stays.
            parent: The scope to read through from now on, or its name; `None` makes the scope a root. If omitted, the
                parent stays.

        Raises:
            InvalidOption: Neither is given.
            ScopeExists: A scope of the new name exists already.
            ScopeNotFound: The parent does not exist.
            InvalidScope: The name is not valid, the parent is the scope itself, under it, or in another hive, or the
                chain would be too long.
        """
        await perform(partial(self._sync.move, name=name, parent=parent))
        self._row, self._names = row_of(self._sync), self._sync.chain

    session = handing_out(_awaited_scope, Scope.session)

    write_bytes = awaited(Scope.write_bytes)
    write_text = awaited(Scope.write_text)
    edit = awaited(Scope.edit)
    merge = awaited(Scope.merge)
    make_dir = awaited(Scope.make_dir)
    remove = awaited(Scope.remove)
    tag = awaited(Scope.tag)
    restore = awaited(Scope.restore)
    promote = awaited(Scope.promote)
    revert = awaited(Scope.revert)
    propose = handing_out(AsyncProposal, Scope.propose)
    proposals = handing_out(_awaited_proposals, Scope.proposals)
    proposal = handing_out(AsyncProposal, Scope.proposal)

    conversation = handing_out(AsyncConversation, Scope.conversation)
    conversations = awaited(Scope.conversations)
    checkpoints = handing_out(AsyncCheckpoints, Scope.checkpoints)
    workspace = awaited(Scope.workspace)

    async def spawn(self, name: str | None = None, *, ttl: float | None = None, attach: bool = False) -> AsyncScope:
        """Make a session under this scope, as `Scope.spawn` does; a cancelled task leaves no session behind.

        Args:
            name: Name of the session in the hive; generated if omitted.
            ttl: Seconds after which the session is removed; if omitted, it stays until `destroy`.
            attach: Return the session of that name if this scope has one already, and renew its ttl.

        Raises:
            InvalidScope: The name or the ttl is not valid, or the chain would be too long.
            ScopeExists: A scope of that name exists already.
        """
        work = partial(self._sync.spawn, name, ttl=ttl, attach=attach)
        # One that was there already is somebody else's too.
        return AsyncScope(await perform(work, undo=None if attach else Scope.destroy))
