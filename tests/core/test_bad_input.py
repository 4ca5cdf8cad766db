"""What cannot be done: a named error that says what to do, and nothing changed."""

import tracemalloc
from datetime import timedelta
from pathlib import PurePosixPath

import pytest
from ledger_integrity import dump

from pydantic_hivemind import Hivemind, HivemindBackend, errors
from pydantic_hivemind.limits import MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_NAMES, MAX_TTL


@pytest.fixture
def scope(hive):
    scope = hive.scope("a")
    scope.write_text("/d/f", "text")
    return scope


CHANGES = {
    "write": lambda scope, path: scope.write_text(path, "x"),
    "edit": lambda scope, path: scope.edit(path, "a", "b"),
    "remove": lambda scope, path: scope.remove(path),
    "make_dir": lambda scope, path: scope.make_dir(path),
    "tag": lambda scope, path: scope.tag(path, ["x"]),
    "restore": lambda scope, path: scope.restore(path),
}
READS = {
    "read": lambda scope, path: scope.read(path),
    "exists": lambda scope, path: scope.exists(path),
    "stat": lambda scope, path: scope.stat(path),
    "list_dir": lambda scope, path: scope.list_dir(path),
    "history": lambda scope, path: scope.history(path),
    "glob": lambda scope, path: scope.glob("*", path),
    "grep": lambda scope, path: scope.grep("x", path),
}


@pytest.mark.parametrize("operation", {**CHANGES, **READS}.values(), ids={**CHANGES, **READS}.keys())
@pytest.mark.parametrize(
    "path",
    [
        "/a\0b",
        "/\ud800",
        "/" + "x" * (MAX_NAME_BYTES + 1),
        "/" + "ü" * 128,
        ("/" + "x" * 254) * 17,
        "/x" * (MAX_PATH_NAMES + 1),
    ],
    ids=["NUL", "surrogate", "long name", "long name in bytes", "long path", "deep path"],
)
def test_malformed_paths(scope, hive, operation, path):
    before = dump(hive)
    with pytest.raises(errors.InvalidPath):
        operation(scope, path)
    assert dump(hive) == before


