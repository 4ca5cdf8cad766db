"""`AsyncScope`: a scope whose methods are awaited."""

from __future__ import annotations

from functools import partial

from pydantic_hivemind.hive.async_messages import AsyncCheckpoints, AsyncConversation
from pydantic_hivemind.hive.async_seam import awaited, handing_out, perform
from pydantic_hivemind.hive.handle import ScopeHandle
from pydantic_hivemind.hive.scope import Scope


def _is_read_on_loop(scope: Scope, path: str) -> bool:  # noqa: ARG001 - the arguments are those of the method
    """Whether the engine lets a read of a few rows run on the event loop."""
    return scope.kept_as[0].may_read_on_loop()


def _is_small(scope: Scope, path: str) -> bool:
    """Whether the engine lets a file be read on the event loop, and so its size as well."""
    database, _ = scope.kept_as
    return database.may_read_on_loop() and database.may_read_on_loop(scope.stat(path).size)


def _awaited_scope(scope: Scope) -> AsyncScope:
    return AsyncScope(scope)


class AsyncScope(ScopeHandle):
    """A `Scope` for asynchronous code: each method of it is awaited, with the same arguments and errors.

    What asks the store is a method here, as `children` is; what does not is a property, as `name`, `chain` and `parent`
    are. Made by `AsyncHivemind.scope` and `spawn`; any task may use it, and any number at once.

    A task that is cancelled while it awaits a change either made all of it or nothing, and nothing of it goes on. A
    scope that `spawn` made for it is destroyed.

    Args:
        scope: The scope, for one that is there already.
    """

    __slots__ = ("_sync",)

    def __init__(self, scope: Scope) -> None:
        super().__init__(*scope.kept_as, scope.chain)
        self._sync = scope

    @property
    def sync(self) -> Scope:
        """The same scope for code that does not await, as a tool that is no coroutine."""
        return self._sync

    @property
    def parent(self) -> AsyncScope | None:
        """The scope it reads through to."""
        above = self._sync.parent
        return None if above is None else AsyncScope(above)

    async def children(self) -> tuple[AsyncScope, ...]:
        """The scopes that read through to it directly, by name."""
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

    renew = awaited(Scope.renew)
    destroy = awaited(Scope.destroy)
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

    conversation = handing_out(AsyncConversation, Scope.conversation)
    conversations = awaited(Scope.conversations)
    checkpoints = handing_out(AsyncCheckpoints, Scope.checkpoints)
    workspace = awaited(Scope.workspace)

    async def spawn(self, name: str | None = None, *, ttl: float | None = None, attach: bool = False) -> AsyncScope:
        """A new session under this scope, as `Scope.spawn`; the task that is cancelled meanwhile leaves none."""
        work = partial(self._sync.spawn, name, ttl=ttl, attach=attach)
        # One that was there already is somebody else's too.
        return AsyncScope(await perform(work, undo=None if attach else Scope.destroy))
