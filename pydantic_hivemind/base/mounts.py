"""Mounts: which part of a scope's tree is kept under which collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.limits import MAX_INDEXED_BYTES

MEMORY = "/.deep/memory"
"""Where pydantic-deep keeps memory, one directory for each agent."""


@dataclass(frozen=True)
class Mount:
    """A path prefix and the collection its files belong to.

    Attributes:
        prefix: A directory; the longest matching prefix decides, and of equal ones the last.
        collection: Its name: `memory`, `plans`, `evicted`, `files`.
        union: Whether a merge keeps the additions of both sides, as for notes that grow by appending.
        indexed_bytes: Largest text file that can be searched; 0 for none. Binary files never can.
    """

    prefix: str
    collection: str
    union: bool = False
    indexed_bytes: int = MAX_INDEXED_BYTES


DEFAULT_MOUNTS: tuple[Mount, ...] = (
    Mount(MEMORY, "memory", union=True),
    Mount("/plans", "plans"),
    Mount("/large_tool_results", "evicted", indexed_bytes=0),
    Mount("/.deep/large_tool_results", "evicted", indexed_bytes=0),
    Mount("/", "files"),
)
"""Where both lines of pydantic-deep keep memory, plans and evicted tool results."""


class MountTable:
    """Finds the mount of a path. Of mounts with one prefix the last counts."""

    def __init__(self, mounts: Sequence[Mount] = DEFAULT_MOUNTS) -> None:
        table = {"/": Mount("/", "files")}
        for mount in mounts:
            prefix = normalize(mount.prefix)
            table[prefix] = replace(mount, prefix=prefix)
        self._mounts = tuple(sorted(table.values(), key=lambda mount: len(mount.prefix), reverse=True))
        self.collections = tuple(dict.fromkeys(mount.collection for mount in self._mounts))

    def __iter__(self) -> Iterator[Mount]:
        """The longest prefixes first."""
        return iter(self._mounts)

    def of(self, path: str) -> Mount:
        """The mount that a normalized path belongs to."""
        return next(mount for mount in self._mounts if is_below(path, mount.prefix))
