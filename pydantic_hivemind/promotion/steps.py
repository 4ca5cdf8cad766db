"""The steps of a plan: what a promotion does with each path, and why."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_hivemind.ledger.merge_bases import MergeBase
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.promotion.draft import Content, LayerChange


@dataclass(frozen=True)
class TakeFile:
    """The target gets a file.

    Attributes:
        path: Where.
        before: The file that the target has there.
        content: What it gets.
        tags: With which tags, sorted.
        merged: Whether that is a merge of both sides; else it is the source's side.
    """

    path: str
    before: Head | None
    content: Content
    tags: tuple[str, ...]
    merged: bool


@dataclass(frozen=True)
class Remove:
    """The target loses a file or a directory; `files` are those that go with it."""

    path: str
    files: tuple[Head, ...]


@dataclass(frozen=True)
class MakeDirectory:
    """The target gets a directory; `is_empty` says that the source has nothing of its own in it."""

    path: str
    is_empty: bool


@dataclass(frozen=True)
class Skip:
    """The target stays as it is: the filter leaves the path out, or both sides agree already."""

    path: str


@dataclass(frozen=True)
class LeaveBehind:
    """The target stays as it is, since the mount of the path does not travel."""

    path: str


@dataclass(frozen=True)
class Clash:
    """Both sides changed a path, and `on_conflict` decides what becomes of it: another step, or none.

    Attributes:
        path: Where.
        base: What both began with, as far as it is known.
        ours: The target's side; `None` for no file.
        theirs: The source's side.
        tags: The source's tags.
        stands_elsewhere: Whether the target's side is of another kind, or a parent of the path.
        is_directory: Whether the source's side is a directory.
        was_compared: Whether the sides could be compared in reasonable time.
    """

    path: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None
    tags: tuple[str, ...] = ()
    stands_elsewhere: bool = False
    is_directory: bool = False
    was_compared: bool = True


Step = TakeFile | Remove | MakeDirectory | Skip | LeaveBehind | Clash


@dataclass(frozen=True)
class Follow:
    """The source keeps a file of its own, as a change of what the target has now.

    Attributes:
        path: Where.
        scope_id: The scope that holds what the target shows.
        bases: What else it is made of, for scopes between the two and for those farther up.
    """

    path: str
    scope_id: int
    bases: tuple[MergeBase, ...]


@dataclass(frozen=True)
class Plan:
    """What a promotion does. It is made from facts that were read at one moment, and changes nothing.

    Attributes:
        steps: What happens to each path, in their order.
        changes: What becomes of the target's own layer.
        bases: What the target's new heads are made of or hide.
        released: What the source lets go of, as it shows through from the target then.
        followed: What the source keeps as a change of what the target has.
        offered: The paths that are taken from the source, each with the source's version; 0 for a directory.
    """

    steps: tuple[Step, ...]
    changes: tuple[LayerChange, ...] = ()
    bases: tuple[MergeBase, ...] = ()
    released: tuple[Head, ...] = ()
    followed: tuple[Follow, ...] = ()
    offered: tuple[tuple[str, int], ...] = ()

    @property
    def left_behind(self) -> tuple[str, ...]:
        """The paths that a mount leaves behind."""
        return tuple(step.path for step in self.steps if isinstance(step, LeaveBehind))

    @property
    def clashes(self) -> list[Clash]:
        """The paths that both sides changed."""
        return [step for step in self.steps if isinstance(step, Clash)]

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.changes or self.released or self.followed)
