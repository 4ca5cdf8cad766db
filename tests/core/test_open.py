"""Where a store is, and who can read it."""

import os

import pytest

from pydantic_hivemind import Hivemind


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A directory to change to, after the store was opened in the one above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def test_a_store_stays_where_it_was_opened(tmp_path, elsewhere):
    with Hivemind.open("./hive", durability="normal") as hive:
        os.chdir(elsewhere)
        scope = hive.scope("a")
        scope.write_text("/a.md", "some text")
        assert scope.collection("/").count() == 1
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "hive" / "collections").is_dir()


def test_a_store_may_be_in_the_home_directory(elsewhere, monkeypatch):
    monkeypatch.setenv("HOME", str(elsewhere))
    with Hivemind.open("~/hive", durability="normal"):
        assert (elsewhere / "hive").is_dir()
    assert [place.name for place in elsewhere.parent.iterdir()] == ["elsewhere"]


def test_a_home_directory_that_nobody_has(elsewhere):
    with Hivemind.open("~no such user~/hive", durability="normal") as hive:
        assert hive.scopes() == []
    assert (elsewhere.parent / "~no such user~" / "hive").is_dir()
