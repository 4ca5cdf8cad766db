"""`HivemindMemoryStore`: a scope as a store of the `Memory` capability of pydantic-ai-harness.

The harness comes with pydantic-deep 0.3.48 and later. It is imported when a store is made.
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

from anyio.to_thread import run_sync

from pydantic_hivemind.adapters.harness.passages import Passages, passages
from pydantic_hivemind.adapters.pydantic_deep.run_scope import scope_of_run
from pydantic_hivemind.base.mounts import MEMORY
from pydantic_hivemind.base.values import Mutation
from pydantic_hivemind.errors import OperationConflict, VersionConflict
from pydantic_hivemind.hive.cas_files import Notebook, Operation
from pydantic_hivemind.hive.reader import decoded, encoded
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.merging.operation_log import is_journal

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai_harness.memory import MemoryFile, MemoryMutation, MemoryOperation, MemorySearchResult

ROOT = f"{MEMORY}/"
"""A path of the harness is a path of the scope under it."""

MAX_METADATA_CHARS = 4096
"""Longest metadata of a write, in characters of JSON: that of the harness's own stores."""

_NAME = re.compile(r"(?!\.?$)(?!.*\.\.)[A-Za-z0-9_.-]{1,200}")
_VERSION = re.compile(r"[1-9][0-9]{0,18}")

Result = TypeVar("Result")


class HivemindMemoryStore:
    """Keeps the memory of agents in a scope: `Memory(HivemindMemoryStore(scope))`.

    It answers as the harness's own stores do, and searches by meaning as well as by words. What ancestors of the
    scope have is read through, and the files are those that pydantic-deep keeps.

    An agent with many users takes the scope from each run's `deps.backend`:
    `Memory(store_resolver=HivemindMemoryStore.of_run)`.

    Args:
        scope: The scope, or what finds or makes it when it is used.

    Raises:
        ImportError: pydantic-ai-harness is not installed.
    """

    def __init__(self, scope: Scope | Callable[[], Scope]) -> None:
        self._harness = _harness()
        self._scope: Callable[[], Scope] = (lambda: scope) if isinstance(scope, Scope) else scope

    @classmethod
    def of_run(cls, ctx: RunContext[Any]) -> HivemindMemoryStore:
        """The store of a run's scope.

        Raises:
            UserError: The run has none.
        """
        return cls(scope_of_run(ctx).open)

    async def read(self, path: str, *, max_chars: int) -> MemoryFile | None:
        """A file, or the beginning of a long one; `None` if there is none."""
        place = _place(path)
        _check_positive("max_chars", max_chars)
        page = await self._do(lambda scope: Notebook(scope).read(place))
        if page is None:
            return None
        text, said = decoded(place, page.data), page.annotation
        file: MemoryFile = self._harness.MemoryFile(
            content=text[:max_chars],
            version=str(page.version),
            operation_id=said.operation_id,
            truncated=len(text) > max_chars,
        )
        return replace(file, metadata=json.loads(said.metadata)) if said.metadata else file

    async def get_operation(self, operation: MemoryOperation) -> MemoryMutation | None:
        """What an operation did, if it was done here in the last 7 days."""
        done = await self._do(lambda scope: Notebook(scope).done(_operation(operation)))
        return None if done is None else self._mutation(done)

    async def write(
        self, path: str, content: str, *, expected_version: str | None, operation: MemoryOperation | None = None
    ) -> MemoryMutation:
        """Write a file that is at that version, or is not there."""
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
        """Write a file that is at that version, or is not there, and say something of this write."""
        change = partial(
            Notebook.write,
            path=_place(path),
            data=encoded(content),
            expected_version=_number(expected_version),
            metadata=_metadata(metadata),
            operation=operation and _operation(operation),
        )
        return self._mutation(await self._do(lambda scope: change(Notebook(scope))))

    async def delete(
        self, path: str, *, expected_version: str | None, operation: MemoryOperation | None = None
    ) -> MemoryMutation:
        """Delete a file that is at that version, or is not there."""
        change = partial(
            Notebook.remove,
            path=_place(path),
            expected_version=_number(expected_version),
            operation=operation and _operation(operation),
        )
        return self._mutation(await self._do(lambda scope: change(Notebook(scope))))

    async def list_paths(self, prefix: str = "", *, limit: int) -> list[str]:
        """The first paths that begin with a prefix, in order."""
        _check_prefix(prefix)
        _check_positive("limit", limit)
        found = await self._do(lambda scope: scope.glob("**", _directory(prefix)))
        return [path for path in (stat.path.removeprefix(ROOT) for stat in found) if _is_under(prefix, path)][:limit]

    async def search(
        self, prefix: str, query: str, *, limit: int, max_files: int, max_chars: int, max_file_chars: int
    ) -> MemorySearchResult:
        """The passages that say most about a query, in the files directly under a prefix.

        All of these files are searched, so that `max_files` bounds only the number that is reported.
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
        """Do some work on a thread, with the conflicts of the harness."""
        with self._conflicts():
            return await run_sync(lambda: work(self._scope()))

    @contextmanager
    def _conflicts(self) -> Generator[None, None, None]:
        try:
            yield
        except VersionConflict as error:
            raise self._harness.MemoryConflictError(str(error)) from error
        except OperationConflict as error:
            raise self._harness.MemoryOperationConflictError(
                "the operation id was used before with other arguments"
            ) from error

    def _mutation(self, done: Mutation) -> MemoryMutation:
        version = None if done.version is None else str(done.version)
        return self._harness.MemoryMutation(version=version, replayed=done.replayed, existed=done.existed)


def _harness() -> Any:
    try:
        from pydantic_ai_harness import memory
    except ImportError:
        raise ImportError(
            "HivemindMemoryStore is for the Memory capability of pydantic-ai-harness, which is not installed; "
            "install it, or pydantic-deep 0.3.48 or later, which brings it along"
        ) from None
    return memory


# -- paths: those that the harness takes, and any beginning of one -------------------------------


def _is_path(path: str) -> bool:
    """Whether it can be a path of memory. The receipts that the harness's `FileStore` keeps there cannot."""
    return all(map(_NAME.fullmatch, path.split("/"))) and not is_journal(path)


