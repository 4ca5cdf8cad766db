"""`ScopeModel`: a chain of scopes as plain dicts, the slow and simple reference for tests."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from pydantic_hivemind.base.paths import ancestors_of, is_below, parent_of


class ModelFile(NamedTuple):
    """A file of a `ScopeModel`.

    Attributes:
        data: Content in bytes.
        tags: Tags of the file.
        stamp: A number that no other write has.
    """

    data: bytes
    tags: frozenset[str]
    stamp: int


Tree = dict[str, "ModelFile | None"]
"""Files by path; `None` is a directory. The root is not included."""

_stamps = itertools.count(1)


class ScopeModel:
    """A scope over its parent.

    It raises the builtin errors of which the errors of a scope are subclasses. Paths must be normalized.

    Args:
        parent: The scope that it reads through to.

    Attributes:
        parent: The scope that it reads through to.
        own: Files and directories of the scope itself.
        hidden: Paths at which it hides an inherited file, or an inherited directory with everything in it.
        began: Merge bases: for each changed path, the inherited file it started from; `None` for no file.
    """

    def __init__(self, parent: ScopeModel | None = None) -> None:
        self.parent = parent
        self.own: Tree = {}
        self.hidden: set[str] = set()
        self.began: Tree = {}

    def inherited(self) -> Tree:
        """Return the files and directories it would show without its own."""
        above = self.parent.tree() if self.parent is not None else {}
        return {path: file for path, file in above.items() if not self._hides(path)}

    def tree(self) -> Tree:
        """Return every visible file and directory."""
        shown = self.inherited()
        for path, file in self.own.items():
            if file is not None:
                shown = {other: it for other, it in shown.items() if not is_below(other, path)}
            elif shown.get(path) is not None:
                del shown[path]
        return shown | self.own

    def files(self, under: str = "/") -> dict[str, bytes]:
        """Return the content of every file in a directory, by path."""
        return {path: it.data for path, it in self.tree().items() if it is not None and is_below(path, under)}

    def listing(self, directory: str) -> list[str]:
        """Return the paths directly in a directory, sorted.

        Raises:
            FileNotFoundError: No such directory exists.
            NotADirectoryError: The path, or a parent of it, is a file.
        """
        tree = self.tree()
        self._check_parents(tree, directory)
        if directory != "/" and directory not in tree:
            raise FileNotFoundError(directory)
        if tree.get(directory) is not None:
            raise NotADirectoryError(directory)
        return sorted(path for path in tree if parent_of(path) == directory)

    def read(self, path: str) -> ModelFile:
        """Return a file.

        Raises:
            FileNotFoundError: No such file exists.
            IsADirectoryError: The path is a directory.
            NotADirectoryError: A parent of the path is a file.
        """
        tree = self.tree()
        self._check_parents(tree, path)
        if path == "/" or (path in tree and tree[path] is None):
            raise IsADirectoryError(path)
        file = tree.get(path)
        if file is None:
            raise FileNotFoundError(path)
        return file

    def write(self, path: str, data: bytes, tags: frozenset[str] | None = None) -> None:
        """Write a file and create its parent directories; without `tags` it keeps its tags.

        Raises:
            IsADirectoryError: The path is a directory.
            NotADirectoryError: A parent of the path is a file.
        """
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
        """Create a directory and its parents.

        Raises:
            FileExistsError: The path is a file.
            NotADirectoryError: A parent of the path is a file.
        """
        tree = self.tree()
        self._check_parents(tree, path)
        if tree.get(path) is not None:
            raise FileExistsError(path)
        if path != "/" and path not in tree:
            self._make_parents(path)
            self.own[path] = None

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with everything in it.

        Raises:
            FileNotFoundError: No such file or directory exists.
            NotADirectoryError: A parent of the path is a file.
        """
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
        """Restore an earlier file of the scope, replacing the current one.

        Args:
            path: Path of the file.
            file: The earlier file.
            hidden: Whether the scope also hid the inherited file or directory.
        """
        self._make_parents(path)
        self.own[path] = file._replace(stamp=next(_stamps))
        if hidden:
            self.hidden.add(path)

    def hide(self, path: str) -> None:
        """Hide the inherited file or directory at a path again."""
        self._make_parents(path)
        self.hidden.add(path)

    def collisions(self) -> dict[str, tuple[ModelFile | None, ModelFile | None]]:
        """Return the merge base and the parent's file of each path that both the scope and its parent changed."""
        assert self.parent is not None
        there = self.parent.tree()
        mine = {path for path, file in self.own.items() if file is not None}
        mine |= {path for path, file in there.items() if file is not None and self._hides(path)}
        changed = {path: (self.began.get(path), there.get(path)) for path in mine}
        return {path: sides for path, sides in changed.items() if sides[0] != sides[1]}

    def promote(self, paths: set[str] | None = None) -> None:
        """Apply the scope's own changes to its parent and drop them from the scope.

        The result is that of a promotion in which the scope's side wins every conflict.

        Args:
            paths: Paths to promote; if omitted, all.

        Raises:
            FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError: A change does not fit the
            parent's tree.
        """
        assert self.parent is not None
        settled = {path for path in {*self.own, *self.hidden} if paths is None or path in paths}
        for path in sorted(settled):
            there = self.parent.tree()
            if path in self.hidden and path in there:
                self._clear(path, there)
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

    def _clear(self, path: str, there: Tree) -> None:
        """Remove from the parent what the scope removed; of a directory that it made again, what it has not there."""
        assert self.parent is not None
        mine = {other for other in self.own if other != path and is_below(other, path)}
        if not mine or there[path] is not None:
            self.parent.remove(path)
            return
        holding = {path, *mine, *(above for other in mine for above in ancestors_of(other))}
        for other in sorted(there):
            if is_below(other, path) and other not in holding and other in self.parent.tree():
                self.parent.remove(other)

    def _let_go(self, settled: set[str]) -> None:
        """Drop what reads through from the parent now; a directory stays while it has content of the scope."""
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
