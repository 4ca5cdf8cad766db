"""Workspaces that upstream's tools are given in place of the run's: what they ask of them is known already."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

from pydantic_ai.exceptions import SkipToolExecution
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

from pydantic_hivemind.adapters.pydantic_ai.workspace_search import WorkspaceSearch
from pydantic_hivemind.base.line_ends import rewritten
from pydantic_hivemind.base.text_content import readable
from pydantic_hivemind.hive.utf8 import check_editable


class _View(WorkspaceBackend, SupportsRealpath):
    """What permission rules ask of a workspace, answered by the run's own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def ref(self) -> WorkspaceRef | None:
        """Ref of the run's workspace."""
        return self._workspace.ref

    async def working_dir(self) -> str:
        """Return its working directory."""
        return await self._workspace.working_dir()

    async def realpath(self, path: str) -> str:
        """Return where a path leads in it."""
        return await self._workspace.realpath(path)


class CommandView(_View, SupportsCommands):
    """A workspace in which the one command that a search tool runs has an output that is known.

    Args:
        search: What was searched. A lower workspace runs the command, and its output comes first.
        output: What was found.
        nothing: The answer if nothing was found.

    Attributes:
        keep: Which files of the lower workspace count, by their path as it is printed before a colon.
    """

    def __init__(self, search: WorkspaceSearch, output: str, nothing: CommandResult) -> None:
        super().__init__(search.workspace)
        self._search = search
        self._output = output
        self._nothing = nothing
        self.keep: Callable[[str], bool] | None = None

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
        if self.keep is not None and below.exit_code == 0:
            lines = below.stdout.splitlines(keepends=True)
            below = _printed("".join(line for line in lines if self.keep(line.partition(":")[0])))
        if not self._output:
            return below
        # A directory that is in the scope alone is an error below.
        return _printed((below.stdout if below.exit_code == 0 else "") + self._output)


def _printed(output: str) -> CommandResult:
    return CommandResult(exit_code=0, stdout=output, stderr="")


class _FilesView(_View, SupportsFilesystem):
    """A view of files that nothing is written to."""

    async def stat(self, path: str) -> FileEntry:
        """Return what is known of a path."""
        return await self._workspace.stat(path)

    async def exists(self, path: str) -> bool:
        """Return whether something is at a path."""
        return await self._workspace.exists(path)

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


class MatchesView(_FilesView):
    """A workspace that has nothing but lines that were found, at their places, in files that are not."""

    ANYTHING = "."
    """The pattern that matches just those lines."""

    def __init__(self, search: WorkspaceSearch, found: Mapping[str, list[tuple[int, str]]]) -> None:
        super().__init__(search.workspace)
        self._found = found

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


class TextView(_View, SupportsFilesystem):
    """The run's workspace for tools that read text, change it and write it back whole, as those of memory do.

    They get it decoded as far as that goes, with line feeds alone at line ends; files keep their line ends, and what is
    not UTF-8 is not written over.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._read: dict[str, bytes] = {}

    @property
    def shown(self) -> Workspace:
        """The run's workspace."""
        return self._workspace

    async def read_bytes(self, path: str) -> bytes:
        """Return a file's text.

        Raises:
            OSError: The file cannot be read.
        """
        self._read[path] = data = await self._workspace.read_bytes(path)
        text = readable(data)
        return data if text is None else text.text.encode(errors="replace")

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file with the line ends that it had when it was read.

        Raises:
            NotText: The file is not UTF-8 text.
            OSError: The file cannot be written.
        """
        before = self._read.get(path)
        if before is not None:
            # Read again, it might have what others wrote meanwhile, and what replaces it would undo that.
            check_editable(path, before)
            data = rewritten(before, data)
        await self._workspace.write_bytes(path, data)

    async def stat(self, path: str) -> FileEntry:
        """Return what is known of a path."""
        return await self._workspace.stat(path)

    async def exists(self, path: str) -> bool:
        """Return whether something is at a path."""
        return await self._workspace.exists(path)

    async def list_dir(self, path: str) -> Sequence[FileEntry]:
        """Return the entries of a directory."""
        return await self._workspace.list_dir(path)

    async def make_dir(self, path: str) -> None:
        """Create a directory and its parents."""
        await self._workspace.make_dir(path)

    async def remove(self, path: str) -> None:
        """Remove a file or directory."""
        await self._workspace.remove(path)


class ReachedView(_FilesView):
    """A workspace that tells when a tool has come as far as reading or writing a file, past the permission rules.

    Args:
        workspace: The run's workspace.
        content: What every file has; if omitted, reading is as far as it is to come.
    """

    class Reached(SkipToolExecution):
        """A tool came as far as that. Upstream lets errors of this kind through."""

    def __init__(self, workspace: Workspace, content: bytes | None = None) -> None:
        super().__init__(workspace)
        self._content = content

    async def list_dir(self, path: str) -> Sequence[FileEntry]:
        """Return the entries of a directory."""
        return await self._workspace.list_dir(path)

    async def read_bytes(self, path: str) -> bytes:
        """Return the content of every file.

        Raises:
            Reached: There is to be none.
        """
        if self._content is None:
            raise self.Reached(path)
        return self._content

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write nothing.

        Raises:
            Reached: Always.
        """
        del data
        raise self.Reached(path)