def test_the_longest_name_and_path(scope):
    name = "x" * MAX_NAME_BYTES
    deep = ("/" + name) * (MAX_PATH_BYTES // (MAX_NAME_BYTES + 1))
    scope.write_text(deep, "deep")
    narrow = "/x" * MAX_PATH_NAMES
    scope.write_text(narrow, "narrow")
    child = scope.spawn()
    assert (child.read_text(deep), child.read_text(narrow)) == ("deep", "narrow")
    child.remove(narrow)
    child.promote()
    assert not scope.exists(narrow)


@pytest.mark.parametrize(
    ("expected", "operation"),
    [
        (errors.PathNotFound, lambda scope: scope.read("/none")),
        (errors.PathNotFound, lambda scope: scope.stat("/none")),
        (errors.PathNotFound, lambda scope: scope.list_dir("/none")),
        (errors.PathNotFound, lambda scope: scope.edit("/none", "a", "b")),
        (errors.PathNotFound, lambda scope: scope.remove("/none")),
        (errors.PathNotFound, lambda scope: scope.tag("/none", ["x"])),
        (errors.IsADirectory, lambda scope: scope.read("/")),
        (errors.IsADirectory, lambda scope: scope.read("/d")),
        (errors.IsADirectory, lambda scope: scope.edit("/d", "a", "b")),
        (errors.IsADirectory, lambda scope: scope.write_text("/d", "x")),
        (errors.IsADirectory, lambda scope: scope.write_text("/", "x")),
        (errors.NotADirectory, lambda scope: scope.read("/d/f/g")),
        (errors.NotADirectory, lambda scope: scope.list_dir("/d/f")),
        (errors.NotADirectory, lambda scope: scope.make_dir("/d/f/g")),
        (errors.NotADirectory, lambda scope: scope.write_text("/d/f/g/h", "x")),
        (errors.NotADirectory, lambda scope: scope.remove("/d/f/g")),
        (errors.PathExists, lambda scope: scope.make_dir("/d/f")),
        (errors.InvalidPath, lambda scope: scope.remove("/")),
        (errors.EditError, lambda scope: scope.edit("/d/f", "absent", "x")),
        (errors.EditError, lambda scope: scope.edit("/d/f", "t", "x")),
        (errors.EditError, lambda scope: scope.edit("/d/f", "", "x")),
        (errors.NotText, lambda scope: scope.write_text("/d/f", "\ud800")),
        (errors.VersionConflict, lambda scope: scope.write_text("/d/f", "x", expected_version=0)),
        (errors.VersionConflict, lambda scope: scope.write_text("/d/f", "x", expected_version=99)),
        (errors.VersionConflict, lambda scope: scope.write_text("/d/f", "x", expected_version=-1)),
        (errors.VersionConflict, lambda scope: scope.write_text("/new", "x", expected_version=1)),
        (errors.VersionNotFound, lambda scope: scope.restore("/d/f", 99)),
        (errors.VersionNotFound, lambda scope: scope.restore("/none")),
        (errors.VersionNotFound, lambda scope: scope.revert("none")),
        (errors.OperationConflict, lambda scope: scope.write_text("/d/f", "x", operation_id="")),
        (errors.OperationConflict, lambda scope: scope.write_text("/d/f", "x", operation_id="x" * 513)),
        (errors.OperationConflict, lambda scope: scope.write_text("/d/f", "x", operation_id="\ud800")),
        (errors.InvalidPattern, lambda scope: scope.grep("(")),
        (errors.ScopeNotFound, lambda scope: scope.promote()),
        (errors.ScopeNotFound, lambda scope: scope.diff()),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=0)),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=float("nan"))),
        (errors.ScopeExists, lambda scope: scope.spawn("a")),
        (errors.InvalidTag, lambda scope: scope.write_text("/d/f", "x", tags=[""])),
        (errors.InvalidTag, lambda scope: scope.write_text("/d/f", "x", tags=["\ud800"])),
        (errors.InvalidOption, lambda scope: scope.promote(on_conflict="Take_source")),
        (TypeError, lambda scope: scope.write_bytes("/d/f", "text")),
        (TypeError, lambda scope: scope.write_bytes("/d/f", 5)),
        (errors.InvalidTag, lambda scope: scope.write_text("/d/f", "x", tags=[str(number) for number in range(65)])),
        (errors.InvalidPath, lambda scope: scope.read(5)),
        (errors.InvalidPath, lambda scope: scope.write_text(b"/x", "x")),
        (errors.InvalidPath, lambda scope: scope.glob("*", None)),
        (errors.NotText, lambda scope: scope.write_text("/d/f", b"x")),
        (errors.NotText, lambda scope: scope.write_text("/d/f", 5)),
        (errors.InvalidTag, lambda scope: scope.write_text("/d/f", "x", tags=[1])),
        (errors.InvalidTag, lambda scope: scope.write_text("/d/f", "x", tags=["a", 1])),
        (errors.InvalidTag, lambda scope: scope.tag("/d/f", 5)),
        (errors.InvalidTag, lambda scope: scope.tag("/d/f", b"deploy")),
        (errors.InvalidScope, lambda scope: scope.spawn(3)),
        (errors.InvalidScope, lambda scope: scope.spawn(b"run")),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl="1h")),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=timedelta(hours=1))),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=float("inf"))),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=1e300)),
        (errors.InvalidScope, lambda scope: scope.spawn(ttl=10**5000)),
        (errors.InvalidScope, lambda scope: scope.renew(MAX_TTL + 1)),
        (errors.InvalidOption, lambda scope: scope.revert("\udcff")),
    ],
)
def test_a_named_error_and_nothing_changed(scope, hive, expected, operation):
    before = dump(hive)
    with pytest.raises(expected) as raised:
        operation(scope)
    assert len(str(raised.value)) > 15
    assert dump(hive) == before


