"""Rules for changes of a scope: versions, operation ids, tags, history and promotion. Part of `ScopeSuite`."""

from __future__ import annotations

import pytest

from pydantic_hivemind.errors import (
    EditError,
    OperationConflict,
    PromotionConflict,
    VersionConflict,
    VersionNotFound,
)
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import KEPT_VERSIONS


class ChangeRules:
    """Rules for changes of a scope; needs the fixtures `root` and `child` of `ScopeSuite`."""

    # -- versions and receipts -----------------------------------------------------------------

    def test_every_write_makes_a_version(self, root: Scope) -> None:
        """Numbers grow, and `stat` shows the current one."""
        first = root.write_text("/f", "1").version
        second = root.write_text("/f", "1").version
        assert isinstance(first, str)
        assert first != second == root.stat("/f").version

    def test_a_stale_version_changes_nothing(self, root: Scope) -> None:
        """Of writing, editing, removing, tagging and restoring."""
        old = root.write_text("/f", "1").version
        now = root.write_text("/f", "2").version
        changes = (
            lambda: root.write_text("/f", "3", expected_version=old),
            lambda: root.edit("/f", "2", "3", expected_version=old),
            lambda: root.remove("/f", expected_version=old),
            lambda: root.tag("/f", ["x"], expected_version=old),
            lambda: root.restore("/f", old, expected_version=old),
            lambda: root.write_text("/f", "3", expected_version=0),
            lambda: root.write_text("/new", "3", expected_version=now),
        )
        for change in changes:
            with pytest.raises(VersionConflict):
                change()
        assert (root.read_text("/f"), root.stat("/f").version, root.exists("/new")) == ("2", now, False)
        root.write_text("/f", "3", expected_version=now)
        root.write_text("/new", "3", expected_version=0)

    def test_the_inherited_version_is_the_expected_one(self, root: Scope, child: Scope) -> None:
        """A child compares with what it sees."""
        version = root.write_text("/f", "1").version
        root.write_text("/f", "2")
        with pytest.raises(VersionConflict):
            child.write_text("/f", "mine", expected_version=version)
        child.write_text("/f", "mine", expected_version=root.stat("/f").version)

    def test_a_retry_returns_the_first_outcome(self, root: Scope) -> None:
        """And does nothing again, whatever happened meanwhile."""
        root.write_text("/f", "a")
        edited = root.edit("/f", "a", "aa", operation_id="edit-1")
        assert root.edit("/f", "a", "aa", operation_id="edit-1") == edited
        assert root.read_text("/f") == "aa"
        root.remove("/f", operation_id="remove-1")
        root.write_text("/f", "back")
        root.remove("/f", operation_id="remove-1")
        assert root.read_text("/f") == "back"

    def test_an_operation_id_is_used_once(self, root: Scope) -> None:
        """For other arguments it is refused; a failed operation did not use it."""
        root.write_text("/f", "a", operation_id="1")
        with pytest.raises(OperationConflict):
            root.write_text("/f", "b", operation_id="1")
        with pytest.raises(EditError):
            root.edit("/f", "missing", "x", operation_id="2")
        root.write_text("/f", "missing")
        assert root.edit("/f", "missing", "x", operation_id="2").occurrences == 1

    # -- tags and history ----------------------------------------------------------------------

    def test_tags(self, root: Scope, child: Scope) -> None:
        """They stay with a write that gives none, and a child's are its own."""
        root.write_text("/f", "1", tags=["b", "a", "a"])
        assert root.write_text("/f", "2").tags == ("a", "b")
        child.tag("/f", ["c"])
        assert (child.stat("/f").tags, child.read_text("/f")) == (("c",), "2")
        assert root.stat("/f").tags == ("a", "b")

    def test_history(self, root: Scope, child: Scope) -> None:
        """Newest first, through the chain, deletions too."""
        root.write_text("/f", "1")
        child.edit("/f", "1", "2")
        child.remove("/f")
        assert [(past.action, past.scope) for past in child.history("/f")] == [
            ("delete", "child"),
            ("edit", "child"),
            ("write", "root"),
        ]
        assert [past.action for past in root.history("/f")] == ["write"]

    def test_the_last_versions_are_kept(self, root: Scope) -> None:
        """And the one that a live child started from, as long as it lives."""
        child = root.spawn("keeper")
        first = root.write_text("/f", "first").version
        child.edit("/f", "first", "mine")
        for number in range(KEPT_VERSIONS + 10):
            root.write_text("/f", str(number))
        assert len(root.history("/f")) == KEPT_VERSIONS + 1
        assert root.history("/f")[-1].version == first
        child.destroy()
        root.write_text("/f", "last")
        assert len(root.history("/f")) == KEPT_VERSIONS

    def test_restore_a_version(self, root: Scope) -> None:
        """Its bytes and tags come back as a new version."""
        old = root.write_bytes("/f", b"old\r\n", tags=["t"]).version
        root.remove("/f")
        stat = root.restore("/f", old)
        assert stat is not None
        assert stat.version != old
        assert (root.read_bytes("/f"), stat.tags) == (b"old\r\n", ("t",))
        with pytest.raises(VersionNotFound):
            root.restore("/f", f"{stat.version}0")
        with pytest.raises(VersionNotFound):
            root.restore("/other", old)

    def test_restore_the_last_change(self, root: Scope, child: Scope) -> None:
        """What was there before: an older content, the inherited file, or nothing."""
        root.write_text("/f", "root")
        child.write_text("/f", "1")
        child.write_text("/f", "2")
        child.restore("/f")
        assert child.read_text("/f") == "1"
        child.write_text("/new", "x")
        assert child.restore("/new") is None
        assert not child.exists("/new")
        fresh = root.spawn("fresh")
        fresh.remove("/f")
        fresh.restore("/f")
        root.write_text("/f", "later")
        assert fresh.read_text("/f") == "later"

    def test_diff(self, root: Scope, child: Scope) -> None:
        """What the scope's own changes make different, by path."""
        for path in ("/gone", "/same", "/edited", "/d/in"):
            root.write_text(path, "1")
        child.remove("/gone")
        child.write_text("/same", "1")
        child.write_text("/edited", "2")
        child.write_text("/added", "3")
        child.remove("/d")
        child.make_dir("/new")
        assert [(change.path, change.kind, change.before, change.after) for change in child.diff()] == [
            ("/added", "added", None, b"3"),
            ("/d/in", "deleted", b"1", None),
            ("/edited", "modified", b"1", b"2"),
            ("/gone", "deleted", b"1", None),
            ("/new", "directory", None, None),
        ]

    # -- promotion -----------------------------------------------------------------------------

    def test_promote(self, root: Scope, child: Scope) -> None:
        """The parent gets the changes, and the child reads them through from then on."""
        root.write_text("/gone", "1")
        child.write_text("/d/f", "2")
        child.remove("/gone")
        report = child.promote()
        assert (report.applied, report.deleted, report.conflicts) == (("/d/f",), ("/gone",), ())
        assert (root.read_text("/d/f"), root.exists("/gone")) == ("2", False)
        assert child.diff() == []
        root.write_text("/d/f", "3")
        assert child.read_text("/d/f") == "3"

    def test_a_conflict_promotes_nothing(self, root: Scope, child: Scope) -> None:
        """It reports both sides, and both stay as they were."""
        root.write_text("/f", "base")
        child.write_text("/f", "theirs")
        child.write_text("/other", "x")
        root.write_text("/f", "ours")
        with pytest.raises(PromotionConflict) as raised:
            child.promote()
        (conflict,) = raised.value.report.conflicts
        assert (conflict.path, conflict.base, conflict.ours, conflict.theirs) == ("/f", b"base", b"ours", b"theirs")
        assert (root.read_text("/f"), root.exists("/other"), child.read_text("/f")) == ("ours", False, "theirs")
