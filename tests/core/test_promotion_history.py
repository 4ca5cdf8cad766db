"""Promotion by filter, into memory, and taking it back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_integrity import check_layers
from test_promotion import tree

from pydantic_hivemind.errors import InvalidOption, VersionConflict, VersionNotFound
from pydantic_hivemind.merging.three_way import merge

MEMORY = "/.deep/memory/main/MEMORY.md"


# -- memory ----------------------------------------------------------------------------------------


def test_memory_keeps_the_additions_of_both(user, run):
    """The target's first, identical lines once."""
    user.write_text(MEMORY, "# Memory\n- base\n")
    run.edit(MEMORY, "- base\n", "- base\n- same\n- theirs\n")
    user.edit(MEMORY, "- base\n", "- base\n- same\n- ours\n")
    report = run.promote()
    assert report.merged == (MEMORY,)
    assert user.read_text(MEMORY) == "# Memory\n- base\n- same\n- ours\n- theirs\n"


def test_memory_that_both_began(user, run):
    """Without a base everything is an addition."""
    run.write_text(MEMORY, "# Memory\n- theirs")
    user.write_text(MEMORY, "# Memory\n- ours")
    run.promote()
    assert user.read_text(MEMORY).splitlines() == ["# Memory", "- ours", "- theirs"]


BASE = st.lists(st.sampled_from(["- one", "- two", "- three", "- four"]), unique=True, min_size=1)


