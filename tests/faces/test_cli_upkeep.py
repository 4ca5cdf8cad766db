"""`gc`, `doctor` and `reindex`."""

import sqlite3
import time

import pytest

from pydantic_hivemind import Hivemind


@pytest.fixture(autouse=True)
def workspace(run):
    run("workspace", "create", "run", "--inherit", "project")
    run("write", "/a.md", "-w", "run", stdin=b"Otter is the cluster.\n")


def test_a_good_store_is_well(run):
    told = run("doctor")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert run("doctor", "--json").json["findings"] == []
    assert "pydantic-hivemind" in run("doctor", "--json").json["versions"]
    assert [line[0] for line in run("doctor", people=True).lines[:4]] == ["✓"] * 4


def test_what_is_wrong_is_told_and_mended(run, store):
    (store / "collections" / "4711" / "chroma").mkdir(parents=True)
    told = run("doctor")
    assert (told.code, told.lines) == (1, ["orphans\tcollections 4711 belong to no scope\thivemind doctor --fix"])
    assert "✗ orphans" in run("doctor", people=True).out
    mended = run("doctor", "--fix")
    assert (mended.code, mended.out) == (0, "")
    assert not (store / "collections" / "4711").exists()


def test_what_cannot_be_mended_stays_told(run, store):
    connection = sqlite3.connect(store / "ledger.sqlite3")
    connection.execute("UPDATE versions SET data = NULL WHERE path = '/a.md'")
    connection.commit()
    connection.close()
    told = run("doctor", "--fix", "--json")
    assert told.code == 1
    (finding,) = told.json["findings"]
    assert (finding["part"], finding["remedy"]) == ("ledger", "restore the store from a backup")


def test_a_ledger_that_is_none(run, store):
    (store / "ledger.sqlite3").write_bytes(b"no ledger at all" * 1000)
    for arguments in (("doctor",), ("ls", "-w", "run")):
        told = run(*arguments)
        assert (told.code, told.out) == (5, "")
        assert "damaged" in told.err


def test_what_has_ended_is_removed_and_its_room_given_back(run, store):
    with Hivemind.open(store) as hive:
        ending = hive.scope("project").spawn("ended")
        ending.write_bytes("/large", bytes(2_000_000))
        ending.renew(0.001)
    time.sleep(0.01)
    told = run("gc", "--json").json
    assert told["ended"] == 1
    assert told["freed"] > 1_000_000
    assert run("gc", people=True).out.startswith("Removed 0 workspaces")
    assert run("cat", "/a.md", "-w", "run").out == "Otter is the cluster.\n"


def test_every_workspace_is_indexed(run, store):
    assert run("reindex", "--json").json == {"workspaces": 2}
    assert run("reindex", people=True).out == "Indexed 2 workspaces.\n"
    connection = sqlite3.connect(store / "ledger.sqlite3")
    assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (1,)
    connection.close()


def other_embedder(texts):
    """What an app may have paid for: of how many of each letter there are."""
    return [[text.count(letter) + 1.0 for letter in "abcdefgh"] for text in texts]


def test_vectors_of_the_app_are_not_deleted_without_a_word(run, store):
    with Hivemind.open(store, embedder=other_embedder) as hive:
        hive.reindex()
    told = run("reindex")
    assert (told.code, told.out) == (5, "")
    assert "--drop-others" in told.err
    connection = sqlite3.connect(store / "ledger.sqlite3")
    before = connection.execute("SELECT embedder FROM vectors").fetchall()
    assert run("reindex", "--drop-others", "--json").json == {"workspaces": 2}
    assert connection.execute("SELECT embedder FROM vectors").fetchall() != before
    connection.close()
    assert run("reindex").code == 0
