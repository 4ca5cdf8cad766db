"""The receiving scope's layer while a promotion is planned: what it would have, drafted in memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_hivemind.base.paths import ancestors_of, below, parent_of
from pydantic_hivemind.ledger import merge_bases
from pydantic_hivemind.ledger.files import encode_tags
from pydantic_hivemind.ledger.merge_bases import MergeBase, MergeBases
from pydantic_hivemind.ledger.overlay import Head, Overlay
from pydantic_hivemind.ledger.promotion_facts import Facts
from pydantic_hivemind.ledger.schema import Kind

Content = int | bytes | None
"""The bytes of a file, or the number of a version that has the same ones; `None` for what is no file."""


@dataclass(frozen=True)
class LayerChange:
    """What becomes of one path in a scope's own layer.

    Attributes:
        path: The path.
        before: What the scope had.
        after: What it gets; its version is numbered when it is written.
        content: The bytes of a file.
        written_as: The source's version of it, which says who wrote it.
    """

    path: str
    before: Head | None
    after: Head | None
    content: Content = None
    written_as: int | None = None


class Draft:
    """The layers of a chain that starts with the receiving scope, of which the first can be changed."""

    def __init__(self, facts: Facts, level: int) -> None:
        self.scope_id = facts.chain[level]
        self._before = facts.layers[level]
        self._own = dict(self._before)
        self._layers = (self._own, *facts.layers[level + 1 :])
        self._sorted = tuple(sorted(layer) for layer in self._layers)
        self._bases: MergeBases = facts.bases
        self._content: dict[str, tuple[Content, int | None]] = {}
        self._new_bases: dict[str, set[MergeBase]] = {}
        self._numbers = 0
        self.view = Overlay(self._layers)

    @property
    def layers(self) -> Sequence[dict[str, Head]]:
        """The layers as they are now."""
        return self._layers

    def find(self, path: str) -> Head | None:
        """Return what is visible at a path."""
        return self.view.find(path)

    def file_above(self, path: str) -> Head | None:
        """Return the parent of a path that is a file."""
        if self._has_directory_above(path):
            return None
        for parent in ancestors_of(path):
            head = self.view.find(parent)
            if head is None:
                return None
            if head.kind == Kind.FILE:
                return head
        return None

    def inside(self, directory: str) -> list[Head]:
        """Return what is visible in a directory, by path."""
        return sorted(self._subtree(directory).inside(directory), key=lambda head: head.path)

    def put(self, source: Head, content: Content, tags: Sequence[str], size: int) -> None:
        """Write a file that the source has, with the directories above it.

        Raises:
            InvalidTag: There are too many tags.
        """
        path = source.path
        seen, own = self.find(path), self._own.get(path)
        copied = None if own is not None else seen or self._seen_before(path)
        origin = own.origin if own is not None else None if copied is None else copied.version
        self._make_parents(path)
        head = self._new(
            path,
            Kind.FILE,
            origin=origin,
            tags=source.tags if tags == source.tag_list() else encode_tags(tags),
            size=size,
        )
        self._store(head if seen is None else head._replace(created_at=seen.created_at), content, source.version)
        if copied is not None:
            self._inherit(copied)

    def make_dir(self, path: str) -> None:
        """Make a directory and those above it."""
        if self.find(path) is None:
            self._make_parents(path)
            self._make_directory(path)

    def remove(self, path: str, written_as: int | None = None) -> None:
        """Remove a file, or a directory and everything in it. What lower scopes have there is hidden.

        Args:
            path: The path.
            written_as: The source's version that says who removed it.
        """
        seen, own = self.find(path), self._own.get(path)
        if seen is None:
            return
        lower = None if self._own_hiding(path) else self.view.find(path, above=1)
        hidden: set[MergeBase] = set()
        if seen.kind == Kind.DIRECTORY:
            if lower is not None and lower.kind == Kind.DIRECTORY:
                hidden = merge_bases.seen_inside(self._subtree(path), self.scope_id, self._bases, path)
            for inside in self._range(0, path):
                self._drop(inside, written_as)
        if lower is not None:
            self._make_parents(path)
            origin = own.origin if own is not None else lower.version if lower.kind == Kind.FILE else None
            grave = self._new(path, Kind.WHITEOUT, origin=origin, tags=seen.tags or "[]")
            self._store(grave, written_as=written_as)
            self._new_bases.setdefault(path, set()).update(hidden)
            if own is None and lower.kind == Kind.FILE:
                self._inherit(lower)
        elif own is not None:
            self._drop(path, written_as)

    def changes(self) -> list[LayerChange]:
        """Return what became of each path, in their order."""
        touched = sorted(self._content)
        return [
            LayerChange(path, self._before.get(path), self._own.get(path), *self._content[path])
            for path in touched
            if self._before.get(path) != self._own.get(path)
        ]

    def new_bases(self) -> list[MergeBase]:
        """Return the rows of `merge_bases` that belong to what was drafted."""
        return [row for head, rows in self._new_bases.items() if head in self._own for row in sorted(rows)]

    def made_of(self, head: Head) -> set[int]:
        """Return the versions that a visible head is made of."""
        drafted = self._new_bases.get(head.path, ()) if head.scope_id == self.scope_id else ()
        return merge_bases.made_of(self._bases, head) | {row.version for row in drafted if row.path == head.path}

    # -- parts of it ---------------------------------------------------------------------------

    def _new(
        self, path: str, kind: Kind, *, opaque: bool = False, origin: int | None, tags: str = "[]", size: int = 0
    ) -> Head:
        self._numbers -= 1
        return Head(self.scope_id, path, kind, opaque, self._numbers, origin, 0.0, size, tags, 0.0)

    def _store(self, head: Head, content: Content = None, written_as: int | None = None) -> None:
        if head.path not in self._own:
            insort(self._sorted[0], head.path)
        self._own[head.path] = head
        self._content[head.path] = (content, written_as)

    def _drop(self, path: str, written_as: int | None) -> None:
        del self._own[path]
        del self._sorted[0][bisect_left(self._sorted[0], path)]
        self._content[path] = (None, written_as)
        self._new_bases.pop(path, None)

    def _inherit(self, lower: Head) -> None:
        made_of = merge_bases.made_of(self._bases, lower)
        if made_of:
            rows = (MergeBase(lower.path, lower.path, version) for version in made_of)
            self._new_bases.setdefault(lower.path, set()).update(rows)

    def _has_directory_above(self, path: str) -> bool:
        """Whether the scope has the directory of a path itself, and with it all those above."""
        own = self._own.get(parent_of(path))
        return own is not None and own.kind == Kind.DIRECTORY

    def _make_parents(self, path: str) -> None:
        if self._has_directory_above(path):
            return
        for parent in ancestors_of(path):
            self._make_directory(parent)

    def _make_directory(self, path: str) -> None:
        own = self._own.get(path)
        if own is None:
            self._store(self._new(path, Kind.DIRECTORY, origin=None))
        elif own.kind != Kind.DIRECTORY:
            self._store(self._new(path, Kind.DIRECTORY, opaque=True, origin=own.origin))

    def _own_hiding(self, path: str) -> bool:
        above = (self._own.get(parent) for parent in ancestors_of(path))
        return any(own is not None and own.blocks for own in above)

    def _seen_before(self, path: str) -> Head | None:
        """Return the lower file that was seen at a path before the scope removed the directory around it."""
        hidden = self.view.find(path, above=1) if self._own_hiding(path) else None
        if hidden is None or hidden.kind != Kind.FILE:
            return None
        rows = [row for row in self._bases.get((self.scope_id, path), ()) if row.head in self._own]
        drafted = (row for known in self._new_bases.values() for row in known if row.path == path)
        return hidden if any(row.version == hidden.version for row in (*rows, *drafted)) else None

    def _range(self, level: int, directory: str) -> list[str]:
        low, high = below(directory)
        paths = self._sorted[level]
        return paths[bisect_left(paths, low) : bisect_left(paths, high)]

    def _subtree(self, directory: str) -> Overlay:
        """Return a view of a directory's parents and everything under it."""
        places = (directory, *ancestors_of(directory))
        return Overlay(
            [
                {path: layer[path] for path in (*places, *self._range(level, directory)) if path in layer}
                for level, layer in enumerate(self._layers)
            ]
        )
