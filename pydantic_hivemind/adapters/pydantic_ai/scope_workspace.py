"""A scope as the environment that a pydantic-ai run works in, and the capability that gives each run its own.

Files only, unless there is another workspace below. The core raises the builtin file errors that the workspace
contract asks for; what is added here is the contract's own error for a scope that is gone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar

import anyio.to_thread
from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.workspaces import (
    FileEntry,
    SupportsCommands,
    SupportsFilesystem,
    SupportsRealpath,
    Workspace,
    WorkspaceBackend,
    WorkspaceRef,
    WorkspaceUnavailableError,
)

from pydantic_hivemind.adapters.backends.run_reads import RunFiles, for_caller
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import layered
from pydantic_hivemind.adapters.pydantic_ai.refs import PROVIDER, scope_name, scope_ref, split_ref
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.errors import ScopeNotFound, StoreClosed
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope

DEFAULT_PARENT = "workspaces"
"""The scope under which runs that name no other get their sessions."""

SESSION_NAME = re.compile("workspace-[0-9a-f]{32}")
"""The names of the sessions made here, and the only ones that a ref opens: histories come back from clients, who
can write any ref into them, so what it names must be nothing else's and not to be guessed."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Environment:
    """A scope that was found or made, and the view that runs have of its files."""

    scope: Scope
    files: RunFiles


class ScopeWorkspace(WorkspaceBackend, SupportsFilesystem, SupportsRealpath):
    """A scope as a pydantic-ai workspace. Nothing is read or made before the first operation.

    Args:
        scope: The scope, or what finds or makes it on first use.
        ref: The ref of a scope that is found on first use.
    """

    def __init__(self, scope: Scope | Callable[[], Scope], *, ref: WorkspaceRef | None = None) -> None:
        self._open: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope
        self._ref = scope_ref(scope.name) if isinstance(scope, Scope) else ref
        self._environment: _Environment | None = None
        self._opening = Lock()

    @property
    def ref(self) -> WorkspaceRef | None:
        """Names the scope; `None` until a new session is made."""
        return self._ref

    def open(self) -> Scope:
        """The scope, which is found or made if it was not yet. Waits for the store."""
        return (self._environment or self._open_once()).scope

    async def working_dir(self) -> str:
        """The root of the scope."""
        await self._opened()
        return "/"

    async def read_bytes(self, path: str) -> bytes:
        """A file's bytes, exactly as they were written."""
        return (await self._read(lambda opened: opened.files.read(path))).data

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file, making the directories above it; changes that the run has not seen are kept."""
        await self._write(lambda opened: opened.files.write(path, data))

    async def stat(self, path: str) -> FileEntry:
        """What is known of a file or directory."""
        return _entry(await self._read(lambda opened: opened.scope.stat(path)))

    async def list_dir(self, path: str) -> list[FileEntry]:
        """What is directly in a directory, by name."""
        return [_entry(stat) for stat in await self._read(lambda opened: opened.scope.list_dir(path))]

    async def make_dir(self, path: str) -> None:
        """Make a directory and those above it; fine if it is there."""
        await self._write(lambda opened: opened.scope.make_dir(path))

    async def remove(self, path: str) -> None:
        """Remove a file, or a directory and everything in it."""

        def remove(opened: _Environment) -> None:
            opened.scope.remove(path)
            opened.files.changed(path)

        await self._write(remove)

    async def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""
        return await self._read(lambda opened: opened.scope.exists(path))

    async def realpath(self, path: str) -> str:
        """The path without `.` and `..`: a scope has no links."""
        return normalize(path)

    async def destroy(self) -> None:
        """Destroy the scope and everything in it."""
        await self._write(lambda opened: opened.scope.destroy())

    # -- the one place where asynchronous callers meet the synchronous core ----------------------

    async def _opened(self) -> _Environment:
        """The scope; it is found or made by the first operation, once however many start together."""
        with _unavailable_if_gone():
            return self._environment or await anyio.to_thread.run_sync(self._open_once)

    def _open_once(self) -> _Environment:
        with self._opening:
            if self._environment is None:
                scope = self._open()
                scope.stat("/")  # Raises if it is gone.
                self._ref = self._ref or scope_ref(scope.name)
                self._environment = _Environment(scope, RunFiles(scope))
            return self._environment

    async def _read(self, work: Callable[[_Environment], Result]) -> Result:
        """Read on the event loop: 0.05 ms that wait for nobody, where a thread takes 0.3 ms.

        A store that is reached over a network would have to go to a thread, as writes do.
        """
        opened = await self._opened()
        with _unavailable_if_gone():
            return work(opened)

    async def _write(self, work: Callable[[_Environment], object]) -> None:
        """Write on a thread: it waits for the disk, and for other writers."""
        opened = await self._opened()
        with _unavailable_if_gone():
            await anyio.to_thread.run_sync(for_caller(work), opened)


@contextmanager
def _unavailable_if_gone() -> Generator[None, None, None]:
    """Turn the errors after which no retry can succeed into the contract's own."""
    try:
        yield
    except (ScopeNotFound, StoreClosed) as error:
        raise WorkspaceUnavailableError(f"the workspace is not available: {error}") from error


def _entry(stat: Stat) -> FileEntry:
    return FileEntry(name=stat.name, path=stat.path, is_dir=stat.is_dir, size=None if stat.is_dir else stat.size)


