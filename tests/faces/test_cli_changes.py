"""`diff`, `promote`, `revert`, `log` and `restore`."""

import shutil
import sqlite3
import subprocess

import pytest

from pydantic_hivemind import Hivemind

W = ("--workspace", "run")


@pytest.fixture(autouse=True)
def changed(run):
    """A workspace that changed what it inherits in every way."""
    run("workspace", "create", "run", "--inherit", "project")
    for path in ("/same", "/gone", "/edited"):
        run("write", path, "-w", "project", stdin=b"one\ntwo\nthree\n")
    run("edit", "/edited", "--old", "two", "--new", "2", *W)
    run("write", "/new/file", "--tag", "t", *W, stdin=b"no end")
    run("write", "/raw", *W, stdin=b"\xff")
    run("rm", "/gone", *W)
    run("tag", "/same", "kept", *W)


def test_a_diff_is_a_patch_of_what_a_promotion_would_do(run, store, tmp_path):
    patch = run("diff", *W)
    assert patch.code == 0
    assert "-two\n+2\n" in patch.out
    assert "Binary files /raw differ\n" in patch.out
    assert "Tags of /same: kept\n" in patch.out
    assert {change["path"]: change["kind"] for change in run("diff", "--json", *W).json} == {
        "/edited": "modified",
        "/gone": "deleted",
        "/new": "directory",
        "/new/file": "added",
        "/raw": "added",
        "/same": "modified",
    }

    if shutil.which("patch"):
        run("export", tmp_path / "before", "-w", "project")
        subprocess.run(["patch", "-p1"], cwd=tmp_path / "before", input=patch.out, text=True, check=True)
        (tmp_path / "before" / "raw").write_bytes(b"\xff")
        run("promote", "--from", "run", "--to", "project")
        run("export", tmp_path / "after", "-w", "project")
        assert files(tmp_path / "before") == files(tmp_path / "after")


