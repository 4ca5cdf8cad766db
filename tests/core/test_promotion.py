"""The laws of promotion."""

import pytest
from databases import new_store, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_integrity import check_layers, dump

from pydantic_hivemind.errors import HivemindError, OperationConflict, PromotionConflict, ScopeNotFound

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def run(project):
    return project.spawn("run")


def tree(scope):
    return {stat.path: (scope.read_bytes(stat.path), stat.tags) for stat in scope.glob("**")}


def lists(report):
    return report.applied, report.merged, report.deleted, report.skipped, report.conflicts


# -- laws ------------------------------------------------------------------------------------------


@given(data=st.data())
@SETTINGS
def test_disjoint_edits_in_either_order(data):
    """Two runs that changed different lines and different files promote to the same tree whoever is first."""
    lines = [f"line {number}" for number in range(12)]
    first = data.draw(st.sets(st.sampled_from([0, 1, 2, 3])), label="first run's lines")
    second = data.draw(st.sets(st.sampled_from([6, 7, 8, 9, 10])), label="second run's lines")
    removed = data.draw(st.sets(st.sampled_from(["/x/1", "/x/2"])), label="first run removes")
    trees = []
    with new_store() as place, opened(place) as hive:
        for order in ((0, 1), (1, 0)):
            target = hive.scope(f"target {order}")
            target.write_text("/shared.txt", "\n".join(lines) + "\n")
            for name in ("/x/1", "/x/2", "/x/3"):
                target.write_text(name, name)
            runs = [target.spawn(), target.spawn()]
            for scope, numbers, label in zip(runs, (first, second), "ab", strict=True):
                changed = [f"{label} {line}" if number in numbers else line for number, line in enumerate(lines)]
                scope.write_text("/shared.txt", "\n".join(changed) + "\n")
                scope.write_text(f"/own/{label}.txt", label)
            for path in removed:
                runs[0].remove(path)
            for index in order:
                assert runs[index].promote().conflicts == ()
            trees.append(tree(target))
    assert trees[0] == trees[1]


def test_a_failed_promotion_changes_nothing(hive, project, run):
    """Not one row, though most of it could have been promoted."""
    for number in range(5):
        project.write_text(f"/{number}", "base")
    for number in range(4):
        run.write_text(f"/{number}", "theirs")
    run.remove("/4")
    run.write_text("/d/new", "x")
    project.write_text("/3", "ours")
    before = dump(hive)
    with pytest.raises(PromotionConflict):
        run.promote(operation_id="1")
    assert dump(hive) == before


@pytest.mark.parametrize("on_conflict", ["fail", "keep_target", "take_source"])
def test_the_dry_run_says_what_the_run_does(hive, project, run, on_conflict):
    """And writes nothing; with conflicts too."""
    clashing = on_conflict != "fail"
    for name in ("same", "gone", "merged", "d/in", "clash"):
        project.write_text(f"/{name}", "1\n2\n3\n4\n5\n")
    run.write_text("/same", "1\n2\n3\n4\n5\n")
    run.remove("/gone")
    run.remove("/d")
    run.edit("/merged", "1\n", "one\n")
    project.edit("/merged", "5\n", "five\n")
    if clashing:
        run.edit("/clash", "3", "theirs")
        project.edit("/clash", "3", "ours")
    run.make_dir("/empty")
    before = dump(hive)
    preview = run.promote(on_conflict=on_conflict, dry_run=True)
    assert preview.dry_run
    assert dump(hive) == before
    report = run.promote(on_conflict=on_conflict)
    assert lists(report) == lists(preview)
    assert report.merged == ("/merged",)
    check_layers(hive)


def test_promoting_twice_is_promoting_once(project, run):
    """The second finds nothing to do, the target keeps what it has."""
    project.write_text("/f", "1\n2\n3\n")
    run.edit("/f", "3", "three")
    project.edit("/f", "1", "one")
    run.promote()
    once = tree(project)
    assert lists(run.promote()) == ((), (), (), (), ())
    assert tree(project) == once


