"""`hivemind workspace`."""

import sqlite3
from contextlib import closing

import pytest

from pydantic_hivemind import Hivemind


def test_a_workspace_is_made_and_shown(run, store):
    made = run("workspace", "create", "run-1", "--inherit", "project", "--ttl", "2h")
    assert (made.code, made.out) == (0, "run-1\n")
    assert "'project'" in made.err
    assert run("workspace", "create", "run-2", "--inherit", "project").err == ""

    (project, first, second) = run("workspace", "list", "--json").json
    assert (project["name"], project["parent"], project["session"]) == ("project", None, False)
    assert (first["name"], first["parent"], first["session"]) == ("run-1", "project", True)
    assert first["expires_at"] - first["created_at"] == pytest.approx(7200)
    assert second["expires_at"] is None

    assert run("workspace", "list").lines == ["project", "run-1", "run-2"]
    assert run("workspace", "tree").lines == ["project", "  run-1", "  run-2"]
    (root,) = run("workspace", "tree", "--json").json
    assert [child["name"] for child in root["children"]] == ["run-1", "run-2"]

    shown = run("workspace", "show", "run-1", "--json").json
    assert {"chain": ["run-1", "project"], "children": [], "files": 0, "checkpoints": 0}.items() <= shown.items()
    assert "chain\trun-1, project" in run("workspace", "show", "run-1").lines


def test_people_see_tables_and_trees(run):
    run("workspace", "create", "run", "--inherit", "project")
    assert run("workspace", "create", "other", people=True).out == "Made the workspace other.\n"
    assert run("workspace", "list", people=True).lines[0].split() == ["name", "inherits", "made", "ends"]
    assert "└── run" in run("workspace", "tree", people=True).out
    assert "project" in run("workspace", "show", "run", people=True).out


def test_a_taken_name_is_a_conflict(run):
    run("workspace", "create", "run")
    again = run("workspace", "create", "run")
    assert (again.code, again.out) == (4, "")
    assert "'run' exists already" in again.err


def test_a_workspace_lives_longer(run):
    run("workspace", "create", "run", "--ttl", "1m")
    renewed = run("workspace", "renew", "run", "--ttl", "1d", "--json").json
    assert renewed["expires_at"] - renewed["created_at"] > 80_000
    assert run("workspace", "renew", "run", "--json").json["expires_at"] is None


def test_a_workspace_is_deleted_and_what_inherits_only_if_told(run, store):
    run("workspace", "create", "run", "--inherit", "project")
    refused = run("workspace", "delete", "project")
    assert (refused.code, "--cascade" in refused.err) == (4, True)
    assert run("workspace", "delete", "project", "--cascade").out == "project\n"
    with Hivemind.open(store) as hive:
        assert hive.scopes() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("workspace", "show", "nobody"), 3),
        (("workspace", "delete", "nobody"), 3),
        (("ls", "--workspace", "nobody"), 3),
        (("workspace", "create", "new", "--ttl", "soon"), 2),
        (("workspace", "create", "new", "--ttl", "0"), 2),
        (("workspace", "create", ""), 2),
        (("workspace", "create"), 2),
        (("workspace", "frobnicate"), 2),
    ],
)
def test_what_cannot_be_done_says_so(run, arguments, code):
    run("workspace", "create", "there")
    told = run(*arguments)
    assert (told.code, told.out) == (code, "")
    assert told.err
    assert run("workspace", "list").lines == ["there"]


def test_no_store_is_made_by_looking(run, store):
    for arguments in (("workspace", "list"), ("ls", "-w", "run"), ("doctor",), ("gc",), ("token", "list")):
        told = run(*arguments)
        assert (told.code, told.out) == (3, "")
        assert "hivemind workspace create" in told.err
    assert not store.exists()
    assert run("workspace", "list", "--store", "mysql://host/name").code == 2


def test_the_store_is_the_users_unless_told(run, store, tmp_path, monkeypatch):
    run("workspace", "create", "in-the-variables")
    run("workspace", "create", "named", "--store", tmp_path / "named")
    monkeypatch.delenv("HIVEMIND_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    run("workspace", "create", "own")
    for place, name in (("store", "in-the-variables"), ("named", "named"), ("data/hivemind", "own")):
        with Hivemind.open(tmp_path / place) as hive:
            assert [info.name for info in hive.scopes()] == [name]


@pytest.mark.parametrize("ttl", ["9" * 400, "1" + "0" * 300, "522w", "3651d"])
def test_a_ttl_that_no_clock_counts_is_refused(run, ttl):
    run("workspace", "create", "project")
    for command in ("create", "renew"):
        told = run("workspace", command, "project" if command == "renew" else "long", "--ttl", ttl)
        assert (told.code, told.out) == (2, "")
        assert "ttl" in told.err
    assert run("token", "create", "--workspace", "project", "--ttl", ttl).code == 2


@pytest.mark.parametrize("stored", ["1e300", "9e999", "-1e300", "1e15"])
def test_an_end_that_no_clock_counts_is_shown_all_the_same(run, store, stored):
    run("workspace", "create", "odd", "--ttl", "1h")
    with closing(sqlite3.connect(store / "ledger.sqlite3")) as connection:
        connection.execute(f"UPDATE scopes SET created_at = {stored} WHERE name = 'odd'")
        if not stored.startswith("-"):
            connection.execute(f"UPDATE scopes SET expires_at = {stored} WHERE name = 'odd'")
        connection.commit()
    assert "odd" in run("workspace", "list", people=True).out
    assert "odd" in run("workspace", "show", "odd", people=True).out
    assert "Infinity" not in run("workspace", "list", "--json").out


@pytest.mark.parametrize("arguments", [("token", "revoke", "\udcff"), ("revert", "\udcff", "-w", "project")])
def test_what_is_no_text_is_refused(run, arguments):
    run("workspace", "create", "project")
    told = run(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "surrogate" in told.err


def test_a_workspace_may_exist(run):
    for _ in range(2):
        assert run("workspace", "create", "acme/ada", "--inherit", "acme", "--exist-ok").out == "acme/ada\n"
    assert run("workspace", "create", "acme/ada", "--exist-ok").code != 0
    refused = run("workspace", "create", "acme/ada", "--inherit", "new", "--exist-ok")
    assert "inherits from 'acme'" in refused.err
    assert run("workspace", "list").lines == ["acme", "acme/ada"]
    assert run("workspace", "create", "acme/ada", "--inherit", "acme").code != 0


def test_a_workspace_moves(run):
    run("workspace", "create", "ada", "--inherit", "old")
    run("workspace", "create", "new")
    run("write", "/f", "-w", "ada", stdin=b"text")
    assert run("workspace", "move", "ada", "--name", "new/ada", "--inherit", "new").out == "new/ada\n"
    assert run("cat", "/f", "-w", "new/ada").out == "text"
    assert run("workspace", "show", "new/ada", "--json").json["chain"] == ["new/ada", "new"]
    assert run("workspace", "move", "new/ada", "--root", people=True).out == "new/ada inherits from nothing.\n"
    assert run("workspace", "move", "new/ada", "--root", "--inherit", "new").code != 0
    assert run("workspace", "move", "new/ada").code != 0
    assert run("workspace", "move", "nobody", "--name", "x").code != 0
