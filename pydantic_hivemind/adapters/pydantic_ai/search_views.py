"""Workspaces that show upstream's search tools what was found already."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from pydantic_ai.workspaces import (
    CommandResult,
    FileEntry,
    SupportsCommands,
    SupportsFilesystem,
    SupportsRealpath,
    WorkspaceBackend,
    WorkspaceCommand,
    WorkspaceRef,
)

from pydantic_hivemind.adapters.pydantic_ai.workspace_search import WorkspaceSearch


class _View(WorkspaceBackend, SupportsRealpath):
    """What permission rules ask of a workspace, answered by the one that was searched."""

    def __init__(self, search: WorkspaceSearch) -> None:
        self._search = search

    @property
    def ref(self) -> WorkspaceRef | None:
        """Ref of the workspace that was searched."""
        return self._search.workspace.ref

    async def working_dir(self) -> str:
        """Return its working directory."""
        return await self._search.workspace.working_dir()

    async def realpath(self, path: str) -> str:
        """Return where a path leads in it."""
        return await self._search.workspace.realpath(path)


class CommandView(_View, SupportsCommands):
    """A workspace in which the one command that a search tool runs has an output that is known.

    Args:
        search: What was searched. A lower workspace runs the command, and its output comes first.
        output: What was found.
        nothing: The answer if nothing was found.
    """

    def __init__(self, search: WorkspaceSearch, output: str, nothing: CommandResult) -> None:
        super().__init__(search)
        self._output = output
        self._nothing = nothing

    async def run(
        self,
        command: WorkspaceCommand,
        *,
        shell: bool = False,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> CommandResult:
        """Return what was found, in the lower workspace too."""
        if self._search.lower is None:
            return _printed(self._output) if self._output else self._nothing
        below = await self._search.lower.run(command, shell=shell, env=env, timeout=timeout)
        if not self._output:
            return below
        # A directory that is in the scope alone is an error below.
        return _printed((below.stdout if below.exit_code == 0 else "") + self._output)


def _printed(output: str) -> CommandResult:
    return CommandResult(exit_code=0, stdout=output, stderr="")


class MatchesView(_View, SupportsFilesystem):
    """A workspace that has nothing but lines that were found, at their places, in files that are not."""

    ANYTHING = "."
    """The pattern that matches just those lines."""

    def __init__(self, search: WorkspaceSearch, found: Mapping[str, list[tuple[int, str]]]) -> None:
        super().__init__(search)
        self._found = found

    async def stat(self, path: str) -> FileEntry:
        """Return what is known of the path that is searched."""
        return await self._search.workspace.stat(path)

    async def list_dir(self, path: str) -> list[FileEntry]:
        """Return all files in which something was found, wherever they are."""
        del path
        return [FileEntry(name=posixpath.basename(file), path=file, is_dir=False, size=None) for file in self._found]

    async def read_bytes(self, path: str) -> bytes:
        """Return a text in which the lines that were not found are empty."""
        text: list[str] = []
        at = 1
        for number, line in self._found.get(path, ()):
            text.append("\n" * (number - at))
            text.append(" ".join(line.splitlines()) or " ")
            at = number
        return "".join(text).encode()

    async def exists(self, path: str) -> bool:
        """Return whether something is at a path."""
        return await self._search.workspace.exists(path)

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Refuse to write.

        Raises:
            PermissionError: Always.
        """
        del data
        raise PermissionError(f"{path!r} is shown to be searched, and cannot be written")

    async def make_dir(self, path: str) -> None:
        """Refuse to write.

        Raises:
            PermissionError: Always.
        """
        await self.write_bytes(path, b"")

    async def remove(self, path: str) -> None:
        """Refuse to write.

        Raises:
            PermissionError: Always.
        """
        await self.write_bytes(path, b"")
