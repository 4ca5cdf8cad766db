"""`HivemindMemoryStore`: a scope as a store for the `Memory` capability of pydantic-ai-harness.

The harness is installed by pydantic-deep 0.3.48 and later. It is imported when a store is created.
"""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_hivemind.adapters.harness.passages import Passages, passages
from pydantic_hivemind.adapters.pydantic_deep.run_scope import scope_of_run
from pydantic_hivemind.base.mounts import MEMORY
from pydantic_hivemind.base.values import Mutation
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.errors import (
    FileTooLarge,
    IsADirectory,
    NotADirectory,
    NotText,
    OperationConflict,
    PathError,
    VersionConflict,
)
from pydantic_hivemind.hive.async_scope import AsyncScope, sync_scope
from pydantic_hivemind.hive.async_seam import on_thread
from pydantic_hivemind.hive.cas_files import CasFiles, Operation
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.utf8 import encoded, read_for_models
from pydantic_hivemind.limits import MAX_METADATA_CHARS
from pydantic_hivemind.merging.operation_log import is_journal

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai_harness.memory import MemoryFile, MemoryMutation, MemoryOperation, MemorySearchResult

ROOT = f"{MEMORY}/"
"""Directory in the scope to which the harness's paths are relative."""

_NAME = re.compile(r"(?!\.?$)(?!.*\.\.)[A-Za-z0-9_.-]{1,200}")

_INEXACT = "-not-utf8"
"""End of the version of a file that could not be decoded exactly: what is made from its text must not replace it."""

Result = TypeVar("Result")


