"""What stays in a scope that is promoted: what a mount leaves behind, and operation logs of memory."""

import json

import pytest

from pydantic_hivemind import DEFAULT_MOUNTS, Mount
from pydantic_hivemind.errors import InvalidPath, OperationConflict, PromotionConflict

MEMORY = "/.deep/memory/main/MEMORY.md"
LOG = "/.deep/memory/main/.memory-operations.json"

PRIVATE = (
    "/large_tool_results/call_1",
    "/.deep/large_tool_results/call_1",
    "/.deep/monitors/build.log",
    "/uploads/payslip.txt",
    "/.pydantic-ai-harness/tool-output/run/0.txt",
    "/.pydantic-ai-harness/shell/1/stdout",
    "/.pydantic-deep/messages.json",
)


@pytest.fixture
def bo(hive):
    hive.scope("project")
    return hive.scope("bo", parent="project")


@pytest.fixture
def ada(hive):
    return hive.scope("ada", parent=hive.scope("project"))


def paths(scope):
    return {stat.path for stat in scope.glob("**")}


def test_what_only_one_user_has_stays_behind(ada, bo):
    """Ada's payslip is in an upload and in an evicted tool result: Bo never reads either."""
    for path in PRIVATE:
        ada.write_text(path, "Ada earns 4,200.\n", tags=["deploy"])
    ada.write_text(MEMORY, "- We deploy from main.\n", tags=["deploy"])
    for options in ({}, {"tags": ["deploy"]}, {"paths": "/**"}, {"paths": ["/uploads", *PRIVATE]}):
        preview = ada.promote(**options, dry_run=True)
        assert set(preview.left_behind) == set(PRIVATE)
        assert set(preview.applied) <= {MEMORY}
        assert not set(preview.skipped) & set(PRIVATE)
    changes = ada.diff()
    assert set(changes.left_behind) == set(PRIVATE)
    assert MEMORY in {change.path for change in changes}
    assert all(change.path.startswith("/.deep/memory") or change.path == "/.deep" for change in changes)
    report = ada.promote()
    assert (report.applied, set(report.left_behind)) == ((MEMORY,), set(PRIVATE))
    assert paths(bo) == {MEMORY}
    assert bo.list_dir("/")[0].path == "/.deep"
    assert len(bo.list_dir("/")) == 1, "not even the directories are there"
    assert bo.grep("4,200") == []
    assert all(ada.read_text(path) == "Ada earns 4,200.\n" for path in PRIVATE)


def test_also_takes_along_what_a_mount_leaves_behind(ada, bo):
    """Under that path only, and it drops nothing else, as `paths` would."""
    for path in ("/uploads/a.csv", "/uploads/in/b.csv", "/uploads-2/c.csv", "/large_tool_results/1", "/notes.md"):
        ada.write_text(path, path)
    ada.write_text("/tagged.md", "t", tags=["x"])
    report = ada.promote(tags=["x"], also=["/uploads/in/"], dry_run=True)
    assert report.applied == ("/tagged.md", "/uploads/in/b.csv")
    assert report.left_behind == ("/large_tool_results/1", "/uploads/a.csv")
    assert report.skipped == ("/notes.md", "/uploads-2/c.csv")
    report = ada.promote(also="/uploads")
    assert report.applied == ("/notes.md", "/tagged.md", "/uploads-2/c.csv", "/uploads/a.csv", "/uploads/in/b.csv")
    assert report.left_behind == ("/large_tool_results/1",)
    assert paths(bo) == set(report.applied)
    assert ada.stat("/uploads/a.csv").scope == "project"
    assert ada.promote(also="/").applied == ("/large_tool_results/1",)
    assert ada.promote().left_behind == ()


def test_also_is_no_glob(ada):
    ada.write_text("/uploads/a.csv", "a")
    assert ada.promote(also=["/upl*", "/**"]).left_behind == ("/uploads/a.csv",)
    with pytest.raises(InvalidPath):
        ada.promote(also="/up\0")


def test_also_is_part_of_what_an_operation_id_stands_for(ada):
    ada.write_text("/uploads/a.csv", "a")
    report = ada.promote(also="/uploads", operation_id="one")
    assert ada.promote(also=["/uploads/"], operation_id="one") == report
    with pytest.raises(OperationConflict):
        ada.promote(operation_id="one")


