"""A chain of scopes as plain dicts: slow, simple, and what the real thing is compared with."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from pydantic_hivemind.base.paths import ancestors_of, is_below, parent_of


class ModelFile(NamedTuple):
    """A file: its bytes, its tags, and a stamp that no other write has."""

    data: bytes
    tags: frozenset[str]
    stamp: int


Tree = dict[str, "ModelFile | None"]
"""Paths and their files; `None` is a directory. The root is not in it."""

_stamps = itertools.count(1)


class ScopeModel:
    """A scope over its parent.

    It raises the builtin errors that the errors of a scope are. Paths must be normalized.

    Attributes:
        parent: What it reads through to.
        own: What it has itself.
        hidden: Paths whose inherited file, or directory with everything in it, it hides.
        began: For each path it changed, the inherited file it began with; `None` for no file.
    """

    def __init__(self, parent: ScopeModel | None = None) -> None:
        self.parent = parent
        self.own: Tree = {}
        self.hidden: set[str] = set()
        self.began: Tree = {}

    def inherited(self) -> Tree:
        """What it would show without its own files and directories."""
        above = self.parent.tree() if self.parent is not None else {}
        return {path: file for path, file in above.items() if not self._hides(path)}

    def tree(self) -> Tree:
        """Everything it shows."""
        shown = self.inherited()
        for path, file in self.own.items():
            if file is not None:
                shown = {other: it for other, it in shown.items() if not is_below(other, path)}
            elif shown.get(path) is not None:
                del shown[path]
        return shown | self.own

    def files(self, under: str = "/") -> dict[str, bytes]:
        """The bytes of every file in a directory."""
        return {path: it.data for path, it in self.tree().items() if it is not None and is_below(path, under)}

    def listing(self, directory: str) -> list[str]:
        """The paths directly in a directory, sorted."""
        tree = self.tree()
        self._check_parents(tree, directory)
        if directory != "/" and directory not in tree:
            raise FileNotFoundError(directory)
        if tree.get(directory) is not None:
            raise NotADirectoryError(directory)
        return sorted(path for path in tree if parent_of(path) == directory)

    def read(self, path: str) -> ModelFile:
        """A file."""
        tree = self.tree()
        self._check_parents(tree, path)
        if path == "/" or (path in tree and tree[path] is None):
            raise IsADirectoryError(path)
        file = tree.get(path)
        if file is None:
            raise FileNotFoundError(path)
        return file

    def write(self, path: str, data: bytes, tags: frozenset[str] | None = None) -> None:
        """Write a file and make the directories above it."""
        tree = self.tree()
        self._check_parents(tree, path)
        before = tree.get(path)
        if path == "/" or (path in tree and before is None):
            raise IsADirectoryError(path)
        self._begin(path, before)
        self._make_parents(path)
        kept = before.tags if before is not None else frozenset[str]()
        self.own[path] = ModelFile(data, kept if tags is None else tags, next(_stamps))

    def make_dir(self, path: str) -> None:
        """Make a directory and those above it."""
        tree = self.tree()
        self._check_parents(tree, path)
        if tree.get(path) is not None:
            raise FileExistsError(path)
        if path != "/" and path not in tree:
            self._make_parents(path)
            self.own[path] = None

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with everything in it."""
        tree = self.tree()
        self._check_parents(tree, path)
        if path not in tree:
            raise FileNotFoundError(path)
        gone = [other for other in tree if is_below(other, path)]
        for other in gone:
            self._begin(other, tree[other])
        self.own = {other: it for other, it in self.own.items() if not is_below(other, path)}
        self.hidden = {other for other in self.hidden if not is_below(other, path)}
        if path in self.tree():
            self._make_parents(path)
            self.hidden.add(path)
        for other in gone:
            if not self._hides(other):
                self.began.pop(other, None)

    def put_back(self, path: str, file: ModelFile, *, hidden: bool) -> None:
        """Have a file again as it was, in place of what is there."""
        self._make_parents(path)
        self.own[path] = file._replace(stamp=next(_stamps))
        if hidden:
            self.hidden.add(path)

    def hide(self, path: str) -> None:
        """Hide what is inherited at a path again."""
        self._make_parents(path)
        self.hidden.add(path)

    def collisions(self) -> dict[str, tuple[ModelFile | None, ModelFile | None]]:
        """What the parent changed where this scope changed something too: what it began with, and what is there."""
        assert self.parent is not None
        there = self.parent.tree()
        mine = {path for path, file in self.own.items() if file is not None}
        mine |= {path for path, file in there.items() if file is not None and self._hides(path)}
        changed = {path: (self.began.get(path), there.get(path)) for path in mine}
        return {path: sides for path, sides in changed.items() if sides[0] != sides[1]}

    def promote(self, paths: set[str] | None = None) -> None:
        """Do to the parent what it did itself, at some paths or everywhere, and let go of it.

        The outcome of a promotion in which its own side wins where both changed the same.
        """
        assert self.parent is not None
        settled = {path for path in {*self.own, *self.hidden} if paths is None or path in paths}
        for path in sorted(settled):
            there = self.parent.tree()
            if path in self.hidden and path in there:
                self.parent.remove(path)
            if path in self.own:
                file = self.own[path]
                if file is None:
                    self.parent.make_dir(path)
                else:
                    self._give(path, file, there.get(path))
        self._let_go(settled)

    # -- helpers -------------------------------------------------------------------------------

    def _hides(self, path: str) -> bool:
        return any(is_below(path, hidden) for hidden in self.hidden)

    def _begin(self, path: str, before: ModelFile | None) -> None:
        if path not in self.own:
            self.began.setdefault(path, before)

    def _make_parents(self, path: str) -> None:
        for parent in ancestors_of(path):
            self.own.setdefault(parent, None)

    def _check_parents(self, tree: Tree, path: str) -> None:
        for parent in ancestors_of(path):
            if tree.get(parent) is not None:
                raise NotADirectoryError(parent)

    def _give(self, path: str, mine: ModelFile, there: ModelFile | None) -> None:
        assert self.parent is not None
        began = self.began.get(path)
        if there is None:
            if began is None or began.data != mine.data:
                self.parent.write(path, mine.data, mine.tags)
            return
        # A file that both made began empty.
        touched = mine.data != (began.data if began is not None else b"")
        base = began.tags if began is not None else frozenset[str]()
        tags = (mine.tags & there.tags) | ((mine.tags | there.tags) - base)
        data = mine.data if touched else there.data
        if (data, tags) != (there.data, there.tags):
            self.parent.write(path, data, tags)

    def _let_go(self, settled: set[str]) -> None:
        """Forget what shows through from the parent now; a directory stays while it holds something."""
        assert self.parent is not None
        there = self.parent.tree()
        changed = {*self.own, *self.hidden}
        hiding = [
            path
            for path in self.hidden & set(self.own)
            if any(is_below(other, path) and other not in settled for other in changed)
        ]
        for path in sorted(changed, reverse=True):
            holds = any(other != path and is_below(other, path) for other in {*self.own, *self.hidden})
            if holds or any(is_below(path, directory) for directory in hiding):
                continue
            plain = path in self.own and self.own[path] is None and path in there and there[path] is None
            if path in settled or plain:
                self.own.pop(path, None)
                self.hidden.discard(path)
                self.began.pop(path, None)
        for path in settled & set(self.own):
            self.began[path] = there.get(path)