class HivemindMemoryStore:
    """A memory store in a scope: `Memory(HivemindMemoryStore(scope))`.

    It behaves as the harness's own stores do, and searches by meaning as well as by words. It reads through to the
    scope's ancestors, and its files are those in which pydantic-deep keeps memory.

    An agent with many users takes the scope from each run's `deps.backend`:
    `Memory(store_resolver=HivemindMemoryStore.of_run)`.

    Every method raises `ScopeGone` if the scope was destroyed and `StoreError` if the store fails.

    Args:
        scope: The scope, or a function that finds or creates it on each use.

    Raises:
        ImportError: pydantic-ai-harness is not installed.
    """

    def __init__(self, scope: Scope | AsyncScope | Callable[[], Scope]) -> None:
        self._harness = _harness()
        self._scope: Callable[[], Scope] = (
            (lambda: sync_scope(scope)) if isinstance(scope, Scope | AsyncScope) else scope
        )

    def __reduce__(self) -> tuple[type[HivemindMemoryStore], tuple[Scope]]:
        """Pickle the scope alone."""
        return HivemindMemoryStore, (self._scope(),)

    @classmethod
    def of_run(cls, ctx: RunContext[Any]) -> HivemindMemoryStore:
        """Return the store of a run's scope.

        Raises:
            UserError: The run has no scope.
            ImportError: pydantic-ai-harness is not installed.
        """
        return cls(scope_of_run(ctx).open)

    async def read(self, path: str, *, max_chars: int) -> MemoryFile | None:
        """Return a file, or `None` if it does not exist.

        Args:
            path: Path of the file, relative to the memory directory.
            max_chars: Maximum number of characters; a longer file is truncated.

        Raises:
            ValueError: The path is not valid in memory, or `max_chars` is not positive.
            NotText: The file is binary.
        """
        place = _place(path)
        _check_positive("max_chars", max_chars)
        page = await self._do(lambda scope: CasFiles(scope).read(place))
        if page is None:
            return None
        text, is_exact = _text(place, page.data)
        said = page.annotation
        file: MemoryFile = self._harness.MemoryFile(
            content=text[:max_chars],
            version=page.version if is_exact else f"{page.version}{_INEXACT}",
            operation_id=said.operation_id,
            truncated=len(text) > max_chars,
        )
        return replace(file, metadata=json.loads(said.metadata)) if said.metadata else file

    async def get_operation(self, operation: MemoryOperation) -> MemoryMutation | None:
        """Return what an operation did, or `None` if it was not done in this scope in the last 7 days.

        Raises:
            MemoryOperationConflictError: The operation id was used with other arguments.
        """
        done = await self._do(lambda scope: CasFiles(scope).done(_operation(operation)))
        return None if done is None else self._mutation(done)

    async def write(
        self, path: str, content: str, *, expected_version: str | None, operation: MemoryOperation | None = None
    ) -> MemoryMutation:
        """Write a file if it is at the expected version.

        Args:
            path: Path of the file, relative to the memory directory.
            content: The new text.
            expected_version: The version that the file must have; `None` if it must not exist.
            operation: Identifies the change, so that a retry does not repeat it.

        Raises:
            ValueError: The path is not valid in memory.
            NotText: The content contains a lone surrogate, or the file is not UTF-8: what could not be decoded would
                be lost.
            FileTooLarge: The content exceeds `MAX_FILE_BYTES`.
            IsADirectory, NotADirectory: The path is a directory, or a parent of it is a file.
            MemoryConflictError: The file is at another version.
            MemoryOperationConflictError: The operation id was used with other arguments.
        """
        return await self.write_with_metadata(
            path, content, expected_version=expected_version, metadata=None, operation=operation
        )

    async def write_with_metadata(
        self,
        path: str,
        content: str,
        *,
        expected_version: str | None,
        metadata: Mapping[str, str] | None,
        operation: MemoryOperation | None = None,
    ) -> MemoryMutation:
        """Write a file with metadata if it is at the expected version.

        Args:
            path: Path of the file, relative to the memory directory.
            content: The new text.
            expected_version: The version that the file must have; `None` if it must not exist.
            metadata: Texts stored with this version.
            operation: Identifies the change, so that a retry does not repeat it.

        Raises:
            ValueError: The path is not valid in memory, or the metadata is too long or contains NUL.
            TypeError: The metadata does not map text to text.
            NotText: The content contains a lone surrogate.
            FileTooLarge: The content exceeds `MAX_FILE_BYTES`.
            IsADirectory, NotADirectory: The path is a directory, or a parent of it is a file.
            MemoryConflictError: The file is at another version.
            MemoryOperationConflictError: The operation id was used with other arguments.
        """
        place = _place(path)
        if expected_version is not None and expected_version.endswith(_INEXACT):
            raise _for_tools(NotText(f"{place!r} is not UTF-8 text; it cannot be changed, only removed or replaced"))
        change = partial(
            CasFiles.write,
            path=place,
            data=encoded(content),
            expected_version=_expected(expected_version),
            metadata=_metadata(metadata),
            operation=operation and _operation(operation),
        )
        return self._mutation(await self._do(lambda scope: change(CasFiles(scope))))

    async def delete(
        self, path: str, *, expected_version: str | None, operation: MemoryOperation | None = None
    ) -> MemoryMutation:
        """Delete a file if it is at the expected version.

        Args:
            path: Path of the file, relative to the memory directory.
            expected_version: The version that the file must have; `None` if it must not exist.
            operation: Identifies the change, so that a retry does not repeat it.

        Raises:
            ValueError: The path is not valid in memory.
            MemoryConflictError: The file is at another version.
            MemoryOperationConflictError: The operation id was used with other arguments.
        """
        change = partial(
            CasFiles.remove,
            path=_place(path),
            expected_version=_expected(expected_version and expected_version.removesuffix(_INEXACT)),
            operation=operation and _operation(operation),
        )
        return self._mutation(await self._do(lambda scope: change(CasFiles(scope))))

    async def list_paths(self, prefix: str = "", *, limit: int) -> list[str]:
        """Return the first paths that begin with a prefix, sorted.

        Args:
            prefix: Beginning of the paths, relative to the memory directory.
            limit: Maximum number of paths.

        Raises:
            ValueError: The prefix is not valid in memory, or `limit` is not positive.
        """
        _check_prefix(prefix)
        _check_positive("limit", limit)
        found = await self._do(lambda scope: scope.glob("**", _directory(prefix)))
        return [path for path in (stat.path.removeprefix(ROOT) for stat in found) if _is_under(prefix, path)][:limit]

    async def search(
        self, prefix: str, query: str, *, limit: int, max_files: int, max_chars: int, max_file_chars: int
    ) -> MemorySearchResult:
        """Return the passages most relevant to a query, in the files directly under a prefix.

        Args:
            prefix: Beginning of the files' paths, relative to the memory directory.
            query: A question or words.
            limit: Maximum number of passages.
            max_files: Maximum of the reported number of files; all files are searched.
            max_chars: Maximum total length of paths and passages, in characters.
            max_file_chars: Characters of each file that are searched, from its beginning.

        Raises:
            ValueError: The prefix is not valid in memory.
            NotText: The query contains a lone surrogate.
        """
        _check_prefix(prefix)
        if not query.split() or min(limit, max_files, max_chars, max_file_chars) <= 0:
            return self._harness.MemorySearchResult(matches=[], scanned=0, truncated=False)

        def wanted(path: str) -> bool:
            path = path.removeprefix(ROOT)
            return "/" not in path.removeprefix(prefix) and _is_under(prefix, path)

        found: Passages = await self._do(
            lambda scope: passages(scope, query, _directory(prefix), wanted, limit=limit, length=max_file_chars)
        )
        matches: list[Any] = []
        room = max_chars
        for hit in found.hits:
            path = hit.path.removeprefix(ROOT)
            room -= len(path) - len(prefix)
            if room <= 0:
                break
            snippet = hit.text if len(hit.text) <= room else f"{hit.text[: max(0, room - 3)]}..."[:room]
            matches.append(self._harness.MemorySearchMatch(path=path, snippet=snippet, score=hit.score))
            room -= len(snippet)
        return self._harness.MemorySearchResult(
            matches=matches, scanned=min(found.files, max_files), truncated=found.more or len(matches) < len(found.hits)
        )

    # -- between the harness's words and the scope's ---------------------------------------------

    async def _do(self, work: Callable[[Scope], Result]) -> Result:
        """Run work on a thread, raising the conflict errors of the harness."""
        with self._conflicts():
            return await on_thread(lambda: work(self._scope()))

    @contextmanager
    def _conflicts(self) -> Generator[None, None, None]:
        try:
            yield
        except VersionConflict as error:
            raise self._harness.MemoryConflictError(str(error)) from error
        except (IsADirectory, NotADirectory, NotText, FileTooLarge) as error:
            raise _for_tools(error) from error
        except OperationConflict as error:
            raise self._harness.MemoryOperationConflictError(
                "the operation id was used before with other arguments; use a new one"
            ) from error

    def _mutation(self, done: Mutation) -> MemoryMutation:
        return self._harness.MemoryMutation(version=done.version, replayed=done.replayed, existed=done.existed)


