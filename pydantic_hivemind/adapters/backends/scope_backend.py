"""`HivemindBackend`: a scope as a file storage backend of pydantic-ai-backends."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from importlib import import_module
from operator import attrgetter
from typing import Any

from pydantic_ai_backends.types import EditResult, FileData, FileInfo, GrepMatch, WriteResult
from typing_extensions import Self

from pydantic_hivemind.adapters.backends.run_reads import ForCaller, RunReads
from pydantic_hivemind.adapters.backends.shown_files import shown_files
from pydantic_hivemind.base.matching.line_search import line_search
from pydantic_hivemind.base.matching.regex_classes import regex_problem
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.errors import (
    EditError,
    HivemindError,
    InvalidPath,
    InvalidPattern,
    IsADirectory,
    NotADirectory,
    NotText,
    PathNotFound,
)
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.utf8 import read_for_models
from pydantic_hivemind.rendering.numbered_lines import numbered

_is_dir = attrgetter("is_dir")


class HivemindBackend:
    """A scope as a `BackendProtocol` of pydantic-ai-backends: `DeepAgentDeps(backend=HivemindBackend(scope))`.

    Texts, numbering and orderings are those of its `StateBackend`. The methods of the protocol report failures in their
    return values and do not raise. It is safe to use from any thread.

    Args:
        scope: The scope.
        over: Another backend, such as a `LocalBackend` or `DockerSandbox`, up to pydantic-deep 0.3.44: what the hive's
            mounts name (memory, plans, evicted results) is in the scope, and other files and commands are there. Later
            releases have `HivemindWorkspace(over=...)` for it.
    """

    def __new__(cls, *args: Any, **options: Any) -> Self:  # noqa: ARG004
        """Return a backend of a class that has the members of `over`, if there is one."""
        lower = options.get("over")
        if lower is None:
            return object.__new__(cls)
        # By name: it stands on this module.
        layers = import_module("pydantic_hivemind.adapters.backends.layered_backend")
        return object.__new__(layers.class_over(lower))

    def __init__(self, scope: Scope | AsyncScope, *, over: Any = None) -> None:  # noqa: ARG002
        self._opened = RunReads(sync_scope(scope))

    @property
    def scope(self) -> Scope:
        """The scope whose files these are."""
        return self._files.scope

    @property
    def name(self) -> str:
        """Name of the scope."""
        return self.scope.name

    @property
    def files(self) -> dict[str, FileData]:
        """The first files of the scope by path, with their text, as `StateBackend.files` has them.

        It is a copy, to look at: `MAX_SHOWN_FILES` files at most, with `MAX_SHOWN_BYTES` in all. Reading it waits for
        the store.
        """
        return shown_files(self.scope)

    @property
    def _files(self) -> RunReads:
        """The files of the scope. A session creates them on first use."""
        return self._opened

    def __reduce__(self) -> tuple[type[HivemindBackend], tuple[Scope]]:
        """Pickle the scope alone: what runs have read is of this process, and so is a session's end."""
        return HivemindBackend, (self.scope,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.scope!r})"

    def exists(self, path: str) -> bool:
        """Return whether a file exists at the path; false for a directory."""
        try:
            return not self.scope.stat(_checked(path)).is_dir
        except HivemindError:
            return False

    def ls_info(self, path: str) -> list[FileInfo]:
        """Return the entries of a directory, directories first; for a file, the file itself."""
        try:
            path = _checked(path)
            try:
                found = self.scope.list_dir(path)
            except NotADirectory:
                found = [self.scope.stat(path)]
        except HivemindError:
            return []
        found.sort(key=_is_dir, reverse=True)
        return [_info(stat) for stat in found]

    @ForCaller
    def read_bytes(self, path: str) -> bytes:
        """Return a file's content; `b""` if it cannot be read."""
        try:
            return self._files.read(_checked(path)).data
        except HivemindError:
            return b""

    def read(self, path: str, offset: int = 0, limit: int = 2000) -> str:
        """Return some lines of a text file with their numbers, or a text that begins with `Error: `.

        The text is decoded for a model, with line feeds alone at line ends and no byte order mark, and at most
        `MAX_READ_CHARS` of it are returned; what follows the lines says what was left out.

        Args:
            path: Path of the file.
            offset: Number of lines to skip.
            limit: Maximum number of lines.
        """
        try:
            path = _checked(path)
            return numbered(read_for_models(path, self.scope.read_bytes(path)), offset, limit)
        except NotText:
            return f"Error: File '{path}' is binary; read it as bytes instead"
        except HivemindError as error:
            return f"Error: {_reason(error, path)}"

    @ForCaller
    def write(self, path: str, content: str | bytes) -> WriteResult:
        """Write a file, creating parent directories as needed; `WriteResult.error` reports a failure."""
        try:
            path = _checked(path)
            self._files.write(path, content if isinstance(content, bytes) else _encoded(content))
        except HivemindError as error:
            return WriteResult(error=_reason(error, path))
        return WriteResult(path=path)

    @ForCaller
    def edit(self, path: str, old_string: str, new_string: str, replace_all: bool = False) -> EditResult:  # noqa: FBT001, FBT002
        """Replace text in a file, so that two concurrent edits both take effect; `EditResult.error` reports a failure.

        Args:
            path: Path of the file.
            old_string: The text to replace, as in the file or with other line ends.
            new_string: The replacement.
            replace_all: Whether to replace every occurrence; otherwise there must be exactly one.
        """
        try:
            path = _checked(path)
            edited = self.scope.edit(path, old_string, new_string, replace_all=replace_all)
            self._files.changed(path)
        except NotText as error:
            return EditResult(error=str(error))
        except EditError as error:
            if error.occurrences == 0:
                return EditResult(error=f"String '{old_string}' not found in file")
            return EditResult(
                error=f"String '{old_string}' found {error.occurrences} times. "
                "Use replace_all=True to replace all, or provide more context."
            )
        except HivemindError as error:
            return EditResult(error=_reason(error, path))
        return EditResult(path=path, occurrences=edited.occurrences)

    def glob_info(self, pattern: str, path: str = "/") -> list[FileInfo]:
        """Return the files under a directory whose relative path matches a glob, sorted by path; none if it fails.

        Wildcards match hidden names too, as in `LocalBackend`: memory is in a hidden directory.
        """
        try:
            return [_info(stat) for stat in self.scope.glob(pattern, _checked(path))]
        except HivemindError:
            return []

    def grep_raw(
        self,
        pattern: str,
        path: str | None = None,
        glob: str | None = None,
        ignore_hidden: bool = True,  # noqa: FBT001, FBT002
    ) -> list[GrepMatch] | str:
        """Return the lines that match a regular expression, sorted by path, or a text that begins with `Error: `.

        Args:
            pattern: The regular expression.
            path: Directory or file in which to search; if omitted, the root.
            glob: Search only files whose path matches this glob.
            ignore_hidden: Whether to skip files whose path has a name that begins with a dot.
        """
        try:
            line_search(pattern)
        except InvalidPattern as error:
            return f"Error: {regex_problem(error)}"
        try:
            under = "/" if path is None else _checked(path)
            found = self.scope.grep_by_file(pattern, under, glob=glob or None, hidden=not ignore_hidden)
        except PathNotFound:
            return []
        except HivemindError as error:
            return f"Error: {_reason(error, path or '/')}"
        return [{"path": file, "line_number": number, "line": line} for file, lines in found for number, line in lines]

    @ForCaller
    def delete(self, path: str) -> None:
        """Remove a file, or a directory and everything in it; does nothing if it does not exist.

        Not part of the protocol: pydantic-deep's forks call it to merge a branch, and report what it raises.

        Raises:
            InvalidPath: The path is not valid, or is the root.
            NotADirectory: A parent of the path is a file.
            ScopeGone: The scope was destroyed, or its ttl has passed.
            StoreError: The store failed.
        """
        path = _checked(path)
        try:
            self.scope.remove(path)
        except PathNotFound:
            return
        self._files.changed(path)


