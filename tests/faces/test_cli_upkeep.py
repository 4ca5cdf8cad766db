"""`gc`, `doctor` and `reindex`."""

import importlib.metadata
import json
import sqlite3
import time

import pytest

from pydantic_hivemind import Hivemind


@pytest.fixture(autouse=True)
def workspace(run):
    run("workspace", "create", "run", "--inherit", "project")
    run("write", "/a.md", "-w", "run", stdin=b"Otter is the cluster.\n")


VERSIONS = ["ledger", "python", "pydantic-hivemind", "pydantic-deep", "pydantic-ai-backend", "pydantic-ai-slim"]


def wrong(told):
    """What a pipe is told beside the versions."""
    return [line for line in told.lines if not line.startswith("version\t")]


def test_a_good_store_is_well(run):
    told = run("doctor")
    assert (told.code, wrong(told), told.err) == (0, [], "")
    assert [line.split("\t")[1] for line in told.lines][:6] == VERSIONS
    assert run("doctor", "--json").json["findings"] == []
    assert list(run("doctor", "--json").json["versions"])[:6] == VERSIONS
    assert [line[0] for line in run("doctor", people=True).lines[:5]] == ["✓"] * 5


def test_packages_that_do_not_fit_are_told(run, monkeypatch):
    """Those this package needs, and those that pydantic-deep's line does."""
    versions = importlib.metadata.version
    old = {"chromadb": "1.0", "pydantic-ai-backend": "0.0.1"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: old.get(name) or versions(name))
    told = run("doctor", "--fix")
    assert told.code == 1
    assert any(
        line.startswith("versions\tchromadb 1.0 is installed, and pydantic-hivemind needs >=1.5\tpip install '")
        for line in wrong(told)
    )
    assert any("pydantic-ai-backend 0.0.1" in line and "pydantic-deep needs" in line for line in wrong(told))
    assert "✗ versions" in run("doctor", people=True).out


def test_collections_of_another_version_are_told_and_mended(run, store):
    directory = store / "collections" / "1"
    (directory / "chroma").mkdir(parents=True)
    stamp = {"layout": 1, "chroma": "0.4", "hnsw": {}, "embedder": "x", "mounts": []}
    marker = {"stamp": json.dumps(stamp), "synced": 1, "files": {}}
    (directory / "clean.json").write_text(json.dumps(marker))
    told = run("doctor")
    assert told.code == 1
    problem = "collections 1 were made by another version, with chromadb 0.4"
    assert wrong(told) == [f"versions\t{problem}\thivemind doctor --fix"]
    assert run("doctor", "--fix").code == 0
    assert not directory.exists()
    with Hivemind.open(store) as hive:
        hive.scope("run").collection("/")
    assert list((store / "collections").glob("*/clean.json"))
    assert run("doctor").code == 0


def test_what_is_wrong_is_told_and_mended(run, store):
    (store / "collections" / "4711" / "chroma").mkdir(parents=True)
    told = run("doctor")
    assert told.code == 1
    assert wrong(told) == ["orphans\tcollections 4711 belong to no scope\thivemind doctor --fix"]
    assert "✗ orphans" in run("doctor", people=True).out
    mended = run("doctor", "--fix")
    assert (mended.code, wrong(mended)) == (0, [])
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