def _harness() -> Any:
    try:
        from pydantic_ai_harness import memory
    except ImportError:
        raise ImportError(
            "HivemindMemoryStore is for the Memory capability of pydantic-ai-harness, which is not installed; "
            "install it, or pydantic-deep 0.3.48 or later, which brings it along"
        ) from None
    return memory


def _text(place: str, data: bytes) -> tuple[str, bool]:
    """Return a file's text, and whether it is exactly that: of what is not UTF-8, as far as it can be decoded."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return read_for_models(place, data).text, False


def _for_tools(error: PathError) -> PathError:
    """Return an error that the tools of the harness tell the model, where others end the run."""
    from pydantic_ai.exceptions import ToolFailed

    kind = type(error)
    made: Any = type(kind.__name__, (kind, ToolFailed), {"__module__": kind.__module__})(str(error))
    made.message = str(error)
    return made


# -- paths: those that the harness takes, and any beginning of one -------------------------------


def _is_path(path: str) -> bool:
    """Return whether a path is valid in memory. The receipts of the harness's `FileStore` are not."""
    return all(map(_NAME.fullmatch, path.split("/"))) and not is_journal(path)


def _place(path: str) -> str:
    """Return the path of a memory file in the scope. The mapping is injective."""
    if not _is_path(path):
        raise ValueError(
            f"{path!r} is not a valid memory path; use names of letters, digits, '.', '_' and '-', separated by '/'"
        )
    return ROOT + path


def _check_prefix(prefix: str) -> None:
    if prefix:
        _place(prefix.removesuffix("/"))


def _directory(prefix: str) -> str:
    """Return the directory that contains everything under a prefix."""
    return ROOT + prefix.rpartition("/")[0]


def _is_under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and _is_path(path)


# -- other arguments ---------------------------------------------------------------------------


def _check_positive(name: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be positive, not {value}")


def _expected(version: str | None) -> Expected:
    """Return the version that a file must have; 0, which is no file, for `None` alone."""
    return 0 if version is None else -1 if version == "0" else version


def _operation(operation: MemoryOperation) -> Operation:
    return Operation(operation.id, operation.fingerprint)


def _metadata(metadata: Mapping[str, str] | None) -> str | None:
    """Return metadata as it is stored. The harness's own stores have the same limits."""
    if not metadata:
        return None
    said = dict(metadata)
    words: list[object] = [*said.keys(), *said.values()]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("the metadata must map text to text")
    if any("\0" in word for word in (*said.keys(), *said.values())):
        raise ValueError("the metadata cannot contain the NUL character; remove it")
    length = len(json.dumps(said, ensure_ascii=False, separators=(",", ":")))
    if length > MAX_METADATA_CHARS:
        raise ValueError(f"the metadata has {length} characters of JSON, and the limit is {MAX_METADATA_CHARS}")
    return json.dumps(said, sort_keys=True)
