"""What a scope's `diff` says is what promoting then does."""

import pytest

from pydantic_hivemind import Hivemind

pytestmark = pytest.mark.any_store


@pytest.fixture
def sides(hive: Hivemind):
    parent = hive.scope("project")
    parent.write_text("/m.md", "".join(f"{number}\n" for number in range(1, 10)))
    parent.write_text("/gone", "1")
    parent.write_text("/d/in", "1")
    return parent, parent.spawn("run")


def told(scope, to=None):
    return {change.path: (change.kind, change.outcome, change.before, change.after) for change in scope.diff(to)}


def test_what_both_sides_changed_is_merged(sides):
    parent, run = sides
    run.edit("/m.md", "9", "NINE")
    parent.edit("/m.md", "1", "ONE")
    before = parent.read_bytes("/m.md")
    after = before.replace(b"9", b"NINE")
    assert told(run) == {"/m.md": ("modified", "merged", before, after)}
    run.promote()
    assert parent.read_bytes("/m.md") == after


def test_what_both_sides_did_alike_is_no_change(sides):
    parent, run = sides
    run.edit("/m.md", "9", "NINE")
    run.remove("/gone")
    parent.edit("/m.md", "9", "NINE")
    parent.edit("/m.md", "1", "ONE")
    parent.remove("/gone")
    assert told(run) == {}


def test_a_conflict_is_one_with_both_sides(sides):
    parent, run = sides
    for scope, word in ((run, "run"), (parent, "project")):
        scope.edit("/m.md", "5", word)
        scope.write_text("/new", word)
    run.remove("/gone")
    parent.write_text("/gone", "2")
    run.remove("/d")
    parent.write_text("/d/in", "2")
    parent.write_text("/file", "x")
    run.remove("/file")
    run.make_dir("/file")
    parent.write_text("/file", "y")
    changes = told(run)
    assert {path for path, (_, outcome, *_) in changes.items() if outcome == "conflict"} == set(changes)
    assert changes["/new"] == ("modified", "conflict", b"project", b"run")
    assert changes["/gone"] == ("deleted", "conflict", b"2", None)
    assert changes["/d/in"] == ("deleted", "conflict", b"2", None)
    assert {conflict.path for conflict in run.promote(dry_run=True).conflicts} == set(changes)


def test_tags_of_both_sides_are_merged(sides):
    parent, run = sides
    run.tag("/gone", ["mine"])
    parent.tag("/gone", ["theirs"])
    (change,) = run.diff()
    assert (change.outcome, change.tags) == ("applied", ("mine", "theirs"))
    run.promote()
    assert parent.stat("/gone").tags == change.tags


def test_a_file_in_place_of_a_directory_takes_what_was_in_it_along(sides):
    parent, run = sides
    run.remove("/d")
    run.write_text("/d", "a file now")
    changes = told(run)
    assert changes == {
        "/d": ("added", "applied", None, b"a file now"),
        "/d/in": ("deleted", "applied", b"1", None),
    }
    parent.write_text("/d/more", "2")
    assert told(run)["/d"][1] == "conflict"


def test_a_file_where_a_removed_directory_had_a_directory(sides):
    """What goes is told once, with the directory that was removed."""
    parent, run = sides
    parent.write_text("/d/sub/in", "1")
    run.remove("/d")
    run.write_text("/d/sub", "x")
    assert told(run) == {
        "/d/in": ("deleted", "applied", b"1", None),
        "/d/sub": ("added", "applied", None, b"x"),
        "/d/sub/in": ("deleted", "applied", b"1", None),
    }
    assert run.promote(dry_run=True).conflicts == ()
    parent.write_text("/d/sub/in", "2")
    assert told(run)["/d/sub"] == ("added", "conflict", None, b"x")
    assert [conflict.path for conflict in run.promote(dry_run=True).conflicts] == ["/d/sub/in", "/d/sub"]
