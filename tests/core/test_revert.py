"""Taking back a last change or a promotion: exactly, or not at all."""

import pytest
from ledger_integrity import check_layers
from test_promotion import tree

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import (
    InvalidScope,
    IsADirectory,
    PromotionConflict,
    ScopeNotFound,
    VersionConflict,
    VersionNotFound,
)
from pydantic_hivemind.limits import KEPT_VERSIONS


def everything(scope, directory="/"):
    """Every path a scope shows, directories too, and the text of each file."""
    shown = {}
    for stat in scope.list_dir(directory):
        shown[stat.path] = None if stat.is_dir else scope.read_text(stat.path)
        shown |= everything(scope, stat.path) if stat.is_dir else {}
    return shown


# -- restore ---------------------------------------------------------------------------------------


def test_an_undone_write_does_not_return(project, user):
    project.write_text("/a", "project")
    user.write_text("/a", "mistake")
    user.restore("/a")
    user.remove("/a")
    user.restore("/a")
    assert user.read_text("/a") == "project"
    assert [version.action for version in user.history("/a")] == ["delete", "write", "write"]


def test_restore_shows_what_an_ancestor_wrote_since(project, user):
    """Before its own write the scope had nothing there: no deletion that would hide it."""
    user.write_text("/a", "user")
    project.write_text("/a", "project")
    user.restore("/a")
    assert user.read_text("/a") == "project"


def test_restore_of_an_inherited_directory(project, user):
    project.write_text("/d/a", "a")
    user.remove("/d")
    assert user.restore("/d") is None
    project.write_text("/d/b", "b")
    assert everything(user) == {"/d": None, "/d/a": "a", "/d/b": "b"}


@pytest.mark.parametrize("own", ["file", "whiteout", "directory"])
def test_restore_refuses_a_directory_of_the_scopes_own(project, user, own):
    """What the scope had done in it is not to be lost, and what it had removed is not to come back."""
    project.write_text("/d/secret", "s")
    if own == "file":
        user.write_text("/d/mine", "m")
    elif own == "whiteout":
        user.remove("/d/secret")
    else:
        user.make_dir("/d/new")
    for _ in range(2):
        before = everything(user)
        with pytest.raises(IsADirectory):
            user.restore("/d")
        assert everything(user) == before
        if user.exists("/d"):
            user.remove("/d")
    if own == "file":
        user.restore("/d/mine")
        assert everything(user) == {"/d": None, "/d/mine": "m"}


def test_restore_refuses_a_file_where_there_is_a_directory_now(project, user):
    user.write_text("/p", "file")
    user.remove("/p")
    project.write_text("/p/in", "1")
    with pytest.raises(VersionConflict):
        user.restore("/p")
    assert everything(user) == {"/p": None, "/p/in": "1"}


def test_restore_of_a_deletion_brings_no_directory_back(project, user):
    project.write_text("/d/secret", "s")
    user.remove("/d/secret")
    user.remove("/d")
    assert user.restore("/d/secret") is None
    assert everything(user) == {}


@pytest.mark.parametrize("version", [0, -1, 2**63, 2**70])
def test_restore_of_a_number_that_is_no_version(user, version):
    user.write_text("/a", "1")
    with pytest.raises(VersionNotFound):
        user.restore("/a", version)


# -- revert ----------------------------------------------------------------------------------------


def test_deleted_files_stay_deleted(hive, project, user, run):
    """A removed directory took the scope's own deletions with it, and brings them back."""
    for name in ("secret", "x", "again/old"):
        project.write_text(f"/d/{name}", name)
    user.remove("/d/secret")
    user.remove("/d/again")
    user.write_text("/d/again/new", "new")
    user.make_dir("/d/empty")
    before = everything(user)
    run.remove("/d")
    report = run.promote()
    assert everything(user) == {}
    user.revert(report.id)
    assert everything(user) == before
    check_layers(hive)


def test_revert_is_as_if_nothing_was_promoted(project, user, run):
    """Where the scope had nothing of its own, the ancestors' later changes show."""
    project.write_text("/a", "1")
    project.write_text("/d/a", "1")
    run.write_text("/a", "run")
    run.remove("/d")
    run.write_text("/d", "run")
    report = run.promote()
    project.write_text("/a", "2")
    project.write_text("/d/b", "2")
    assert user.revert(report.id) == ["/a", "/d"]
    assert everything(user) == everything(project)


def test_revert_of_directories(user, run):
    run.make_dir("/only/dir")
    run.write_text("/other/f", "1")
    report = run.promote()
    assert report.applied == ("/only/dir", "/other/f")
    user.write_text("/other/kept", "2")
    assert user.revert(report.id) == ["/only/dir", "/other/f"]
    assert everything(user) == {"/other": None, "/other/kept": "2"}


