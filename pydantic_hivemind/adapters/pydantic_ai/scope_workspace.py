"""`ScopeWorkspace`: a scope as a pydantic-ai workspace. `HivemindWorkspace`: the capability that gives it to runs.

It holds files only, unless another workspace is below. The core raises the builtin file errors of the workspace
contract; this module adds the contract's error for a scope that was destroyed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, TypeVar

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
from pydantic_hivemind.hive.async_hivemind import AsyncHivemind, sync_hive
from pydantic_hivemind.hive.async_scope import AsyncScope, read_few, read_file, sync_scope
from pydantic_hivemind.hive.async_seam import on_thread, perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope

DEFAULT_PARENT = "workspaces"
"""Name of the scope under which sessions are created for runs that name no parent."""

SESSION_NAME = re.compile("workspace-[0-9a-f]{32}")
"""Pattern of the names of sessions created here, the only ones that a ref opens. Histories come back from clients, who
can write any ref into them, so refs must name nothing else and must not be guessable."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Environment:
    """A scope that was found or made, and the view that runs have of its files."""

    scope: Scope
    files: RunFiles


class ScopeWorkspace(WorkspaceBackend, SupportsFilesystem, SupportsRealpath):
    """A scope as a pydantic-ai workspace. Nothing is read or created before the first operation.

    Every operation raises `WorkspaceUnavailableError` if the scope was destroyed or the hive is closed, and
    `StoreError` if the store fails.

    Args:
        scope: The scope, or a function that finds or creates it on first use.
        ref: The ref, for a scope that is found on first use.
    """

    def __init__(self, scope: Scope | AsyncScope | Callable[[], Scope], *, ref: WorkspaceRef | None = None) -> None:
        if isinstance(scope, Scope | AsyncScope):
            own = sync_scope(scope)
            self._open: Callable[[], Scope] = lambda: own
            ref = scope_ref(own.name)
        else:
            self._open = scope
        self._ref = ref
        self._is_new = ref is None
        self._environment: _Environment | None = None
        self._opening = Lock()
        # Tasks that wait for it to be opened, and whether any has had it.
        self._waiting = 0
        self._is_used = False

    @property
    def ref(self) -> WorkspaceRef | None:
        """Ref of the scope; `None` until a new session is created."""
        return self._ref

    def open(self) -> Scope:
        """Return the scope, finding or creating it if needed. This waits for the store.

        Raises:
            ScopeNotFound: The scope does not exist, or was destroyed.
            StoreError: The store failed.
        """
        self._is_used = True
        return (self._environment or self._open_once()).scope

    async def working_dir(self) -> str:
        """Return the root of the scope.

        Raises:
            WorkspaceUnavailableError: The scope does not exist, was destroyed, or the hive is closed.
        """
        await self._opened()
        return "/"

    async def read_bytes(self, path: str) -> bytes:
        """Return a file's content, exactly as it was written.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
        """
        opened = await self._opened()
        with _unavailable_if_gone():
            return (await read_file(opened.scope, path, for_caller(partial(opened.files.read, path)))).data

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file, creating parent directories as needed; concurrent changes since the run read it are merged.

        Raises:
            MergeConflict: The file changed in the same lines since the run read it.
            InvalidPath: The path is not valid.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            FileTooLarge: The content exceeds `MAX_FILE_BYTES`.
        """
        await self._write(lambda opened: opened.files.write(path, data))

    async def stat(self, path: str) -> FileEntry:
        """Return the metadata of a file or directory.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such file or directory exists.
            NotADirectory: A parent of the path is a file.
        """
        return _entry(await self._read(lambda opened: opened.scope.stat(path)))

    async def list_dir(self, path: str) -> list[FileEntry]:
        """Return the entries of a directory, sorted by name.

        Raises:
            InvalidPath: The path is not valid.
            PathNotFound: No such directory exists.
            NotADirectory: The path, or a parent of it, is a file.
        """
        opened = await self._opened()
        with _unavailable_if_gone():
            return [_entry(stat) for stat in await on_thread(opened.scope.list_dir, path)]

    async def make_dir(self, path: str) -> None:
        """Create a directory and its parents; an existing directory is left unchanged.

        Raises:
            InvalidPath: The path is not valid.
            PathExists: The path is a file.
            NotADirectory: A parent of the path is a file.
        """
        await self._write(lambda opened: opened.scope.make_dir(path))

    async def remove(self, path: str) -> None:
        """Remove a file, or a directory and everything in it.

        Raises:
            InvalidPath: The path is not valid, or is the root.
            PathNotFound: No such file or directory exists.
            NotADirectory: A parent of the path is a file.
        """

        def remove(opened: _Environment) -> None:
            opened.scope.remove(path)
            opened.files.changed(path)

        await self._write(remove)

    async def exists(self, path: str) -> bool:
        """Return whether a file or directory exists at the path.

        Raises:
            InvalidPath: The path is not valid.
        """
        return await self._read(lambda opened: opened.scope.exists(path))

    async def realpath(self, path: str) -> str:
        """Return the path without `.` and `..`: a scope has no links."""
        return normalize(path)

    async def destroy(self) -> None:
        """Destroy the scope and everything in it.

        Raises:
            WorkspaceUnavailableError: The scope does not exist, was destroyed, or the hive is closed.
            ScopeHasChildren: Other scopes read through it.
        """
        await self._write(lambda opened: opened.scope.destroy())

    # -- helpers -------------------------------------------------------------------------------

    async def _opened(self) -> _Environment:
        """The scope; it is found or made by the first operation, once however many start together."""
        if self._environment is None:
            self._waiting += 1
            try:
                with _unavailable_if_gone():
                    environment = await perform(self._open_once, undo=self._undo)
            finally:
                self._waiting -= 1
        else:
            environment = self._environment
        self._is_used = True
        return environment

    def _open_once(self) -> _Environment:
        with self._opening:
            if self._environment is None:
                scope = self._open()
                if not self._is_new:
                    scope.stat("/")  # Raises if it is gone.
                self._ref = self._ref or scope_ref(scope.name)
                self._environment = _Environment(scope, RunFiles(scope))
            return self._environment

    def _undo(self, opened: _Environment) -> None:
        """The task that opened it was cancelled: a session that was made for it alone is of use to nobody."""
        with self._opening:
            if self._is_new and not self._is_used and self._waiting == 1 and self._environment is opened:
                self._environment = self._ref = None
                with suppress(ScopeNotFound):
                    opened.scope.destroy(cascade=True)

    async def _read(self, work: Callable[[_Environment], Result]) -> Result:
        """Read a few rows."""
        opened = await self._opened()
        with _unavailable_if_gone():
            return await read_few(opened.scope, partial(work, opened))

    async def _write(self, work: Callable[[_Environment], object]) -> None:
        """Write on a thread: it waits for the disk, and for other writers."""
        opened = await self._opened()
        with _unavailable_if_gone():
            await on_thread(for_caller(work), opened)


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
    """A capability that gives each run of an agent the workspace of its scope.

    The scope comes from the run's dependencies: `deps.backend` is a `HivemindBackend` or a session. A ref in a message
    history can only confirm it. Without such a backend, every conversation gets a session of its own under `parent`,
    and its ref leads back to it: whoever has the ref has the session. No ref opens any other scope.

    Args:
        hive: The store in which sessions are created.
        parent: The scope, or its name, under which sessions are created; `workspaces` if omitted.
        over: A workspace, or the capability that supplies one, for everything that no mount of the hive names; by
            default those name memory, plans and evicted tool results. It holds the other files and runs all commands.
            Commands, and searches that run as commands, do not see the files of the scope; file tools do.
        ttl: Seconds after which a session created here is removed; if omitted, it stays.
        id: Id of the capability.
    """

    hive: Hivemind | AsyncHivemind | None = None
    parent: Scope | AsyncScope | str | None = None
    _: KW_ONLY
    over: WorkspaceBackend | AbstractCapability[Any] | None = None
    ttl: float | None = None
    id: str | None = "hivemind_workspace"

    @classmethod
    def combine(cls, capabilities: Sequence[AbstractCapability[Any]]) -> AbstractCapability[Any]:
        """Return the last of several capabilities: two scopes are never mixed."""
        return capabilities[-1]

    @property
    def runs_commands(self) -> bool:
        """Whether the lower workspace, if there is one, may run commands."""
        if isinstance(self.over, Workspace):
            return not self.over.read_only and isinstance(self.over.backend, SupportsCommands)
        return isinstance(self.over, AbstractCapability | SupportsCommands)

    def get_workspace(self, ctx: RunContext[Any], *, ref: WorkspaceRef | None) -> WorkspaceBackend | None:
        """Return the run's workspace, or `None` for a ref that belongs to another capability.

        Raises:
            UserError: The ref is of another scope than the run's, or not of a session created here, or the run has no
                scope.
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
        workspace = upper if lower is None else layered(upper, lower, upper.open)
        # A history from before there was a workspace below, or from over another one, does not go on here.
        return workspace if ref is None or workspace.ref == ref else None

    def backend(self, ref: WorkspaceRef | None = None) -> WorkspaceBackend:
        """Return a workspace for use outside a run: a new session, or the one that a ref names.

        Nothing is created before the first operation.

        Raises:
            UserError: The ref is not of a session created here, or `over` is a capability. Use
                `hive.scope(name).workspace()` to open any other scope.
            ValueError: The ref belongs to another provider.
        """
        mine = None if ref is None else split_ref(ref)[0]
        upper = self._session(mine)
        if isinstance(self.over, AbstractCapability):
            raise UserError(
                "A capability in `over` supplies its workspace to runs only; pass a workspace backend as `over`."
            )
        return upper if self.over is None else layered(upper, self.over, upper.open)

    async def destroy(self, ref: WorkspaceRef) -> None:
        """Destroy the session that a ref names; does nothing if it was destroyed already.

        Raises:
            UserError: The ref is not of a session created here.
            ValueError: The ref belongs to another provider.
            ScopeHasChildren: Other scopes read through it.
            StoreError: The store failed.
        """
        with suppress(WorkspaceUnavailableError):
            await self._session(split_ref(ref)[0]).destroy()

    # -- which scope ---------------------------------------------------------------------------

    def _session(self, ref: WorkspaceRef | None) -> ScopeWorkspace:
        """Return the workspace of a new session under the parent, or of the one that a ref names."""
        if self.hive is None and not isinstance(self.parent, Scope | AsyncScope):
            raise UserError(
                "This run has no scope: set `deps.backend` to a HivemindBackend or a session, or pass "
                "`hive=` to HivemindWorkspace."
            )
        if ref is None:
            return ScopeWorkspace(lambda: self._parent().spawn(f"workspace-{uuid.uuid4().hex}", ttl=self.ttl))
        name = scope_name(ref)
        if not SESSION_NAME.fullmatch(name):
            raise UserError(
                "The workspace ref is not of a session that HivemindWorkspace created. In a run, pass "
                "`workspace='new'` to continue in a new one; elsewhere, use `hive.scope(name).workspace()`."
            )
        return ScopeWorkspace(lambda: self._parent().session(name), ref=ref)

    def _parent(self) -> Scope:
        if isinstance(self.parent, Scope | AsyncScope):
            return sync_scope(self.parent)
        assert self.hive is not None
        return sync_hive(self.hive).scope(DEFAULT_PARENT if self.parent is None else self.parent)


def backend_of(backend: object) -> HivemindBackend | None:
    """Return the backend of `deps.backend` without its asynchronous wrapper; `None` if there is no backend.

    Raises:
        UserError: The backend is not a `HivemindBackend`.
    """
    unwrap = getattr(backend, "unwrap", None)
    raw: object = unwrap() if callable(unwrap) else backend
    if raw is None or isinstance(raw, HivemindBackend):
        return raw
    raise UserError(
        f"`deps.backend` is a {type(raw).__name__}, which has no Hivemind scope; "
        "set it to a HivemindBackend or a session."
    )
