"""Promotion past the parent: what came between is not lost, and not taken for seen."""

import pytest
from ledger_integrity import check_layers
from test_promotion import lists, tree

from pydantic_hivemind.errors import PromotionConflict


def test_to_a_grandparent(hive, project, user, run):
    """The scope between is not written, and everybody sees what was promoted."""
    run.write_text("/f", "1")
    report = run.promote("project")
    assert (report.target, report.applied) == ("project", ("/f",))
    assert user.read_text("/f") == project.read_text("/f") == "1"
    assert (user.diff(), run.diff()) == ([], [])
    project.write_text("/f", "2")
    assert run.read_text("/f") == "2"
    check_layers(hive)


def test_to_a_grandparent_past_another_version(hive, project, user, run):
    """The scope between keeps its own and hides the promoted one from itself, not from the run."""
    project.write_text("/f", "1\n2\n3\n4\n5\n")
    user.edit("/f", "1", "user")
    run.edit("/f", "3", "run")
    project.edit("/f", "5", "project")
    run.promote("project")
    assert project.read_text("/f") == run.read_text("/f") == "user\n2\nrun\n4\nproject\n"
    assert user.read_text("/f") == "user\n2\n3\n4\n5\n"
    once = tree(project)
    assert lists(run.promote(project))[0:3] == ((), (), ())
    assert tree(project) == once
    check_layers(hive)


def test_to_the_parent_after_a_grandparent(project, user, run):
    """The scope between, which hides what its parent received, is still to get it."""
    project.write_text("/f", "1\n2\n3\n4\n5\n")
    user.edit("/f", "1", "user")
    user.write_text("/own", "1\n")
    user.write_text("/.deep/memory/a.md", "- mine\n")
    run.edit("/f", "3", "run")
    run.write_text("/own", "1\n2\n")
    run.write_text("/.deep/memory/a.md", "- mine\n- learned\n")
    run.promote("project")
    user.write_text("/.deep/memory/a.md", "- meanwhile\n- mine\n")
    foretold = {change.path: change.after for change in run.diff()}
    assert run.promote().conflicts == ()
    assert user.read_text("/f") == "user\n2\nrun\n4\n5\n"
    assert user.read_text("/own") == "1\n2\n"
    assert user.read_text("/.deep/memory/a.md") == "- meanwhile\n- mine\n- learned\n"
    assert foretold == {path: user.read_bytes(path) for path in ("/f", "/own", "/.deep/memory/a.md")}
    assert run.read_text("/f") == user.read_text("/f")


def test_to_the_parent_that_has_seen_only_what_is_farther_up(project, user, run):
    """As before: what the scopes between received, it did not begin with."""
    project.write_text("/f", "1\n2\n3\n4\n5\n")
    child = run.spawn("child")
    child.edit("/f", "3", "child")
    run.edit("/f", "1", "run")
    child.promote(user)
    assert child.promote().merged == ("/f",)
    assert run.read_text("/f") == "run\n2\nchild\n4\n5\n"


def test_to_the_parent_that_removed_the_directory_before(project, user, run):
    """What it never saw it did not remove."""
    project.write_text("/d/other", "x")
    project.write_text("/d/f", "x")
    run.write_text("/d/new", "1")
    run.write_text("/d/f", "changed")
    user.remove("/d")
    assert set(run.promote("project").applied) == {"/d/f", "/d/new"}
    assert [change.path for change in run.diff() if change.outcome == "conflict"] == ["/d/f"]
    assert run.promote(on_conflict="keep_target").applied == ("/d/new",)
    assert user.read_text("/d/new") == run.read_text("/d/new") == "1"
    assert not user.exists("/d/f")
    seen = run.spawn("child")
    seen.write_text("/d/new", "2")
    run.remove("/d")
    assert [conflict.path for conflict in seen.promote(dry_run=True).conflicts] == ["/d/new"]


def test_tags_that_the_scope_between_gave(project, user, run):
    """They are the run's, and new to the target, though the bytes that the run began with are the target's too."""
    project.write_text("/b", "x", tags=["old"])
    user.tag("/b", ["lesson"])
    run.edit("/b", "x", "xy")
    assert run.promote(project, tags="lesson").applied == ("/b",)
    assert project.stat("/b").tags == run.stat("/b").tags == ("lesson",)
    assert user.stat("/b").tags == ("lesson",)


def test_an_empty_directory_that_the_scope_between_removed(hive, project, user, run):
    """The run keeps it: what the target has there does not show through."""
    project.write_text("/d/old", "x")
    user.remove("/d")
    run.make_dir("/d")
    run.make_dir("/d/e")
    before = tree(run)
    run.promote(project)
    assert run.exists("/d")
    assert run.exists("/d/e")
    assert tree(run) == before
    assert not user.exists("/d")
    check_layers(hive)


def test_after_the_parent_was_promoted(project, user, run):
    """What came from the parent is no conflict with itself."""
    project.write_text("/f", "1")
    user.write_text("/f", "2")
    run.write_text("/f", "3")
    user.promote()
    assert run.promote("project").conflicts == ()
    assert project.read_text("/f") == "3"


@pytest.mark.parametrize("by_run", [False, True])
def test_a_directory_is_removed_whose_file_went_past_the_parent(project, user, run, by_run):
    """What the parent has of its own instead was not seen, though it is older than what was received."""
    project.write_text("/d/f", "project\n")
    run.write_text("/d/f", "run\n")
    user.write_text("/d/f", "user\n")
    run.promote("project", on_conflict="take_source")
    if by_run:
        below = run.spawn()
        below.remove("/d")
        below.promote()
    else:
        run.remove("/d")
    assert not run.exists("/d/f")
    with pytest.raises(PromotionConflict) as raised:
        run.promote()
    assert [conflict.path for conflict in raised.value.report.conflicts] == ["/d/f"]
    assert user.read_text("/d/f") == "user\n"


def test_a_directory_is_removed_whose_file_was_made_of_the_parents(user, run):
    user.write_text("/d/f", "user\n")
    run.write_text("/d/f", "run\n")
    run.promote("project")
    run.remove("/d")
    assert run.promote().conflicts == ()
    assert not user.exists("/d/f")


def test_a_deletion_to_a_grandparent(project, user, run):
    """It still hides what the scope between has."""
    project.write_text("/f", "1")
    user.write_text("/f", "1")
    run.remove("/f")
    run.promote("project")
    assert (project.exists("/f"), user.exists("/f"), run.exists("/f")) == (False, True, False)


def test_a_conflict_past_the_parent_names_both_sides(project, user, run):
    project.write_text("/f", "base")
    run.write_text("/f", "theirs")
    project.write_text("/f", "ours")
    with pytest.raises(PromotionConflict) as raised:
        run.promote("project")
    (conflict,) = raised.value.report.conflicts
    assert (conflict.base, conflict.ours, conflict.theirs) == (b"base", b"ours", b"theirs")
