"""Mounts: which part of a scope's tree is kept under which collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_hivemind.paths import is_below, normalize


@dataclass(frozen=True)
class Mount:
    """A path prefix and the collection its files belong to.

    Attributes:
        prefix: A directory; the longest matching prefix decides.
        collection: Its name: `memory`, `plans`, `evicted`, `files`.
        union: Whether a merge keeps the additions of both sides, as for notes that grow by appending.
    """

    prefix: str
    collection: str
    union: bool = False


DEFAULT_MOUNTS: tuple[Mount, ...] = (
    Mount("/.deep/memory", "memory", union=True),
    Mount("/plans", "plans"),
    Mount("/large_tool_results", "evicted"),
    Mount("/.deep/large_tool_results", "evicted"),
    Mount("/", "files"),
)
"""Where both lines of pydantic-deep keep memory, plans and evicted tool results."""


class MountTable:
    """Finds the mount of a path."""

    def __init__(self, mounts: Sequence[Mount] = DEFAULT_MOUNTS) -> None:
        table = [Mount(normalize(mount.prefix), mount.collection, mount.union) for mount in mounts]
        if not any(mount.prefix == "/" for mount in table):
            table.append(Mount("/", "files"))
        self._mounts = tuple(sorted(table, key=lambda mount: len(mount.prefix), reverse=True))

    def of(self, path: str) -> Mount:
        """The mount that a normalized path belongs to."""
        return next(mount for mount in self._mounts if is_below(path, mount.prefix))
