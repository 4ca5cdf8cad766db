"""A scope's workspace over another one: what the hive's mounts name above, the rest below.

Commands see only the lower workspace; file operations see both, and so do the agent's `grep` and `glob` (`file_tools`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from pydantic_ai.workspaces import (
    CommandResult,
    FileEntry,
    SupportsCommands,
    SupportsFilesystem,
    SupportsRealpath,
    Workspace,
    WorkspaceBackend,
    WorkspaceCommand,
    WorkspaceRef,
)

from pydantic_hivemind.adapters.pydantic_ai.refs import join_refs
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.base.paths import is_below
from pydantic_hivemind.hive.async_seam import on_thread
from pydantic_hivemind.hive.internals import mounts_of
from pydantic_hivemind.hive.scope import Scope


def layered(upper: WorkspaceBackend, lower: WorkspaceBackend, open_scope: Callable[[], Scope]) -> LayeredWorkspace:
    """Return a scope's workspace over another one; it runs commands if the lower one does.

    Args:
        upper: The scope's workspace.
        lower: The other one.
        open_scope: Returns the scope, at once if the upper workspace was used before.
    """
    lower = lower if isinstance(lower, Workspace) else Workspace(lower)
    kind = LayeredCommands if isinstance(lower.backend, SupportsCommands) else LayeredWorkspace
    return kind(Workspace(upper), lower, open_scope)


class LayeredWorkspace(WorkspaceBackend, SupportsFilesystem, SupportsRealpath):
    """The files of a scope's workspace over those of another one. Made by `layered`."""

    def __init__(self, upper: Workspace, lower: Workspace, open_scope: Callable[[], Scope]) -> None:
        self._upper = upper
        self._lower = lower
        self._open_scope = open_scope
        self._bases: tuple[str, ...] | None = None
        self._prefixes: tuple[str, ...] = ()

    @property
    def upper(self) -> WorkspaceBackend:
        """The scope's own workspace."""
        return self._upper.backend

    @property
    def lower(self) -> Workspace:
        """The workspace that has the other files."""
        return self._lower

    async def kept_places(self, path: str) -> list[tuple[str, str]]:
        """Return where files of the scope are at or below an absolute path: there, and in the scope."""
        _, kept = await self._kept(path)
        if kept is not None:
            return [(path, kept)]
        # The working directory may be the root; each place of the scope counts once.
        inside = {inner: place for place in await self._kept_inside(path) if (inner := (await self._kept(place))[1])}
        return [(place, inner) for inner, place in inside.items()]

    @property
    def ref(self) -> WorkspaceRef | None:
        """Ref of both workspaces; `None` until both exist."""
        if self._upper.ref is None or self._lower.ref is None:
            return None
        return join_refs(self._upper.ref, self._lower.ref)

    async def working_dir(self) -> str:
        """Return the working directory of the lower workspace."""
        await self._upper.working_dir()
        return await self._lower.working_dir()

    async def read_bytes(self, path: str) -> bytes:
        """Return a file's content."""
        _, kept = await self._kept(path)
        return await (self._lower.read_bytes(path) if kept is None else self._upper.read_bytes(kept))

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file, creating parent directories as needed."""
        _, kept = await self._kept(path)
        await (self._lower.write_bytes(path, data) if kept is None else self._upper.write_bytes(kept, data))

    async def change(self, path: str, work: Callable[[bytes], bytes]) -> bytes:
        """Replace a file's content by what `work` makes of it on a thread, as `ScopeWorkspace.change`, and return it.

        Raises:
            StoreBusy: Others changed the file at each of many attempts.
            OSError: The file cannot be read or written.
        """
        _, kept = await self._kept(path)
        if kept is not None and isinstance(self.upper, ScopeWorkspace):
            return await self.upper.change(kept, work)
        data = await on_thread(work, await self.read_bytes(path))
        await self.write_bytes(path, data)
        return data

    async def make_dir(self, path: str) -> None:
        """Create a directory and its parents; an existing directory is left unchanged."""
        _, kept = await self._kept(path)
        await (self._lower.make_dir(path) if kept is None else self._upper.make_dir(kept))

    async def exists(self, path: str) -> bool:
        """Return whether a file or directory exists at the path."""
        _, kept = await self._kept(path)
        if kept is not None:
            return await self._upper.exists(kept)
        return await self._lower.exists(path) or bool(await self._kept_inside(path))

    async def stat(self, path: str) -> FileEntry:
        """Return the metadata of a file or directory."""
        base, kept = await self._kept(path)
        if kept is not None:
            return _moved(await self._upper.stat(kept), base)
        try:
            return await self._lower.stat(path)
        except FileNotFoundError:
            if not await self._kept_inside(path):
                raise
            return _directory(path)

    async def list_dir(self, path: str) -> list[FileEntry]:
        """Return the entries of a directory, including the directories that are kept in the scope."""
        base, kept = await self._kept(path)
        if kept is not None:
            return [_moved(entry, base) for entry in await self._upper.list_dir(kept)]
        inside = await self._kept_inside(path)
        try:
            entries = {entry.name: entry for entry in await self._lower.list_dir(path)}
        except FileNotFoundError:
            if not inside:
                raise
            entries = {}
        for directory in inside:
            name = posixpath.relpath(directory, path).partition("/")[0]
            entries[name] = _directory(posixpath.join(path, name))
        return list(entries.values())

    async def remove(self, path: str) -> None:
        """Remove a file, or a directory and everything in it, from both workspaces."""
        _, kept = await self._kept(path)
        if kept is not None:
            await self._upper.remove(kept)
            return
        inside = await self._kept_inside(path)
        try:
            await self._lower.remove(path)
        except FileNotFoundError:
            if not inside:
                raise
        for directory in inside:
            _, kept = await self._kept(directory)
            if kept is not None:
                await self._upper.remove(kept)

    async def realpath(self, path: str) -> str:
        """Return the path with the links of the lower workspace resolved; a scope has no links."""
        base, kept = await self._kept(path)
        return await self._lower.realpath(path) if kept is None else base + kept

    # -- which side ----------------------------------------------------------------------------

    async def _kept(self, path: str) -> tuple[str, str | None]:
        """Return the base of a path and its path in the scope; `None` if it is not kept there."""
        normal = "/" + posixpath.normpath(path).lstrip("/")
        bases = await self._all_bases()
        for base in bases:
            if is_below(normal, base or "/"):
                inner = normal[len(base) :]
                if any(is_below(inner, prefix) for prefix in self._prefixes):
                    return base, inner
        return "", None

    async def _kept_inside(self, path: str) -> list[str]:
        """Return the existing directories below a path that are kept in the scope."""
        normal = "/" + posixpath.normpath(path).lstrip("/")
        bases = await self._all_bases()
        places = [(base + prefix, prefix) for base in bases for prefix in self._prefixes]
        return [place for place, prefix in places if is_below(place, normal) and await self._upper.exists(prefix)]

    async def _all_bases(self) -> tuple[str, ...]:
        """Return the possible bases of the directories in the scope: the working directory, and the root."""
        if self._bases is None:
            # Of the scope that the working directory has found or made.
            base = (await self.working_dir()).rstrip("/")
            self._prefixes = mounts_of(self._open_scope()).outermost
            self._bases = tuple(dict.fromkeys((base, "")))
        return self._bases


class LayeredCommands(LayeredWorkspace, SupportsCommands):
    """A `LayeredWorkspace` whose lower workspace runs commands. Made by `layered`."""

    async def run(
        self,
        command: WorkspaceCommand,
        *,
        shell: bool = False,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> CommandResult:
        """Run a command in the lower workspace; only `mv -f` with a path that is kept in the scope is executed here.

        The harness's `FileStore` writes a temporary file and moves it into place with that command.
        """
        if not isinstance(command, str) and list(command[:2]) == ["mv", "-f"] and len(command) == 4:  # noqa: PLR2004
            source, target = [await self._lower.resolve(path) for path in command[2:]]
            if (await self._kept(source))[1] is not None or (await self._kept(target))[1] is not None:
                return await self._move(source, target)
        return await self._lower.run(command, shell=shell, env=env, timeout=timeout)

    async def _move(self, source: str, target: str) -> CommandResult:
        try:
            await self.write_bytes(target, await self.read_bytes(source))
            await self.remove(source)
        except OSError as error:
            return CommandResult(exit_code=1, stdout="", stderr=f"mv: {error}\n")
        return CommandResult(exit_code=0, stdout="", stderr="")


def _moved(entry: FileEntry, base: str) -> FileEntry:
    """Return an entry of the scope with the base of the path that was asked for."""
    return FileEntry(name=entry.name, path=base + entry.path, is_dir=entry.is_dir, size=entry.size)


def _directory(path: str) -> FileEntry:
    return FileEntry(name=posixpath.basename(path), path=path, is_dir=True, size=None)
