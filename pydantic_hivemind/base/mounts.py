"""Mounts: which path prefix of a scope is stored in which collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.limits import MAX_INDEXED_BYTES

MEMORY = "/.deep/memory"
"""The directory in which pydantic-deep keeps memory, one subdirectory for each agent."""


@dataclass(frozen=True)
class Mount:
    """A path prefix, the collection that its files belong to, and the rules for them.

    Attributes:
        prefix: Absolute path of a directory. The longest matching prefix applies; of equal prefixes, the last.
        collection: Name of the collection, such as `memory`, `plans`, `evicted` or `files`.
        union: Whether a merge keeps the additions of both sides, as for notes that grow by appending.
        indexed_bytes: How much of a text file is indexed for search, in bytes; of a larger file the beginning and the
            end are, half each, and `Hits.partial` names it. 0 indexes nothing. Binary files are never indexed.
        promotes: Whether its files travel with a promotion. If not, they stay behind, unless `also=` of the promotion
            names them.
    """

    prefix: str
    collection: str
    union: bool = False
    indexed_bytes: int = MAX_INDEXED_BYTES
    promotes: bool = True


_FOR_COMMANDS: tuple[Mount, ...] = (
    Mount("/uploads", "uploads", promotes=False),
    Mount("/.deep/monitors", "evicted", indexed_bytes=0, promotes=False),
    Mount("/.pydantic-ai-harness", "evicted", indexed_bytes=0, promotes=False),
    Mount("/.pydantic-deep", "evicted", indexed_bytes=0, promotes=False),
)
"""Directories that commands read or write, so that they are on the host where a scope is layered over a workspace:
what users upload, logs of monitors, spilled tool output and logs of shell jobs, and pydantic-deep's own records."""

DEFAULT_MOUNTS: tuple[Mount, ...] = (
    Mount(MEMORY, "memory", union=True),
    Mount("/plans", "plans"),
    Mount("/large_tool_results", "evicted", indexed_bytes=0, promotes=False),
    Mount("/.deep/large_tool_results", "evicted", indexed_bytes=0, promotes=False),
    *_FOR_COMMANDS,
    Mount("/", "files"),
)
"""Mounts for the directories in which both lines of pydantic-deep and its harness keep memory, plans, evicted and
spilled tool results, uploads and logs. Of these, memory and plans travel with a promotion."""


class MountTable:
    """Resolves the mount of a path. Of mounts with the same prefix, the last one applies."""

    def __init__(self, mounts: Sequence[Mount] = DEFAULT_MOUNTS) -> None:
        table = {"/": Mount("/", "files")}
        kept = set[str]()
        for mount in mounts:
            prefix = normalize(mount.prefix)
            table[prefix] = replace(mount, prefix=prefix)
            if table[prefix] not in _FOR_COMMANDS:
                kept.add(prefix)
        self._mounts = tuple(sorted(table.values(), key=lambda mount: len(mount.prefix), reverse=True))
        self.collections = tuple(dict.fromkeys(mount.collection for mount in self._mounts))
        # Those that stay in the scope where it is layered over a workspace with files of its own.
        prefixes = sorted(kept - {"/"})
        self.outermost = tuple(
            prefix for prefix in prefixes if not any(is_below(prefix, other) for other in prefixes if other != prefix)
        )

    def __iter__(self) -> Iterator[Mount]:
        """Yield the mounts, longest prefix first."""
        return iter(self._mounts)

    def of(self, path: str) -> Mount:
        """Return the mount of a normalized path."""
        return next(mount for mount in self._mounts if is_below(path, mount.prefix))
