"""Which changes of a scope a promotion takes, and what it does about conflicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_hivemind.base.matching.globs import any_path
from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.ledger import files
from pydantic_hivemind.ledger.overlay import Head


@dataclass(frozen=True)
class Selection:
    """Which changes to promote: files with one of the tags, if any are named, at paths that match.

    What a mount leaves behind is selected by `also` alone: files and directories that are named one by one.
    """

    tags: frozenset[str] | None = None
    paths: tuple[str, ...] | None = None
    matches: Callable[[str], bool] | None = None
    also: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        tags: str | Sequence[str] | None,
        paths: str | Sequence[str] | None,
        also: str | Sequence[str] | None = None,
    ) -> Selection:
        """Return the selection that a caller asks for.

        Raises:
            InvalidTag: The tags are not texts.
            InvalidPattern: A path is not a valid glob.
            InvalidPath: One of `also` is not a valid path.
        """
        listed = None if paths is None else (paths,) if isinstance(paths, str) else tuple(paths)
        return cls(
            None if tags is None else frozenset(files.tag_list(tags)),
            listed,
            None if paths is None else any_path(paths),
            _directories(also),
        )

    def stays_behind(self, path: str, mounts: MountTable) -> bool:
        """Return whether the mount of a path leaves it behind."""
        return not mounts.of(path).promotes and not any(is_below(path, named) for named in self.also)

    def takes(self, head: Head) -> bool:
        """Return whether a change is to be promoted."""
        return (self.tags is None or not self.tags.isdisjoint(head.tag_list())) and (
            self.matches is None or self.matches(head.path)
        )


def _directories(also: str | Sequence[str] | None) -> tuple[str, ...]:
    named = () if also is None else (also,) if isinstance(also, str) else also
    return tuple(sorted({normalize(path) for path in named}))
