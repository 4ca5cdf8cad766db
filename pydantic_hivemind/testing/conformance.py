"""`ScopeSuite`: the contract of a scope, one rule for each test.

Subclass it with a `hive` fixture that yields an open, empty store and closes it.
"""

from __future__ import annotations

import pytest

from pydantic_hivemind.errors import (
    IsADirectory,
    NotADirectory,
    PathExists,
    PathNotFound,
    ScopeGone,
    ScopeHasChildren,
)
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_CHAIN_LENGTH
from pydantic_hivemind.testing.change_rules import ChangeRules

CONTENTS = {
    "empty": b"",
    "no final newline": b"a\nb",
    "windows line ends": b"a\r\nb\r\n",
    "old line ends": b"a\rb",
    "byte order mark": b"\xef\xbb\xbfa\n",
    "NUL inside": b"a\0b",
    "no text": bytes(range(256)),
    "eight megabytes": b"0123456789abcdef" * (8 << 16),
}
"""Contents that stores are known to alter."""


class ScopeSuite(ChangeRules):
    """Every rule of a scope, as pytest tests. Subclass it and override the fixture `hive`."""

    @pytest.fixture
    def hive(self) -> Hivemind:
        """Yield an open, empty store, and close it. Override this fixture.

        Raises:
            NotImplementedError: The subclass has no `hive` fixture.
        """
        raise NotImplementedError("a subclass gives the `hive` fixture")

    @pytest.fixture
    def root(self, hive: Hivemind) -> Scope:
        """Return a scope without a parent."""
        return hive.scope("root")

    @pytest.fixture
    def child(self, root: Scope) -> Scope:
        """Return a session under `root`."""
        return root.spawn("child")

    # -- bytes and paths -----------------------------------------------------------------------

    @pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS.keys())
    def test_bytes_come_back_as_written(self, root: Scope, child: Scope, data: bytes) -> None:
        """Directly and through a child, and `stat` knows their number."""
        root.write_bytes("/f", data)
        assert root.read_bytes("/f") == child.read_bytes("/f") == data
        assert child.stat("/f").size == len(data)

    def test_text_keeps_its_line_ends(self, root: Scope) -> None:
        """Text is its UTF-8 bytes and nothing else."""
        root.write_text("/f", "\ufeffä\r\nb\r")
        assert root.read_bytes("/f") == "\ufeffä\r\nb\r".encode()
        assert root.read_text("/f") == "\ufeffä\r\nb\r"

    @pytest.mark.parametrize("path", ["a/b", "//a//b/", "/a/./b", "/a/c/../b", "/../a/b", "./a/b"])
    def test_spellings_of_one_path(self, root: Scope, path: str) -> None:
        """Paths are absolute; `.` and `..` collapse as text and never leave the root."""
        root.write_text(path, "x")
        assert root.stat("/a/b").path == "/a/b"
        assert root.read_text(path) == "x"

    def test_names_are_compared_exactly(self, root: Scope) -> None:
        """Case, Unicode forms and the wildcards of SQL and globs are characters."""
        names = ["A", "a", "é", "e\u0301", "%", "_", "*", "[a]", "a b", "\n", "'", "\\"]
        for name in names:
            root.write_text(f"/d/{name}", name)
        assert [stat.name for stat in root.list_dir("/d")] == sorted(names)
        assert [root.read_text(f"/d/{name}") for name in names] == names
        root.remove("/d/_")
        root.remove("/d/%")
        assert len(root.list_dir("/d")) == len(names) - 2

    def test_a_directory_is_no_prefix(self, root: Scope) -> None:
        """`/a` has nothing to do with `/ab` and `/a-b`."""
        for path in ("/a/f", "/ab/f", "/a-b/f", "/a.txt"):
            root.write_text(path, path)
        root.remove("/a")
        assert [stat.path for stat in root.glob("**")] == ["/a-b/f", "/a.txt", "/ab/f"]

    def test_files_and_directories_do_not_mix(self, root: Scope) -> None:
        """What expects the one refuses the other."""
        root.write_text("/d/f", "x")
        with pytest.raises(IsADirectory):
            root.read_bytes("/d")
        with pytest.raises(IsADirectory):
            root.write_text("/d", "x")
        with pytest.raises(NotADirectory):
            root.write_text("/d/f/g", "x")
        with pytest.raises(NotADirectory):
            root.list_dir("/d/f")
        with pytest.raises(PathExists):
            root.make_dir("/d/f")
        with pytest.raises(PathNotFound):
            root.read_bytes("/d/g")
        with pytest.raises(PathNotFound):
            root.list_dir("/e")

    def test_empty_directories(self, root: Scope) -> None:
        """They exist until they are removed, and a file's directory outlives the file."""
        root.make_dir("/d/e")
        root.make_dir("/d/e")
        assert root.stat("/d/e").is_dir
        root.write_text("/x/f", "x")
        root.remove("/x/f")
        assert root.list_dir("/x") == []
        root.remove("/d")
        assert not root.exists("/d/e")

    def test_the_root(self, root: Scope) -> None:
        """It is there from the beginning and cannot be removed."""
        assert root.exists("/")
        assert root.stat("/").is_dir
        assert root.list_dir() == []
        with pytest.raises(ValueError, match="root"):
            root.remove("/")
        with pytest.raises(IsADirectory):
            root.write_text("/", "x")

    # -- the overlay ---------------------------------------------------------------------------

    def test_a_child_reads_through(self, root: Scope, child: Scope) -> None:
        """What the parent has or will have is there at once, and says who holds it."""
        root.write_text("/d/f", "old")
        assert child.read_text("/d/f") == "old"
        root.write_text("/d/f", "new")
        root.write_text("/later", "x")
        assert child.read_text("/d/f") == "new"
        assert [stat.path for stat in child.glob("**")] == ["/d/f", "/later"]
        assert child.stat("/d/f").scope == "root"

    def test_a_child_writes_only_to_itself(self, root: Scope, child: Scope) -> None:
        """Writing, editing and removing leave the parent alone."""
        for name in "abc":
            root.write_text(f"/{name}", name)
        child.write_text("/a", "mine")
        child.edit("/b", "b", "mine")
        child.remove("/c")
        assert [root.read_text(f"/{name}") for name in "abc"] == ["a", "b", "c"]
        assert (child.read_text("/a"), child.read_text("/b"), child.exists("/c")) == ("mine", "mine", False)
        assert child.stat("/a").scope == "child"

    def test_siblings_are_strangers(self, root: Scope, child: Scope) -> None:
        """Nothing of one child is in another."""
        other = root.spawn("other")
        child.write_text("/f", "secret")
        assert not other.exists("/f")
        assert other.grep("secret") == []

    def test_every_way_of_looking_sees_the_same_tree(self, root: Scope, child: Scope) -> None:
        """Listing, glob and grep see the child's changes in place of the parent's files."""
        for name in ("edited", "removed", "kept"):
            root.write_text(f"/d/{name}", "needle old\n")
        child.write_text("/d/edited", "needle new\n")
        child.remove("/d/removed")
        child.write_text("/d/added", "needle new\n")
        paths = ["/d/added", "/d/edited", "/d/kept"]
        assert [stat.path for stat in child.list_dir("/d")] == paths
        assert [stat.path for stat in child.glob("d/*")] == paths
        assert [match.path for match in child.grep("needle")] == paths
        assert [match.path for match in child.grep("old")] == ["/d/kept"]

    def test_a_removed_file_stays_removed(self, root: Scope, child: Scope) -> None:
        """Until it is written again; a later change of the parent does not bring it back."""
        root.write_text("/f", "1")
        child.remove("/f")
        root.write_text("/f", "2")
        assert not child.exists("/f")
        child.write_text("/f", "mine")
        assert child.read_text("/f") == "mine"
        child.remove("/f")
        assert not child.exists("/f")

    def test_a_removed_directory_made_again_is_empty(self, root: Scope, child: Scope) -> None:
        """It hides what the parent has in it, now and later."""
        root.write_text("/d/e/f", "1")
        child.remove("/d")
        assert not child.exists("/d/e/f")
        child.write_text("/d/mine", "x")
        root.write_text("/d/later", "2")
        assert [stat.path for stat in child.list_dir("/d")] == ["/d/mine"]
        assert [stat.path for stat in child.glob("**")] == ["/d/mine"]
        assert root.exists("/d/e/f")

    def test_a_removal_between_hides_what_is_under_it(self, root: Scope, child: Scope) -> None:
        """Also from a scope that has the directory itself."""
        root.write_text("/d/old", "1")
        leaf = child.spawn("leaf")
        leaf.write_text("/d/mine", "x")
        child.remove("/d")
        assert [stat.path for stat in leaf.list_dir("/d")] == ["/d/mine"]
        assert [stat.path for stat in leaf.glob("**")] == ["/d/mine"]
        assert not leaf.exists("/d/old")

    def test_a_file_may_replace_a_directory(self, root: Scope, child: Scope) -> None:
        """And the reverse, in a child as anywhere."""
        root.write_text("/x/f", "1")
        root.write_text("/y", "1")
        child.remove("/x")
        child.write_text("/x", "file now")
        child.remove("/y")
        child.write_text("/y/f", "directory now")
        assert child.read_text("/x") == "file now"
        assert [stat.path for stat in child.glob("**")] == ["/x", "/y/f"]
        assert [stat.path for stat in root.glob("**")] == ["/x/f", "/y"]

    # -- the life of scopes --------------------------------------------------------------------

    def test_the_longest_chain(self, root: Scope) -> None:
        """The longest chain reads, hides and lists as a short one; a longer one is refused."""
        scope = root
        root.write_text("/all", "root")
        for depth in range(2, MAX_CHAIN_LENGTH + 1):
            scope = scope.spawn(f"level-{depth}")
            scope.write_text(f"/{depth}", str(depth))
        assert scope.read_text("/all") == "root"
        assert len(scope.list_dir("/")) == MAX_CHAIN_LENGTH
        with pytest.raises(ValueError, match="at most"):
            scope.spawn()

    def test_destroy_leaves_nothing(self, root: Scope, child: Scope) -> None:
        """The handle is dead, the parent as it was, and a scope of the same name begins empty."""
        child.write_text("/f", "x")
        child.destroy()
        for use in (lambda: child.read_text("/f"), child.list_dir, lambda: child.write_text("/f", "x"), child.spawn):
            with pytest.raises(ScopeGone):
                use()
        assert root.list_dir() == []
        again = root.spawn("child")
        assert again.list_dir() == []
        assert again.history("/f") == []
        with pytest.raises(ScopeGone):
            child.exists("/")

    def test_destroy_with_children(self, root: Scope, child: Scope) -> None:
        """Only with `cascade`, and then all of them."""
        leaf = child.spawn("leaf")
        with pytest.raises(ScopeHasChildren):
            child.destroy()
        assert leaf.exists("/")
        child.destroy(cascade=True)
        with pytest.raises(ScopeGone):
            leaf.exists("/")
        assert root.children == ()

    def test_ttl(self, hive: Hivemind, root: Scope) -> None:
        """A scope past its ttl is gone, whoever looks."""
        short = root.spawn("short", ttl=0.001)
        while any(info.name == "short" for info in hive.scopes()):
            pass
        with pytest.raises(ScopeGone):
            short.list_dir()
        assert root.children == ()