def test_deletions_stay_behind_too(ada, bo):
    """And what others have under such a mount outlives the deletion of a directory around it."""
    project = ada.parent
    for path in ("/.deep/large_tool_results/1", "/.deep/plain.md", "/uploads/a.csv"):
        project.write_text(path, path)
    ada.remove("/uploads/a.csv")
    ada.remove("/.deep")
    report = ada.promote()
    assert report.left_behind == ("/uploads/a.csv",)
    assert paths(bo) == {"/.deep/large_tool_results/1", "/uploads/a.csv"}
    assert ada.promote(also="/uploads").deleted == ("/uploads/a.csv",)
    assert paths(bo) == {"/.deep/large_tool_results/1"}


def test_a_file_in_place_of_a_directory_with_such_files_is_a_conflict(ada, bo):
    ada.parent.write_text("/.deep/large_tool_results/1", "evicted")
    ada.remove("/.deep")
    ada.write_text("/.deep", "a file")
    with pytest.raises(PromotionConflict):
        ada.promote()
    assert paths(bo) == {"/.deep/large_tool_results/1"}


def test_a_conflict_says_what_would_stay_behind(ada):
    ada.parent.write_text("/f", "base")
    ada.write_text("/f", "theirs")
    ada.parent.write_text("/f", "ours")
    ada.write_text("/uploads/a.csv", "a")
    with pytest.raises(PromotionConflict) as raised:
        ada.promote()
    assert raised.value.report.left_behind == ("/uploads/a.csv",)


def test_what_stayed_is_searched_in_the_scope_and_its_sessions_only(ada, bo):
    ada.write_text("/uploads/cv.md", "Ada plays the theremin.\n")
    ada.promote()
    assert [hit.path for hit in ada.spawn().search("theremin")] == ["/uploads/cv.md"]
    assert list(bo.search("theremin")) == []


def test_a_mount_of_the_opener_s_own(hive, place):
    """Such as for conversations; a default that is replaced travels again."""
    from databases import opened

    mounts = [Mount("/.deep/conversations", "conversations", promotes=False), Mount("/uploads", "files")]
    with opened(place, mounts=mounts) as other:
        run = other.scope("p").spawn()
        run.write_text("/.deep/conversations/1.md", "hello")
        run.write_text("/uploads/a.csv", "a")
        report = run.promote()
        assert (report.applied, report.left_behind) == (("/uploads/a.csv",), ("/.deep/conversations/1.md",))


def test_memory_and_plans_travel():
    assert {mount.prefix for mount in DEFAULT_MOUNTS if mount.promotes} == {"/.deep/memory", "/plans", "/"}


# -- operation logs ----------------------------------------------------------------------------


def test_operation_logs_are_in_no_list(ada, bo):
    """They can be read by who knows them, as the harness does, and never leave their scope."""
    log = json.dumps([{"id": "zebra"}])
    ada.write_text(LOG, log)
    ada.write_text(MEMORY, "- zebra\n")
    assert [stat.path for stat in ada.list_dir("/.deep/memory/main")] == [MEMORY]
    assert paths(ada) == {MEMORY}
    assert [stat.path for stat in ada.glob("*.json", "/.deep/memory/main")] == []
    assert [match.path for match in ada.grep("zebra")] == [MEMORY]
    assert ada.grep("zebra", LOG) == []
    assert [hit.path for hit in ada.search("zebra")] == [MEMORY]
    for _ in range(5):
        ada.write_text(LOG, log)
    assert [version.path for version in ada.recent(3)] == [MEMORY]
    assert LOG not in {change.path for change in ada.diff()}
    report = ada.promote()
    assert (report.applied, report.skipped, report.left_behind) == ((MEMORY,), (), ())
    assert not bo.exists(LOG)
    assert ada.read_text(LOG) == log
    assert ada.diff() == []


def test_a_directory_that_has_only_an_operation_log_is_not_made(ada, bo):
    ada.write_text(LOG, "[]")
    assert ada.diff() == []
    assert ada.promote().applied == ()
    assert bo.list_dir("/") == []


def test_an_operation_log_is_no_conflict(ada, bo):
    """Whoever removes a directory of memory removes the log that is in it, whatever became of that."""
    ada.parent.write_text(LOG, "[]")
    ada.parent.write_text(MEMORY, "- old\n")
    ada.remove("/.deep/memory/main")
    ada.parent.write_text(LOG, '[{"id": "new"}]')
    assert ada.promote().deleted == ("/.deep/memory/main",)
    assert not bo.exists(LOG)


def test_a_log_that_was_promoted_before_is_left_alone(ada, bo):
    """By a version of this package that did."""
    ada.parent.write_text(LOG, '[{"id": "old"}]')
    ada.write_text(LOG, '[{"id": "new"}]')
    ada.write_text(MEMORY, "- new\n")
    ada.promote()
    assert bo.read_text(LOG) == '[{"id": "old"}]'
    assert ada.read_text(LOG) == '[{"id": "new"}]'