@dataclass
class HivemindWorkspace(AbstractCapability[Any]):
    """Gives each run of an agent the workspace of its scope.

    The scope comes from the run's dependencies: `deps.backend` is a `HivemindBackend` or a session. A ref in a
    message history can only confirm it. Without such a backend every conversation gets a session of its own
    under `parent`, and its ref leads back to it: whoever has the ref has the session. No ref leads anywhere else.

    Args:
        hive: Where sessions are made.
        parent: The scope, or its name, that sessions are made under; `workspaces` if not given.
        over: A workspace, or the capability that supplies one, for everything but memory, plans and evicted
            tool results: other files and all commands are its own. Commands, and searches that run as
            commands, do not see what is kept in the scope; file tools do.
        ttl: Seconds that a session made here lives.
    """

    hive: Hivemind | None = None
    parent: Scope | str | None = None
    _: KW_ONLY
    over: WorkspaceBackend | AbstractCapability[Any] | None = None
    ttl: float | None = None
    id: str | None = "hivemind_workspace"

    @classmethod
    def combine(cls, capabilities: Sequence[AbstractCapability[Any]]) -> AbstractCapability[Any]:
        """The last one replaces those before it: two scopes are never mixed."""
        return capabilities[-1]

    @property
    def runs_commands(self) -> bool:
        """Whether the workspace below, if there is one, may run commands."""
        if isinstance(self.over, Workspace):
            return not self.over.read_only and isinstance(self.over.backend, SupportsCommands)
        return isinstance(self.over, AbstractCapability | SupportsCommands)

    def get_workspace(self, ctx: RunContext[Any], *, ref: WorkspaceRef | None) -> WorkspaceBackend | None:
        """The run's workspace, or `None` for a ref that another capability knows.

        Raises:
            UserError: The ref is of another scope than the run's or of no session made here, or the run has no scope.
        """
        if ref is not None and ref.provider != PROVIDER:
            return None
        mine, below = (ref, None) if ref is None else split_ref(ref)
        backend = backend_of(getattr(ctx.deps, "backend", None))
        if backend is None:
            upper = self._session(mine)
        elif mine is None or mine == scope_ref(backend.name):
            upper = ScopeWorkspace(lambda: backend.scope, ref=scope_ref(backend.name))
        else:
            raise UserError(
                "The message history continues in another workspace than the one of this run's `deps.backend`. Pass "
                "`workspace='new'` to go on in the workspace of `deps.backend`, or the workspace to continue in."
            )
        lower = self.over.get_workspace(ctx, ref=below) if isinstance(self.over, AbstractCapability) else self.over
        if self.over is not None and lower is None:
            return None
        workspace = upper if lower is None else layered(upper, lower)
        # A history from before there was a workspace below, or from over another one, does not go on here.
        return workspace if ref is None or workspace.ref == ref else None

    def backend(self, ref: WorkspaceRef | None = None) -> WorkspaceBackend:
        """A workspace outside a run: of a new session, or of the one a ref names. Nothing happens before its first use.

        Raises:
            UserError: The ref is of no session made here; `hive.scope(name).workspace()` opens any other scope.
        """
        mine = None if ref is None else split_ref(ref)[0]
        upper = self._session(mine)
        if isinstance(self.over, AbstractCapability):
            raise UserError("A capability in `over` supplies its workspace to runs only; give it a workspace backend.")
        return upper if self.over is None else layered(upper, self.over)

    async def destroy(self, ref: WorkspaceRef) -> None:
        """Destroy the session that a ref names; fine if it is gone.

        Raises:
            UserError: The ref is of no session made here.
        """
        with suppress(WorkspaceUnavailableError):
            await self._session(split_ref(ref)[0]).destroy()

    # -- which scope ---------------------------------------------------------------------------

    def _session(self, ref: WorkspaceRef | None) -> ScopeWorkspace:
        """A new session under the parent, or one of the parent's that a ref names."""
        if self.hive is None and not isinstance(self.parent, Scope):
            raise UserError(
                "There is no scope for this run: set `deps.backend` to a HivemindBackend or a session, or give "
                "HivemindWorkspace a hive."
            )
        if ref is None:
            return ScopeWorkspace(lambda: self._parent().spawn(f"workspace-{uuid.uuid4().hex}", ttl=self.ttl))
        name = scope_name(ref)
        if not SESSION_NAME.fullmatch(name):
            raise UserError(
                "The workspace ref is of no session that HivemindWorkspace made. In a run, pass `workspace='new'` to "
                "go on in a new one; elsewhere, open a scope with `hive.scope(name).workspace()`."
            )
        return ScopeWorkspace(lambda: self._parent().session(name), ref=ref)

    def _parent(self) -> Scope:
        if isinstance(self.parent, Scope):
            return self.parent
        assert self.hive is not None
        return self.hive.scope(DEFAULT_PARENT if self.parent is None else self.parent)


def backend_of(backend: object) -> HivemindBackend | None:
    """What `deps.backend` is, without the asynchronous adapter it may be wrapped in; `None` without a backend.

    Raises:
        UserError: The backend keeps its files elsewhere.
    """
    unwrap = getattr(backend, "unwrap", None)
    raw: object = unwrap() if callable(unwrap) else backend
    if raw is None or isinstance(raw, HivemindBackend):
        return raw
    raise UserError(
        f"`deps.backend` is a {type(raw).__name__}, which has no scope of Hivemind; "
        "give it a HivemindBackend or a session."
    )