@given(base=BASE, data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_memory_loses_no_line_and_brings_none_back(base, data):
    """Every addition is there once; what one side deleted and the other left alone stays deleted."""
    sides = []
    for name in ("ours", "theirs"):
        kept = [line for line in base if data.draw(st.booleans(), label=f"{name} keeps {line}")]
        added = data.draw(st.lists(st.sampled_from([f"- {name} 1", f"- {name} 2", "- both"]), unique=True), label=name)
        sides.append(kept + added)
    ours, theirs = sides
    merged = merge(MEMORY, _text(base), _text(ours), _text(theirs), union=True)
    assert not merged.conflict
    lines = merged.data.decode().splitlines() if merged.data else []
    additions = {line for side in sides for line in side} - set(base)
    assert additions <= set(lines)
    assert all(lines.count(line) == 1 for line in additions)
    assert not {line for line in base if line not in ours or line not in theirs} & set(lines)
    assert {line for line in base if line in ours and line in theirs} <= set(lines)


def _text(lines):
    return "".join(line + "\n" for line in lines).encode()


# -- filters ---------------------------------------------------------------------------------------


def test_by_tag(user, run):
    """Files with one of the tags; a deletion counts by the tags of what was deleted."""
    user.write_text("/gone", "x", tags=["keep"])
    user.write_text("/stays", "x")
    run.write_text("/a", "1", tags=["keep", "other"])
    run.write_text("/b", "2", tags=["other"])
    run.remove("/gone")
    run.remove("/stays")
    report = run.promote(tags=["keep"])
    assert (report.applied, report.deleted, report.skipped) == (("/a",), ("/gone",), ("/b", "/stays"))
    assert sorted(tree(user)) == ["/a", "/stays"]
    assert sorted(tree(run)) == ["/a", "/b"]
    run.promote()
    assert sorted(tree(user)) == ["/a", "/b"]


def test_by_path(user, run):
    """Globs from the root."""
    for path in ("/notes/a.md", "/notes/deep/b.md", "/notes/c.txt", "/other/d.md"):
        run.write_text(path, path)
    assert run.promote(paths="/notes/**/*.md").applied == ("/notes/a.md", "/notes/deep/b.md")
    assert run.promote(paths=["/notes/*", "/nothing"]).applied == ("/notes/c.txt",)
    assert sorted(tree(user)) == ["/notes/a.md", "/notes/c.txt", "/notes/deep/b.md"]


def test_by_directory(project, user, run):
    """All that was changed in it, its removal too."""
    project.write_text("/plans/old/x.md", "x")
    for path in ("/plans/a.md", "/plans/deep/b.md", "/plans-of-others/c.md"):
        run.write_text(path, path)
    run.remove("/plans/old")
    run.make_dir("/plans/empty")
    report = run.promote(paths="/plans")
    assert (report.applied, report.deleted) == (("/plans/a.md", "/plans/deep/b.md", "/plans/empty"), ("/plans/old",))
    assert report.skipped == ("/plans-of-others/c.md",)
    assert sorted(tree(user)) == ["/plans/a.md", "/plans/deep/b.md"]
    assert run.promote(paths=["/plans-of-others/c.md"]).applied == ("/plans-of-others/c.md",)


def test_tags_merge(user, run):
    """Both sides' new tags, without those that either took away."""
    user.write_text("/f", "x", tags=["a", "b"])
    run.tag("/f", ["b", "c"])
    user.tag("/f", ["a", "b", "d"])
    run.promote()
    assert user.stat("/f").tags == ("b", "c", "d")


# -- history and revert ----------------------------------------------------------------------------


def test_history_names_the_source(user, run):
    """Who promoted what from where."""
    run.write_text("/f", "1")
    report = run.promote()
    (version,) = user.history("/f")
    assert (version.action, version.source, version.promotion, version.scope) == ("promote", "run", report.id, "user")


def test_history_names_no_stranger(hive, project, user, run):
    """Of what scopes above received, a scope is told only what came from its own chain or from below it."""
    for scope in (run, user.spawn("helper"), hive.scope("ada@secret.example", parent=project), project.spawn("gone")):
        scope.write_text("/f", scope.name)
        scope.promote(project, on_conflict="take_source")
    hive.scope("gone", create=False).destroy()
    hive.scope("gone", parent=user)

    def sources(scope, path="/f"):
        return [version.source for version in scope.history(path) if version.action == "promote"]

    assert sources(project) == ["gone", "ada@secret.example", "helper", "run"]
    assert sources(user) == [None, None, "helper", "run"]
    assert sources(run) == [None, None, None, "run"]
    assert sources(hive.scope("ada@secret.example")) == [None, "ada@secret.example", None, None]
    # It knows its own name, though that was another's then.
    assert sources(hive.scope("gone")) == ["gone", None, None, None]
    run.write_text("/g", "1")
    run.promote()
    user.promote()
    assert sources(run, "/g") == ["user", "run"]
    assert sources(hive.scope("gone"), "/g") == ["user", None]


def test_revert_undoes_exactly(hive, user, project, run):
    """Additions, edits, deletions, of the target's own files and inherited ones, of files and directories."""
    for scope in (project, user):
        for name in ("edit", "gone", "d/one", "d/sub/two", "file", "dir/in"):
            scope.write_text(f"/{scope.name}/{name}", name, tags=["t"])
    for name in ("project", "user"):
        run.write_text(f"/{name}/edit", "changed", tags=["u"])
        run.write_text(f"/{name}/new/deep/f", "new")
        run.remove(f"/{name}/gone")
        run.remove(f"/{name}/d")
        run.remove(f"/{name}/file")
        run.write_text(f"/{name}/file/now", "directory")
        run.remove(f"/{name}/dir")
        run.write_text(f"/{name}/dir", "file")
    before = tree(user)
    report = run.promote()
    assert tree(user) != before
    user.revert(report.id)
    assert tree(user) == before
    check_layers(hive)
    project.write_text("/project/edit", "later")
    assert user.read_text("/project/edit") == "later"


@pytest.mark.parametrize("change", ["write", "remove", "promote"])
def test_revert_refuses_what_changed_since(user, run, change):
    """And changes nothing."""
    run.write_text("/a", "1")
    run.write_text("/b", "1")
    report = run.promote()
    if change == "write":
        user.write_text("/b", "2")
    elif change == "remove":
        user.remove("/b")
    else:
        user.promote(paths="/b")
    before = tree(user)
    with pytest.raises(VersionConflict):
        user.revert(report.id)
    assert tree(user) == before


def test_revert_of_what_is_not_there(project, user, run):
    """A promotion belongs to the scope that received it, and is undone once."""
    run.write_text("/a", "1")
    report = run.promote()
    with pytest.raises(VersionNotFound):
        project.revert(report.id)
    assert user.revert(report.id) == ["/a"]
    with pytest.raises(VersionConflict):
        user.revert(report.id)


def test_runs_with_the_same_operation_id(user):
    """Each promotion is its own, and is undone by itself."""
    reports = []
    for name in ("one", "two"):
        run = user.spawn(name)
        run.write_text(f"/{name}", name)
        reports.append(run.promote(operation_id="promote"))
    user.revert(reports[0].id)
    assert sorted(tree(user)) == ["/two"]


def test_restore_after_a_promotion(project, user):
    """What was there before a change is what was visible, not an older content of the scope's own."""
    user.write_text("/f", "1")
    user.promote()
    project.write_text("/f", "2")
    user.write_text("/f", "3")
    user.restore("/f")
    assert user.read_text("/f") == "2"


@pytest.mark.any_store
def test_what_was_done_last(project, user, run):
    """To any file of the chain, the newest first; of what another scope does, nothing."""
    project.write_text("/f", "1")
    project.spawn("other").write_text("/secret", "x")
    user.write_text("/g", "2", tags="t")
    run.edit("/f", "1", "3")
    report = run.promote()
    run.remove("/g")
    assert [(past.action, past.path, past.scope, past.source) for past in run.recent()] == [
        ("delete", "/g", "run", None),
        ("promote", "/f", user.name, "run"),
        ("edit", "/f", "run", None),
        ("write", "/g", user.name, None),
        ("write", "/f", project.name, None),
    ]
    assert run.recent(2)[1] == user.history("/f")[0]
    assert run.recent(2)[1].promotion == report.id
    assert run.recent(10**30) == run.recent()
    with pytest.raises(InvalidOption):
        run.recent(0)