def test_a_retry_returns_the_receipt(project, run):
    """Even when there is more to promote by now; another use of the id is refused."""
    run.write_text("/f", "1")
    report = run.promote(operation_id="promote-1")
    run.write_text("/g", "2")
    assert run.promote(operation_id="promote-1") == report
    assert not project.exists("/g")
    with pytest.raises(OperationConflict):
        run.promote(on_conflict="take_source", operation_id="promote-1")


def test_what_was_promoted_reads_through(project, run):
    """The parent's later change shows, and nothing of the run's own is left to hide it."""
    project.write_text("/d/old", "x")
    run.write_text("/d/new", "1")
    run.remove("/d/old")
    run.promote()
    assert run.diff() == []
    project.write_text("/d/new", "2")
    project.write_text("/d/old", "back")
    assert tree(run) == tree(project)
    project.remove("/d")
    assert run.list_dir("/") == []


# -- both sides changed ------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_conflict", "expected"), [("keep_target", "ours"), ("take_source", "theirs")])
def test_strategies_settle_a_conflict(project, run, on_conflict, expected):
    """By taking the named side there, and merging the rest."""
    project.write_text("/f", "1\n2\n3\n4\n5\n6\n7\n")
    run.write_text("/f", "1\ntheirs\n3\n4\n5\n6\n7 more\n")
    project.write_text("/f", "1\nours\n3\n4\n5\n6\n7\n")
    report = run.promote(on_conflict=on_conflict)
    assert [conflict.path for conflict in report.conflicts] == ["/f"]
    assert project.read_text("/f") == run.read_text("/f") == f"1\n{expected}\n3\n4\n5\n6\n7 more\n"


@pytest.mark.parametrize(("on_conflict", "left"), [("fail", None), ("keep_target", "changed"), ("take_source", "")])
def test_deleted_here_changed_there(project, run, on_conflict, left):
    """A deletion of what the other side changed is a conflict."""
    project.write_text("/f", "base")
    run.remove("/f")
    project.write_text("/f", "changed")
    if left is None:
        with pytest.raises(PromotionConflict) as raised:
            run.promote(on_conflict=on_conflict)
        assert raised.value.report.conflicts[0].theirs is None
        assert project.read_text("/f") == "changed"
    else:
        run.promote(on_conflict=on_conflict)
        assert (project.read_text("/f") if project.exists("/f") else "") == left


@pytest.mark.parametrize(("on_conflict", "left"), [("fail", None), ("keep_target", ""), ("take_source", "changed")])
def test_changed_here_deleted_there(project, run, on_conflict, left):
    """And the other way round."""
    project.write_text("/f", "base")
    run.write_text("/f", "changed")
    project.remove("/f")
    if left is None:
        with pytest.raises(PromotionConflict):
            run.promote(on_conflict=on_conflict)
        assert run.read_text("/f") == "changed"
    else:
        run.promote(on_conflict=on_conflict)
        assert (project.read_text("/f") if project.exists("/f") else "") == left


def test_the_same_change_on_both_sides(project, run):
    """Is no conflict: same bytes, both deleted, both added."""
    for path in ("/edited", "/gone"):
        project.write_text(path, "base")
    for scope in (run, project):
        scope.write_text("/edited", "same")
        scope.write_text("/added", "same")
        scope.remove("/gone")
    report = run.promote()
    assert (report.applied, report.deleted, report.conflicts) == ((), (), ())
    assert run.diff() == []


def test_binary_files_are_not_merged(project, run):
    """Both sides' changes are a conflict however far apart they are."""
    project.write_bytes("/b", b"\0" + b"a\n" * 100)
    run.write_bytes("/b", b"\0" + b"a\n" * 100 + b"x\n")
    project.write_bytes("/b", b"x\n\0" + b"a\n" * 100)
    with pytest.raises(PromotionConflict):
        run.promote()
    run.promote(on_conflict="take_source")
    assert project.read_bytes("/b").endswith(b"x\n")