def files(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("people", [False, True])
def test_a_diff_shows_what_becomes_of_what_both_sides_changed(run, monkeypatch, people):
    """What a promotion would make of it, and where it would fail."""
    run("write", "/both", "-w", "project", stdin=b"1\n2\n3\n4\n5\n")
    run("edit", "/both", "--old", "5", "--new", "FIVE", *W)
    run("edit", "/both", "--old", "1", "--new", "ONE", "-w", "project")
    run("write", "/raw", "-w", "project", stdin=b"\xfe")
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = run("diff", *W, people=people)
    red, green, plain = ("\x1b[31m", "\x1b[32m", "\x1b[0m") if people else ("", "", "")
    assert f" 4\n{red}-5{plain}\n{green}+FIVE{plain}\n" in told.out
    assert "ONE\n" not in told.out
    assert "Merged: both sides changed /both" in told.out
    assert "Conflict: both sides changed /raw" in told.out
    changes = {change["path"]: change for change in run("diff", "--json", *W).json}
    assert (changes["/both"]["outcome"], changes["/both"]["after"]) == ("merged", "ONE\n2\n3\n4\nFIVE\n")
    assert (changes["/raw"]["outcome"], changes["/new/file"]["outcome"]) == ("conflict", "applied")


def test_a_store_that_cannot_be_written_is_looked_at(run, store):
    """As a whole, and nobody waits for whoever writes."""
    before = run("diff", *W).out
    connection = sqlite3.connect(store / "ledger.sqlite3", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    told = run("diff", *W)
    connection.close()
    assert (told.code, told.out) == (0, before)


def test_a_promotion_is_reported_logged_and_reverted(run, store):
    before = run("promote", "--from", "run", "--to", "project", "--dry-run", "--json").json
    assert before["dry_run"]
    report = run("promote", "--from", "run", "--to", "project", "--operation-id", "op", "--json").json
    assert report["applied"] == before["applied"] == ["/edited", "/new/file", "/raw", "/same"]
    assert report["deleted"] == ["/gone"]
    assert run("promote", "--from", "run", "--operation-id", "op", "--to", "project", "--json").json == report

    (promoted, written) = run("log", "/edited", "-w", "project", "--json").json
    assert (promoted["action"], promoted["source"], promoted["promotion"]) == ("promote", "run", report["id"])
    assert (written["action"], written["scope"], written["source"]) == ("write", "project", None)
    assert run("log", "/edited", "-w", "project").lines[0].split("\t")[2:7] == [
        "promote",
        "project",
        "/edited",
        "run",
        report["id"],
    ]
    assert report["id"] in run("log", "/edited", "-w", "project", people=True).out

    with Hivemind.open(store) as hive:
        hive.scope("sibling", parent="project")
    assert run("log", "/edited", "--json", *W).json[0]["source"] == "run"
    assert [line["source"] for line in run("log", "/edited", "-w", "sibling", "--json").json] == [None, None]
    assert run("log", "/edited", "-w", "sibling").lines[0].split("\t")[3:6] == ["project", "/edited", ""]

    assert run("revert", report["id"], "-w", "project").lines == ["/edited", "/gone", "/new/file", "/raw", "/same"]
    assert run("cat", "/gone", "-w", "project").out == "one\ntwo\nthree\n"
    assert run("revert", "unknown", "-w", "project").code == 3


def test_a_pipe_has_the_id_that_takes_it_back(run):
    assert "promotion" not in run("promote", "--from", "run", "--dry-run").out
    *outcomes, (what, promotion) = (line.split("\t") for line in run("promote", "--from", "run").lines)
    assert (what, ["applied", "/raw"] in outcomes) == ("promotion", True)
    assert "/raw" in run("revert", promotion, "-w", "project").lines
    assert run("promote", "--from", "run").out == ""


def test_a_part_is_promoted(run):
    assert run("promote", "--from", "run", "--tag", "t").lines[0] == "applied\t/new/file"
    assert run("promote", "--from", "run", "--path", "/e*", "--path", "/g*").lines[:2] == [
        "applied\t/edited",
        "deleted\t/gone",
    ]
    shown = run("promote", "--from", "run", people=True).out
    assert "from run to project" in shown
    assert "/raw" in shown
    assert run("promote", "--from", "run", people=True).out == "Nothing to promote.\n"


def test_a_conflict_promotes_nothing_until_it_is_settled(run):
    run("edit", "/edited", "--old", "two", "--new", "zwei", "-w", "project")
    for dry in ([], ["--dry-run"]):
        told = run("promote", "--from", "run", *dry)
        assert told.code == 4
        assert "conflict\t/edited" in told.lines
        assert "promotion" not in told.out
        assert run("promote", "--from", "run", *dry, people=True).out.startswith("Would promote")
    (conflict,) = run("promote", "--from", "run", "--json").json["conflicts"]
    assert (conflict["ours"], conflict["theirs"]) == ("one\nzwei\nthree\n", "one\n2\nthree\n")
    assert run("cat", "/raw", "-w", "project").code == 3

    settled = run("promote", "--from", "run", "--on-conflict", "take_source")
    assert (settled.code, run("cat", "/edited", "-w", "project").out) == (0, "one\n2\nthree\n")


def test_versions_come_back(run):
    (deleted, written) = run("log", "/gone", "--json", *W).json
    assert deleted["action"] == "delete"
    assert run("restore", "/gone", "--version", written["version"], "--json", *W).json["size"] == 14
    assert run("restore", "/edited", *W).out == "/edited\n"
    assert run("cat", "/edited", *W).out == "one\ntwo\nthree\n"
    assert run("restore", "/raw", "--json", *W).json is None
    assert run("restore", "/edited", "--version", 4711, *W).code == 3
    assert "there is no file" in run("restore", "/new/file", *W, people=True).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("promote", "--from", "project"), 3),
        (("promote", "--from", "run", "--to", "stranger"), 3),
        (("promote", "--from", "run", "--on-conflict", "fight"), 2),
        (("diff", "--to", "stranger", *W), 3),
        (("log", "/never", *W), 1),
    ],
)
def test_what_cannot_be_done_says_so(run, store, arguments, code):
    with Hivemind.open(store) as hive:
        hive.scope("stranger")
    told = run(*arguments)
    assert (told.code, told.out) == (code, "")


def test_what_happened_in_a_workspace(run):
    """To any file, the newest first, with promotions and where they came from; what is inherited counts too."""
    report = run("promote", "--from", "run", "--json").json
    run("write", "/last", "-w", "run", stdin=b"x")
    entries = run("log", "-w", "project", "--json").json
    assert len({entry["version"] for entry in entries}) == len(entries)
    assert [entry["created_at"] for entry in entries] == sorted((e["created_at"] for e in entries), reverse=True)
    promoted = {entry["path"] for entry in entries if entry["promotion"] == report["id"] and entry["source"] == "run"}
    assert promoted == {"/edited", "/gone", "/new/file", "/raw", "/same"}
    assert "/last" not in {entry["path"] for entry in entries}

    (newest, *_) = told = run("log", "--limit", "3", *W).lines
    assert len(told) == 3
    assert newest.split("\t")[2:5] == ["write", "run", "/last"]
    shown = run("log", *W, people=True).out
    assert "/last" in shown
    assert f"from run, promotion {report['id']}" in shown
    assert run("log", "--limit", "0", *W).code == 2
    run("workspace", "create", "empty")
    assert (run("log", "-w", "empty").code, run("log", "-w", "nobody").code) == (1, 3)


def test_the_log_is_short_unless_asked(run, store):
    with Hivemind.open(store) as hive:
        for number in range(60):
            hive.scope("run").write_text(f"/{number}", "x")
    assert len(run("log", *W).lines) == 50
    assert len(run("log", "--limit", "1000", *W).lines) > 60
    run("edit", "/edited", "--old", "2", "--new", "3", *W)
    assert len(run("log", "/edited", "--limit", "2", *W).lines) == 2
