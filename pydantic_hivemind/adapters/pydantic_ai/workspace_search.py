"""Search of the files of a run's workspace, in linear time and off the event loop."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from pydantic_ai.workspaces import SupportsCommands, Workspace

from pydantic_hivemind.adapters.pydantic_ai.layered_workspace import LayeredWorkspace
from pydantic_hivemind.adapters.pydantic_ai.scope_workspace import ScopeWorkspace
from pydantic_hivemind.base.matching.globs import file_filter, glob_matcher, is_hidden
from pydantic_hivemind.base.matching.line_search import Budget, LineSearch, line_search
from pydantic_hivemind.errors import PathNotFound
from pydantic_hivemind.hive.async_seam import on_thread

ROOTS = frozenset({"", "/", "."})
"""How upstream's tools are told to look everywhere."""

Found = list[tuple[str, list[tuple[int, str]]]]
"""Files with their matching lines."""


def search_of(workspace: Workspace) -> WorkspaceSearch | None:
    """Return the search of a run's workspace; `None` if it is not one of Hivemind's."""
    backend = workspace.backend
    if isinstance(backend, ScopeWorkspace):
        return ScopeSearch(workspace, backend)
    if isinstance(backend, LayeredWorkspace):
        runs = not workspace.read_only and isinstance(backend, SupportsCommands)
        return UpperSearch(workspace, backend) if runs else WalkingSearch(workspace)
    return None


class WorkspaceSearch:
    """What a workspace can be searched for.

    Attributes:
        workspace: The workspace.
        lower: The workspace below, if the command that upstream searches with is to run there too.
    """

    def __init__(self, workspace: Workspace, lower: Workspace | None = None) -> None:
        self.workspace = workspace
        self.lower = lower

    async def grep(self, pattern: str, path: str, *, glob: str | None, hidden: bool) -> Found:
        """Return the lines that match a regular expression, with their files.

        Raises:
            InvalidPattern: The pattern or glob is not one, or costs too much.
            PathNotFound: Nothing is at the path.
        """
        raise NotImplementedError

    async def glob(self, pattern: str, path: str) -> list[str]:
        """Return the files that match a glob at any depth below a directory, but hidden ones.

        Raises:
            InvalidPattern: The glob stands for too many others.
        """
        raise NotImplementedError

    async def printed_filter(self, glob: str, path: str) -> Callable[[str], bool]:
        """Return whether a file is selected by a glob, from its path as a command prints it that searches `path`.

        Raises:
            InvalidPattern: The glob stands for too many others.
        """
        root = await self.workspace.resolve(path)
        selected = file_filter(glob, under=root)
        return lambda printed: selected(posixpath.normpath(posixpath.join(root, posixpath.relpath(printed, path))))

    async def _root(self, path: str) -> str:
        return await self.workspace.resolve("." if path.strip() in ROOTS else path)


class ScopeSearch(WorkspaceSearch):
    """Search of a scope."""

    def __init__(self, workspace: Workspace, scope: ScopeWorkspace) -> None:
        super().__init__(workspace)
        self._scope = scope

    async def grep(self, pattern: str, path: str, *, glob: str | None, hidden: bool) -> Found:
        """Return matching lines of the scope."""
        under = await self.workspace.resolve(path)
        return await self._scope.with_scope(
            lambda scope: scope.grep_by_file(pattern, under, glob=glob, hidden=hidden) if scope.stat(under) else []
        )

    async def glob(self, pattern: str, path: str) -> list[str]:
        """Return matching files of the scope."""
        under = await self._root(path)
        anywhere = _anywhere(pattern)
        found = await self._scope.with_scope(lambda scope: scope.glob(anywhere, under, hidden=False))
        return [stat.path for stat in found]


class UpperSearch(WorkspaceSearch):
    """Search of a scope over a workspace that searches by commands; its paths are spelled as theirs."""

    def __init__(self, workspace: Workspace, layers: LayeredWorkspace) -> None:
        super().__init__(workspace, layers.lower)
        self._layers = layers

    async def grep(self, pattern: str, path: str, *, glob: str | None, hidden: bool) -> Found:
        """Return matching lines of the scope. Which of them are hidden is for upstream to say."""
        del hidden
        root = await self.workspace.resolve(path)
        selected = file_filter(glob, under=root) if glob else None
        found: Found = []
        for place, inner in await self._layers.kept_places(root):
            try:
                here = await self._scope.with_scope(lambda scope, inner=inner: scope.grep_by_file(pattern, inner))
            except PathNotFound:
                continue
            for file, lines in here:
                shown = place + file[len(inner) :]
                # Upstream takes the output apart at colons.
                if (selected is None or selected(shown)) and ":" not in shown:
                    found.append((_spelled(shown, root, path), lines))
        return found

    async def glob(self, pattern: str, path: str) -> list[str]:
        """Return matching files of the scope."""
        root = await self._root(path)
        matches = glob_matcher(_anywhere(pattern), under=root)
        found: list[str] = []
        for place, inner in await self._layers.kept_places(root):
            for stat in await self._scope.with_scope(lambda scope, inner=inner: scope.glob("**", inner)):
                shown = place + stat.path[len(inner) :]
                if matches(shown):
                    found.append(_spelled(shown, root, "." if path.strip() in ROOTS else path))
        return found

    @property
    def _scope(self) -> ScopeWorkspace:
        upper = self._layers.upper
        assert isinstance(upper, ScopeWorkspace)
        return upper


class WalkingSearch(WorkspaceSearch):
    """Search of any workspace, file by file."""

    async def grep(self, pattern: str, path: str, *, glob: str | None, hidden: bool) -> Found:
        """Return matching lines of all files."""
        search = line_search(pattern)
        root = await self.workspace.resolve(path)
        selected = file_filter(glob, under=root) if glob else None
        is_file = not (await self.workspace.stat(root)).is_dir
        found: Found = []
        for file in [root] if is_file else await self._files(root):
            shown = is_file or hidden or not is_hidden(file, under=root)
            if not shown or (selected is not None and not selected(file)):
                continue
            try:
                data = await self.workspace.read_bytes(file)
            except OSError:
                continue
            if lines := await on_thread(_matching, search, data):
                found.append((file, lines))
        return found

    async def glob(self, pattern: str, path: str) -> list[str]:
        """Return matching files."""
        root = await self._root(path)
        matches = glob_matcher(_anywhere(pattern), under=root, hidden=False)
        return sorted(file for file in await self._files(root) if matches(file))

    async def _files(self, root: str) -> list[str]:
        files: list[str] = []
        pending = [root]
        while pending:
            try:
                entries = await self.workspace.list_dir(pending.pop())
            except OSError:
                continue
            pending += [entry.path for entry in entries if entry.is_dir]
            files += [entry.path for entry in entries if not entry.is_dir]
        return files


def _matching(search: LineSearch, data: bytes) -> list[tuple[int, str]]:
    # The budget counts the thread's own time.
    return search.lines(data, Budget())


def _anywhere(pattern: str) -> str:
    """A glob at any depth, as upstream's `glob` takes every one."""
    return f"**/{pattern.removeprefix('**/')}"


def _spelled(file: str, root: str, asked: str) -> str:
    """A file as a command prints it that was told to look at `asked`."""
    relative = posixpath.relpath(file, root)
    return asked if relative == "." else posixpath.join(asked, relative)