def _checked(path: str) -> str:
    """A normal path, without the forms that every backend refuses because a host might read them otherwise."""
    if ".." in path and ".." in path.split("/"):
        raise InvalidPath("Path cannot contain '..'")
    if path.startswith("~"):
        raise InvalidPath("Path cannot start with '~'")
    if path[1:2] == ":":
        raise InvalidPath("Windows absolute paths are not allowed")
    return normalize(path)


def _encoded(text: str) -> bytes:
    """Text as it was decoded: bytes that were no UTF-8 may stand in it as surrogates."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise NotText("the text contains a lone surrogate, which UTF-8 cannot encode; write bytes instead") from None


def _reason(error: HivemindError, path: str) -> str:
    """What went wrong, in the words of the other backends where they have some."""
    if isinstance(error, PathNotFound):
        return f"File '{path}' not found"
    if isinstance(error, IsADirectory):
        return f"'{path}' is a directory"
    return str(error)


@lru_cache(maxsize=4096)
def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _info(stat: Stat) -> FileInfo:
    if stat.is_dir:
        return {"name": stat.name, "path": stat.path, "is_dir": True, "size": None}
    modified = _iso(stat.modified_at)
    return {"name": stat.name, "path": stat.path, "is_dir": False, "size": stat.size, "modified_at": modified}