def test_revert_leaves_what_was_put_into_its_directory(hive, project, user, run):
    """A directory that hid what the ancestors have hides it no more."""
    project.write_text("/d", "file")
    run.remove("/d")
    run.write_text("/d/new", "new")
    report = run.promote()
    user.write_text("/d/kept", "kept")
    user.revert(report.id)
    assert everything(user) == {"/d": None, "/d/kept": "kept"}
    project.remove("/d")
    project.write_text("/d/old", "old")
    assert everything(user) == {"/d": None, "/d/kept": "kept", "/d/old": "old"}
    check_layers(hive)


def test_revert_refuses_when_a_directory_stands_where_a_file_was(user, run):
    user.write_text("/p", "file")
    run.remove("/p")
    run.write_text("/p/in", "1")
    report = run.promote()
    user.write_text("/p/other", "2")
    before = everything(user)
    with pytest.raises(VersionConflict):
        user.revert(report.id)
    assert everything(user) == before


@pytest.mark.parametrize("by", ["user", "project"])
def test_revert_refuses_when_a_file_stands_where_a_directory_was(project, user, run, by):
    user.write_text("/d/f", "1")
    run.remove("/d/f")
    report = run.promote()
    user.remove("/d")
    (user if by == "user" else project).write_text("/d", "file")
    before = everything(user)
    with pytest.raises(VersionConflict):
        user.revert(report.id)
    assert everything(user) == before


def test_revert_hides_a_file_that_an_ancestor_wrote_since(project, user, run):
    """The scope's own directory was there first, as it would be without the promotion."""
    user.write_text("/d/f", "1")
    run.remove("/d")
    report = run.promote()
    project.write_text("/d", "file")
    user.revert(report.id)
    assert everything(user) == {"/d": None, "/d/f": "1"}


def test_revert_refuses_when_part_of_it_is_no_longer_kept(user, run):
    """Not the rest of it alone."""
    user.write_text("/busy", "0")
    for path in ("/busy", "/calm"):
        run.write_text(path, "run")
    report = run.promote()
    for number in range(KEPT_VERSIONS + 1):
        user.write_text("/busy", str(number))
    with pytest.raises(VersionNotFound):
        user.revert(report.id)
    assert user.read_text("/calm") == "run"


def test_revert_restores_tags_and_origins(project, user, run):
    """What was a change of an ancestor's file is one again, and merges as such."""
    project.write_text("/f", "1\n2\n3\n", tags=["a"])
    user.edit("/f", "1", "user")
    run.remove("/f")
    report = run.promote()
    user.revert(report.id)
    project.edit("/f", "3", "project")
    assert user.promote().conflicts == ()
    assert tree(project) == {"/f": (b"user\n2\nproject\n", ("a",))}


# -- promotions that were refused ------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["/a/b/c", "/a/b/c/d", None])
@pytest.mark.parametrize("filtered", [False, True])
def test_a_directory_where_a_removed_one_had_a_file(project, user, inside, filtered):
    project.write_text("/a/b", "file")
    user.remove("/a")
    if inside is not None:
        user.write_text(inside, "x")
    else:
        user.make_dir("/a/b")
    report = user.promote(paths=(inside or "/a/b") if filtered else None)
    assert report.conflicts == ()
    assert everything(project) == everything(user)
    assert project.stat("/a/b").is_dir
    project.revert(report.id)
    assert everything(project) == {"/a": None, "/a/b": "file"}


def test_a_directory_where_a_removed_one_has_another_file_now(project, user):
    project.write_text("/a/b", "file")
    user.remove("/a")
    user.write_text("/a/b/c", "x")
    project.write_text("/a/b", "later")
    assert user.promote(dry_run=True).conflicts
    assert user.promote(on_conflict="keep_target").conflicts
    assert everything(project) == {"/a": None, "/a/b": "later"}


@pytest.mark.parametrize("instead", ["nothing", "file", "directory"])
def test_a_removed_directory_that_came_up_unchanged(project, user, run, instead):
    """The parent promoted it meanwhile; what the run saw is what is there."""
    user.write_text("/d/f", "1")
    user.write_text("/d/sub/g", "2")
    run.remove("/d")
    if instead == "file":
        run.write_text("/d", "file")
    elif instead == "directory":
        run.write_text("/d/sub/new", "new")
    user.promote()
    expected = everything(run)
    assert run.promote().conflicts == ()
    assert everything(user) == expected


