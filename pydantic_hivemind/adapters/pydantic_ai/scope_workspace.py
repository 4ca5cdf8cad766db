"""`ScopeWorkspace`: a scope as a pydantic-ai workspace.

The core raises the builtin file errors of the workspace contract; this module adds the contract's error for a scope
that was destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic_ai.workspaces import (
    FileEntry,
    SupportsFilesystem,
    SupportsRealpath,
    WorkspaceBackend,
    WorkspaceRef,
    WorkspaceUnavailableError,
)

from pydantic_hivemind.adapters.backends.run_reads import RunReads, for_caller
from pydantic_hivemind.adapters.pydantic_ai.refs import scope_ref
from pydantic_hivemind.base.fork_safety import Lock
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.errors import ScopeNotFound, StoreBusy, StoreClosed, VersionConflict
from pydantic_hivemind.hive.async_scope import AsyncScope, read_few, read_file, sync_scope
from pydantic_hivemind.hive.async_seam import on_thread, perform
from pydantic_hivemind.hive.scope import Scope

Result = TypeVar("Result")

MAX_ATTEMPTS = 100
"""Maximum number of attempts to change a file: each fails only because another write succeeded in between."""


@dataclass(frozen=True)
class _Environment:
    """A scope that was found or made, and the view that runs have of its files."""

    scope: Scope
    files: RunReads


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

    def __reduce__(self) -> tuple[type[ScopeWorkspace], tuple[Scope]]:
        """Pickle the scope alone."""
        return ScopeWorkspace, (self.open(),)

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

    async def change(self, path: str, work: Callable[[bytes], bytes]) -> bytes:
        """Replace a file's content by what is made of it, so that concurrent changes all take effect, and return it.

        Args:
            path: Path of the file.
            work: Called on a thread with the content, and again if the file has changed meanwhile.

        Raises:
            StoreBusy: Others changed the file at each of many attempts.
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            FileTooLarge: The new content exceeds `MAX_FILE_BYTES`.
        """
        opened = await self._opened()

        def change() -> bytes:
            for _ in range(MAX_ATTEMPTS):
                before = opened.scope.read(path)
                data = work(before.data)
                try:
                    opened.scope.write_bytes(path, data, expected_version=before.stat.version)
                except VersionConflict:
                    continue
                opened.files.changed(path)
                return data
            raise StoreBusy(f"others changed {path!r} at each of {MAX_ATTEMPTS} attempts; try again")

        with _unavailable_if_gone():
            return await on_thread(for_caller(change))

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

    async def with_scope(self, work: Callable[[Scope], Result]) -> Result:
        """Call `work` with the scope on a thread, and return what it returns.

        Raises:
            WorkspaceUnavailableError: The scope does not exist, was destroyed, or the hive is closed.
        """
        opened = await self._opened()
        with _unavailable_if_gone():
            return await on_thread(work, opened.scope)

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
                self._environment = _Environment(scope, RunReads(scope))
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
