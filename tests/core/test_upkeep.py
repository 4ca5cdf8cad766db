"""A hive finds what is wrong with its store, and gives room back."""

import os
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest
from forked_processes import NOBODY, as_nobody

from pydantic_hivemind import Hivemind, Scope, errors
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE


@pytest.fixture
def store(tmp_path):
    """The directory of a store with some of everything in it."""
    from pydantic_ai.messages import ModelRequest

    with Hivemind.open(tmp_path / "store") as hive:
        project = hive.scope("project")
        run = hive.scope("ada", project).spawn("run")
        project.write_text("/a/b.md", "text")
        run.remove("/a")
        run.write_text("/a/c.md", "", tags=["t"])
        run.conversation("c").append([ModelRequest.user_text_prompt("1"), ModelRequest.user_text_prompt("2")])
    return tmp_path / "store"


def found(store):
    with Hivemind.open(store) as hive:
        return [(finding.part, finding.problem) for finding in hive.doctor()]


def change(store, *statements):
    connection = sqlite3.connect(store / LEDGER_FILE)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_nothing_is_wrong_with_a_good_store(store):
    assert found(store) == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE versions SET data = NULL WHERE path = '/a/b.md'", "1 file(s) whose content is missing"),
        ("UPDATE versions SET data = x'00' WHERE path = '/a/b.md'", "1 file(s) whose content is missing"),
        ("UPDATE scopes SET ancestors = '1' WHERE name = 'run'", "1 scope(s) whose chain differs"),
        ("DELETE FROM turns WHERE previous IS NOT NULL", "1 conversation(s) without"),
        ("DELETE FROM turns WHERE previous IS NULL", "1 message(s) whose previous message is missing"),
        ("DELETE FROM messages", "2 message(s) whose text is missing"),
        ("DELETE FROM scopes WHERE name = 'run'", "rows of"),
    ],
)
def test_what_does_not_fit_together_is_found(store, statement, problem):
    change(store, statement)
    assert any(part == "ledger" and text.startswith(problem) for part, text in found(store))


def test_a_lock_that_stays_is_found(store, monkeypatch):
    monkeypatch.setattr("pydantic_hivemind.hive.findings.PATIENCE", 0.05)
    other = sqlite3.connect(store / LEDGER_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert [part for part, _ in found(store)] == ["locks"]
    other.execute("ROLLBACK")
    other.close()
    assert found(store) == []


def test_collections_of_no_scope_and_those_in_doubt_are_found_and_removed(store):
    collections = store / "collections"
    with Hivemind.open(store) as hive:
        hive.scope("project").collection("/")
    clean = {path.name for path in collections.iterdir()}
    assert (len(clean), found(store)) == (1, [])

    (marker,) = collections.glob("*/clean.json")
    marker.unlink()
    (collections / "4711" / "chroma").mkdir(parents=True)
    assert [part for part, _ in found(store)] == ["collections", "orphans"]
    with Hivemind.open(store) as hive:
        assert all(finding.mendable for finding in hive.doctor())
        hive.gc(compact=False)
        assert hive.doctor() == []
        assert list(collections.iterdir()) == []
        assert hive.scope("project").collection("/").count() == 1


def test_collections_that_are_in_use_are_left_alone(store):
    with Hivemind.open(store) as hive:
        hive.scope("project").collection("/")
        with Hivemind.open(store) as other:
            assert other.doctor() == []
            other.gc(compact=False)
        assert hive.scope("project").collection("/").count() == 1
        assert [path.name for path in (store / "collections").iterdir()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
@pytest.mark.parametrize("what", [".", "1", "1/chroma", "1/lock"])
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500])
def test_collections_that_cannot_be_read(store, what, mode):
    """They are done without, and said to be as they are."""
    with Hivemind.open(store) as hive:
        hive.scope("project").search("text")  # what is needed for it is loaded, which nobody can
        hive.scope("project").collection("/")
    for parent in store.parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    for path in (store, *store.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    (store / "collections" / what).chmod(mode)

    def use():
        with Hivemind.open(store) as hive:
            project = hive.scope("project")
            assert [hit.path for hit in project.search("text")] == ["/a/b.md"]
            found = hive.doctor()
            assert not any(str(store) in str(finding) for finding in found)
            if (what, mode) == (".", 0):
                assert [finding.part for finding in found] == ["collections"]
                assert "cannot be read" in found[0].problem
            hive.gc(compact=False)
            project.destroy(cascade=True)
            assert hive.scopes() == []
        Hivemind.open(store).scope("other").destroy()

    try:
        as_nobody(use)
    finally:
        (store / "collections" / what).chmod(0o700)


def test_compacting_leaves_nothing_of_what_was_deleted(store: Path):
    with Hivemind.open(store) as hive:
        hive.scope("secret").write_bytes("/f", b"very secret " * 100_000)
        hive.scope("secret").destroy()
        hive.gc()
        assert (store / LEDGER_FILE).stat().st_size < 1_000_000
        assert hive.scope("project").read_text("/a/b.md") == "text"
    assert not any(b"very secret" in path.read_bytes() for path in store.iterdir() if path.is_file())


def test_names_that_were_used_before_work_and_warn(hive):
    """For one release; what they say is in the words of the command."""
    hive.scope("a")
    hive.create("ended", ttl=0.001)
    time.sleep(0.01)
    for old, new, outcome in (
        ("cleanup", r"gc\(compact=False\)", 1),
        ("sweep", r"gc\(compact=False\)", None),
        ("compact", r"gc\(\)", None),
        ("check", r"doctor\(\)", []),
    ):
        with pytest.warns(DeprecationWarning, match=f"`Hivemind.{old}.*is now `Hivemind.{new}`") as warned:
            assert getattr(hive, old)() == outcome
        assert warned[0].filename == __file__


def test_get_finds_scopes_and_makes_none(hive):
    ada = hive.scope("user/ada", hive.scope("project"))
    assert hive.get("user/ada") == ada
    assert hive.get("user/ada").chain == ("user/ada", "project")
    for unknown in ("user/bo", "user/ada "):
        with pytest.raises(errors.ScopeNotFound, match=unknown):
            hive.get(unknown)
    with pytest.raises(errors.InvalidScope):
        hive.get("")
    assert [info.name for info in hive.scopes()] == ["project", "user/ada"]


def test_scopes_and_hives_show_what_users_need(hive):
    shown = {name for kind in (Hivemind, Scope) for name in dir(kind) if not name.startswith("_")}
    assert shown.isdisjoint({"chain_ids", "kept_as", "kept_in", "is_kept_in", "watched"})