def test_paths_of_the_standard_library(scope):
    path = PurePosixPath("/d") / "f"
    assert scope.read_text(path) == "text"
    assert scope.write_text(path, "more", operation_id="1") == scope.write_text("/d/f", "more", operation_id="1")
    assert [stat.path for stat in scope.list_dir(path.parent)] == ["/d/f"]


def test_a_file_that_is_too_large(scope, monkeypatch):
    monkeypatch.setattr("pydantic_hivemind.ledger.files.MAX_FILE_BYTES", 10)
    with pytest.raises(errors.FileTooLarge, match="the limit is 10"):
        scope.write_bytes("/d/f", b"x" * 11)
    scope.write_bytes("/d/f", b"x" * 10)


def test_an_edit_that_would_make_a_file_too_large_is_not_tried(scope, monkeypatch):
    """The size is known before the text is made."""
    scope.write_text("/d/f", "\u00e9" * 1000)
    monkeypatch.setattr("pydantic_hivemind.ledger.files.MAX_FILE_BYTES", 10_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(errors.FileTooLarge, match="would have 10001000 bytes"):
            scope.edit("/d/f", "\u00e9", "x" * 10_001, replace_all=True)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert scope.edit("/d/f", "\u00e9", "x" * 10_000, replace_all=True).stat.size == 10_000_000


# -- scopes ----------------------------------------------------------------------------------------


def test_unknown_scopes(hive, scope):
    with pytest.raises(errors.ScopeNotFound):
        hive.scope("none", create=False)
    with pytest.raises(errors.ScopeNotFound):
        hive.scope("child", parent="none")
    assert [info.name for info in hive.scopes()] == ["a"]


def test_parents_cannot_change(hive, scope):
    """Not to another, not to itself, not to a scope below it."""
    child = hive.scope("child", parent=scope)
    other = hive.scope("other")
    for name, parent in (("child", other), ("a", scope), ("a", child), ("a", "child"), ("other", "child")):
        with pytest.raises(errors.InvalidScope, match="parent"):
            hive.scope(name, parent=parent)
    with pytest.raises(errors.ScopeNotFound):
        hive.scope("new", parent="new")
    assert hive.scope("child") == hive.scope("child", parent="a") == child


def test_the_parent_of_another_hive(hive, scope, tmp_path):
    with Hivemind.open(tmp_path / "other") as other:
        with pytest.raises(errors.InvalidScope, match="another hive"):
            other.scope("child", parent=scope)
        assert other.scopes() == []


def test_the_seventeenth_scope(hive, scope):
    for _ in range(15):
        scope = scope.spawn()
    with pytest.raises(errors.InvalidScope, match="at most 16"):
        scope.spawn()
    with pytest.raises(errors.InvalidScope, match="at most 16"):
        hive.scope("deep", parent=scope)


@pytest.mark.parametrize("name", [3, None, b"a"])
def test_names_that_are_no_text(hive, scope, name):
    for make in (hive.scope, hive.create):
        with pytest.raises(errors.InvalidScope, match="text"):
            make(name)


def test_parents_that_are_no_scopes(hive, scope):
    for parent in (3, HivemindBackend(scope)):
        for make in (hive.scope, hive.create):
            with pytest.raises(errors.InvalidScope, match="a scope or its name"):
                make("child", parent)
    assert [info.name for info in hive.scopes()] == ["a"]


def test_the_longest_ttl(hive, scope):
    scope.spawn("run", ttl=MAX_TTL).renew(MAX_TTL)
    assert hive.create("other", ttl=MAX_TTL).exists("/")


def test_a_gone_parent(hive, scope):
    child = scope.spawn()
    scope.destroy(cascade=True)
    for make in (scope.spawn, child.spawn, lambda: hive.scope("new", parent=scope)):
        with pytest.raises(errors.ScopeGone):
            make()
    assert hive.scopes() == []


def test_a_closed_hive(tmp_path):
    hive = Hivemind.open(tmp_path)
    scope = hive.scope("a")
    hive.close()
    hive.close()
    for use in (lambda: scope.read("/f"), lambda: scope.write_text("/f", "x"), hive.scopes, lambda: hive.scope("a")):
        with pytest.raises(errors.StoreClosed, match="open it again"):
            use()
