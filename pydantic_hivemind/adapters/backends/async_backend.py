"""A backend whose methods are awaited, as pydantic-ai-backends has it up to 0.2.29 and `deps.backend` is there."""

from __future__ import annotations

import inspect

from pydantic_ai_backends.types import EditResult, FileInfo, GrepMatch, WriteResult

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.hive.async_seam import on_thread


class AsyncBackend:
    """Runs the methods of a synchronous backend on threads."""

    def __init__(self, backend: HivemindBackend) -> None:
        self._backend = backend

    def unwrap(self) -> HivemindBackend:
        """The synchronous backend."""
        return self._backend

    async def exists(self, path: str) -> bool:
        """Whether there is a file; false for a directory."""
        return await on_thread(self._backend.exists, path)

    async def ls_info(self, path: str) -> list[FileInfo]:
        """What is directly in a directory, directories first; for a file the file itself."""
        return await on_thread(self._backend.ls_info, path)

    async def read_bytes(self, path: str) -> bytes:
        """A file's bytes; none if it cannot be read."""
        return await on_thread(self._backend.read_bytes, path)

    async def read(self, path: str, offset: int = 0, limit: int = 2000) -> str:
        """Some lines of a text file with their numbers, or a text that begins with `Error: `."""
        return await on_thread(self._backend.read, path, offset, limit)

    async def write(self, path: str, content: str | bytes) -> WriteResult:
        """Write a file, making the directories above it."""
        return await on_thread(self._backend.write, path, content)

    async def edit(
        self,
        path: str,
        old_string: str,
        new_string: str,
        replace_all: bool = False,  # noqa: FBT001, FBT002
    ) -> EditResult:
        """Replace text in a file."""
        return await on_thread(self._backend.edit, path, old_string, new_string, replace_all)

    async def glob_info(self, pattern: str, path: str = "/") -> list[FileInfo]:
        """The files that match a glob."""
        return await on_thread(self._backend.glob_info, pattern, path)

    async def grep_raw(
        self,
        pattern: str,
        path: str | None = None,
        glob: str | None = None,
        ignore_hidden: bool = True,  # noqa: FBT001, FBT002
    ) -> list[GrepMatch] | str:
        """The lines that match a regular expression, or a text that begins with `Error: `."""
        return await on_thread(self._backend.grep_raw, pattern, path, glob, ignore_hidden)


def awaitable(backend: HivemindBackend | AsyncBackend) -> AsyncBackend:
    """The backend with methods that are awaited; one that has them already stays as it is."""
    if isinstance(backend, AsyncBackend) or inspect.iscoroutinefunction(backend.read_bytes):
        return backend  # pyright: ignore[reportReturnType]
    return AsyncBackend(backend)