def _place(path: str) -> str:
    """Where a file is in the scope: the places of two paths are never the same."""
    if not _is_path(path):
        raise ValueError(f"{path!r} cannot be a path of memory")
    return ROOT + path


def _check_prefix(prefix: str) -> None:
    if prefix:
        _place(prefix.removesuffix("/"))


def _directory(prefix: str) -> str:
    """The directory that has everything under a prefix."""
    return ROOT + prefix.rpartition("/")[0]


def _is_under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and _is_path(path)


# -- other arguments ---------------------------------------------------------------------------


def _check_positive(name: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be positive")


def _number(version: str | None) -> int:
    """The number of a version, 0 for no file; one that no file has for what is no version of this store."""
    if version is None:
        return 0
    return int(version) if _VERSION.fullmatch(version) else -1


def _operation(operation: MemoryOperation) -> Operation:
    return Operation(operation.id, operation.fingerprint)


def _metadata(metadata: Mapping[str, str] | None) -> str | None:
    """Metadata as it is kept. The harness's stores refuse the same."""
    if not metadata:
        return None
    said = dict(metadata)
    words: list[object] = [*said.keys(), *said.values()]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("metadata of memory maps text to text")
    if any("\0" in word for word in (*said.keys(), *said.values())):
        raise ValueError("metadata of memory cannot contain the NUL character")
    length = len(json.dumps(said, ensure_ascii=False, separators=(",", ":")))
    if length > MAX_METADATA_CHARS:
        raise ValueError(f"metadata of memory would have {length} characters of JSON; the most is {MAX_METADATA_CHARS}")
    return json.dumps(said, sort_keys=True)