def test_a_file_replaced_by_a_directory(hive, project, run):
    """Is no conflict while the target has the file as it was, and one if it changed it."""
    for path in ("/quiet", "/loud"):
        project.write_text(path, "base")
        run.remove(path)
        run.write_text(f"{path}/in", "x")
    assert run.promote(paths=["/quiet", "/quiet/*"]).conflicts == ()
    assert project.read_text("/quiet/in") == "x"
    project.write_text("/loud", "changed")
    with pytest.raises(PromotionConflict):
        run.promote()
    run.promote(on_conflict="take_source")
    assert project.read_text("/loud/in") == run.read_text("/loud/in") == "x"
    check_layers(hive)


def test_a_directory_replaced_by_a_file(hive, project, run):
    """The same: newer files in the directory are a conflict."""
    for path in ("/quiet", "/loud"):
        project.write_text(f"{path}/in", "base")
        run.remove(path)
        run.write_text(path, "file")
    assert run.promote(paths="/quiet").conflicts == ()
    assert project.read_text("/quiet") == "file"
    project.write_text("/loud/in", "changed")
    with pytest.raises(PromotionConflict):
        run.promote()
    assert project.read_text("/loud/in") == "changed"
    run.promote(on_conflict="keep_target")
    assert run.read_text("/loud/in") == "changed"
    check_layers(hive)


def test_both_added_different_kinds(project, run):
    """A file here and a directory there under one name."""
    run.write_text("/x", "file")
    run.write_text("/y/in", "theirs")
    project.write_text("/x/in", "ours")
    project.write_text("/y", "file")
    with pytest.raises(PromotionConflict) as raised:
        run.promote()
    assert [conflict.path for conflict in raised.value.report.conflicts] == ["/x", "/y/in"]
    run.promote(on_conflict="take_source")
    assert tree(project) == {"/x": (b"file", ()), "/y/in": (b"theirs", ())}


# -- removed directories -----------------------------------------------------------------------------


def test_a_removed_directory_spares_what_is_newer(project, run):
    """A file that the run never saw is a conflict; without one the directory goes."""
    project.write_text("/d/old", "1")
    project.write_text("/e/old", "1")
    run.remove("/d")
    run.remove("/e")
    project.write_text("/d/new", "2")
    with pytest.raises(PromotionConflict) as raised:
        run.promote()
    assert [conflict.path for conflict in raised.value.report.conflicts] == ["/d/new"]
    report = run.promote(on_conflict="keep_target")
    assert sorted(report.deleted) == ["/d/old", "/e"]
    assert tree(run) == tree(project) == {"/d/new": (b"2", ())}


def test_a_change_behind_the_runs_own_is_not_lost_with_its_directory(project, run):
    """The run removed its own copy, and never saw what the target wrote meanwhile."""
    project.write_text("/d/f", "base")
    run.write_text("/d/f", "mine")
    project.write_text("/d/f", "unseen")
    run.remove("/d")
    with pytest.raises(PromotionConflict):
        run.promote()


def test_a_directory_made_anew(hive, project, run):
    """Replaces what the target has in it, but for what is newer."""
    project.write_text("/d/f", "old")
    project.write_text("/d/sub/g", "old")
    run.remove("/d")
    run.write_text("/d/f", "rewritten")
    assert run.promote().conflicts == ()
    assert tree(project) == tree(run) == {"/d/f": (b"rewritten", ())}
    check_layers(hive)


def test_a_filter_leaves_the_rest_of_a_removed_directory(hive, project, run):
    """What is promoted out of it stays visible in the run."""
    project.write_text("/d/old", "1")
    run.remove("/d")
    run.write_text("/d/mine", "2", tags=["keep"])
    run.write_text("/d/draft", "3")
    run.promote(tags=["keep"])
    assert sorted(tree(project)) == ["/d/mine", "/d/old"]
    assert sorted(tree(run)) == ["/d/draft", "/d/mine"]
    check_layers(hive)
    run.promote()
    assert sorted(tree(project)) == sorted(tree(run)) == ["/d/draft", "/d/mine"]


def test_an_unknown_ancestor_or_none(hive, project, run):
    """Promoting goes up the chain only."""
    hive.scope("elsewhere")
    for target in ("elsewhere", "nowhere", "run"):
        with pytest.raises(ScopeNotFound):
            run.promote(target)
    with pytest.raises(HivemindError, match="no parent"):
        project.promote()