def test_a_removed_directory_that_came_up_changed(project, user, run):
    """Also when it is what the parent once had, but not what the run saw."""
    for text in ("1", "2"):
        user.write_text("/d/f", text)
    run.remove("/d")
    user.write_text("/d/f", "1")
    user.promote()
    (conflict,) = run.promote(dry_run=True).conflicts
    assert (conflict.path, conflict.ours) == ("/d/f", b"1")


def test_a_file_that_a_removed_directory_did_not_show(project, user, run):
    """The same bytes are no proof that the run knew them."""
    project.write_text("/d/f", "1")
    user.remove("/d")
    user.make_dir("/d")
    run.remove("/d")
    user.write_text("/d/f", "1")
    (conflict,) = run.promote(dry_run=True).conflicts
    assert (conflict.path, conflict.ours) == ("/d/f", b"1")


# -- named errors ----------------------------------------------------------------------------------


def test_a_removed_directory_of_which_the_scope_between_showed_another_file(project, user, run):
    """What the run never saw is not removed without a word, however old it is; what the user began with is."""
    project.write_text("/d/changed", "x")
    user.edit("/d/changed", "x", "xy")
    for path in ("/d/hidden", "/e/hidden"):
        user.write_text(path, "mine")
        project.write_text(path, "precious")
    for _ in range(KEPT_VERSIONS):
        user.tag("/e/hidden", [])
    run.remove("/d")
    run.remove("/e")
    for _ in range(KEPT_VERSIONS):
        user.tag("/e/hidden", [])
    preview = run.promote(project, dry_run=True)
    assert [conflict.path for conflict in preview.conflicts] == ["/d/hidden", "/e/hidden"]
    assert {change.path: change.outcome for change in run.diff(project)} == {
        "/d/changed": "applied",
        "/d/hidden": "conflict",
        "/e/hidden": "conflict",
    }
    with pytest.raises(PromotionConflict):
        run.promote(project)
    assert run.promote(project, on_conflict="keep_target").deleted == ("/d/changed",)
    assert project.read_text("/d/hidden") == project.read_text("/e/hidden") == "precious"


def test_a_removed_directory_in_which_the_runs_own_hid_another_file(project, user, run):
    """A file of an ancestor farther up, and one under a name that was a file in the run."""
    run.write_text("/d/f", "run")
    run.write_text("/e/f", "run")
    run.write_text("/g/sub/f", "run")
    project.write_text("/d/f", "precious")
    project.write_text("/e/f/in", "precious")
    user.write_text("/d/f", "user")
    user.write_text("/g/sub/f", "before")
    run.remove("/g/sub")
    run.make_dir("/g/sub")
    user.write_text("/g/sub/new", "precious")
    for path in ("/d", "/e", "/g"):
        run.remove(path)
    assert [conflict.path for conflict in run.promote(project, dry_run=True).conflicts] == ["/d/f", "/e/f/in"]
    assert [conflict.path for conflict in run.promote(dry_run=True).conflicts][:2] == ["/d/f", "/e/f/in"]
    assert "/g/sub/new" in [conflict.path for conflict in run.promote(dry_run=True).conflicts]


def test_a_removed_directory_in_which_a_directory_hid_a_file(project, user, run):
    """And a file of the run's own one that came up the chain since."""
    run.write_text("/d/m/in", "run")
    run.write_text("/e/f", "run")
    user.write_text("/e/f", "precious")
    project.write_text("/d/m", "precious")
    user.promote()
    for path in ("/d", "/e"):
        run.remove(path)
    for target in (user, project):
        assert [conflict.path for conflict in run.promote(target, dry_run=True).conflicts] == ["/d/m", "/e/f"]


def test_a_removed_directory_that_shows_an_older_file_since(project, user, run):
    """The target let go of the one that the run removed."""
    project.write_text("/d/f", "1")
    user.edit("/d/f", "1", "2")
    project.write_text("/d/f", "precious")
    run.remove("/d")
    user.restore("/d/f")
    assert user.read_text("/d/f") == "precious"
    assert [conflict.path for conflict in run.promote(dry_run=True).conflicts] == ["/d/f"]


def test_an_ancestor_of_the_same_name_in_another_hive(tmp_path, project, user):
    user.write_text("/f", "1")
    with Hivemind.open(tmp_path / "other") as other:
        elsewhere = other.scope("project")
        for operation in (user.promote, user.diff):
            with pytest.raises(ScopeNotFound):
                operation(elsewhere)
    assert not project.exists("/f")


def test_a_ttl_beyond_all_time(user):
    with pytest.raises(InvalidScope):
        user.spawn("run", ttl=10**400)
    with pytest.raises(InvalidScope):
        user.renew(10**400)
