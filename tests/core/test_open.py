"""Where a store is, and who can read it."""

import os
import stat

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base import store_permissions
from pydantic_hivemind.errors import InvalidOption, StoreUnsafe
from pydantic_hivemind.tokens import Tokens


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


def rights(place):
    return stat.S_IMODE(place.stat().st_mode)


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def fill(directory):
    """Make everything that a store has, while it is open; a collection is in a directory that is made last."""
    with Hivemind.open(directory, durability="normal") as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "some text")
        scope.collection("/")
        Tokens(hive).create("a")
        return {path.relative_to(directory).parts[0]: rights(path) for path in directory.iterdir()}


@pytest.mark.usefixtures("usual_umask")
def test_a_new_store_is_its_owners_alone(tmp_path):
    store = tmp_path / "new" / "hive"
    made = fill(store)
    assert made.pop("collections") == rights(store) == 0o700
    assert made == dict.fromkeys(["ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "token-secret"], 0o600)
    assert rights(store.parent) == 0o755


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_directory_that_is_there_keeps_its_mode(tmp_path, mode):
    tmp_path.chmod(mode)
    made = fill(tmp_path)
    assert rights(tmp_path) == mode
    assert {mode & 0o077 for mode in made.values()} == {0}


def test_a_directory_that_a_group_shares_stays_shared(tmp_path):
    before = os.umask(0o002)
    try:
        tmp_path.chmod(0o775)
        made = fill(tmp_path / "hive")
    finally:
        os.umask(before)
    assert made.pop("collections") == rights(tmp_path / "hive") == 0o770
    assert set(made.values()) == {0o660}


@pytest.mark.usefixtures("usual_umask")
def test_a_store_that_is_there_is_not_made_private_in_secret(tmp_path):
    ledger = tmp_path / "ledger.sqlite3"
    fill(tmp_path)
    ledger.chmod(0o644)
    fill(tmp_path)
    assert rights(ledger) == 0o644


def test_files_that_everybody_can_read_are_found(tmp_path, monkeypatch):
    store = tmp_path / "hive"
    fill(store)
    (store / "ledger.sqlite3").chmod(0o644)
    (store / "token-secret").chmod(0o644)
    with Hivemind.open(store) as hive:
        assert hive.doctor() == []
        monkeypatch.setattr(store_permissions, "_can_be_reached", lambda _: True)
        found = hive.doctor()
    assert [(finding.part, finding.mendable) for finding in found] == [("access", False)] * 2
    assert "ledger" in found[0].problem
    assert "secret" in found[1].problem
    assert str(tmp_path) not in str(found)


def test_a_secret_that_is_too_short_is_found(tmp_path):
    fill(tmp_path)
    (tmp_path / "token-secret").write_bytes(b"short")
    with Hivemind.open(tmp_path) as hive:
        assert [finding.part for finding in hive.doctor()] == ["access"]


@pytest.mark.skipif(os.name == "nt", reason="has no such modes")
@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_directory_that_everybody_can_write_is_refused(tmp_path, mode):
    fill(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    tmp_path.chmod(mode)
    with pytest.raises(StoreUnsafe, match="chmod o-w") as raised:
        Hivemind.open(tmp_path)
    assert str(tmp_path) not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == before
    tmp_path.chmod(0o775)
    Hivemind.open(tmp_path).close()


@pytest.mark.parametrize("name", ["token-secret", "revoked-tokens"])
def test_secrets_that_are_links_are_not_followed(tmp_path, name):
    """Whoever made the link chose the secret, or keeps what is revoked elsewhere."""
    store, elsewhere = tmp_path / "hive", tmp_path / "elsewhere"
    with Hivemind.open(store, durability="normal") as hive:
        hive.scope("a")
        token = Tokens(hive).create("a")
        Tokens(hive).revoke(Tokens(hive).verify(Tokens(hive).create("a")).id)
        (store / name).rename(elsewhere)
        (store / name).symlink_to(elsewhere)
        before = elsewhere.read_bytes()
        with pytest.raises(StoreUnsafe, match=f"{name} of the store is a symbolic link"):
            Tokens(hive).verify(token)
        with pytest.raises(StoreUnsafe):
            Tokens(hive).revoke(Tokens(hive).verify(token).id)
        assert elsewhere.read_bytes() == before
        (store / name).unlink()
        (store / name).symlink_to(tmp_path / "new")
        with pytest.raises(StoreUnsafe):
            Tokens(hive).verify(Tokens(hive).create("a"))
        assert not (tmp_path / "new").exists()


def test_the_url_of_a_database_is_no_directory(tmp_path, monkeypatch):
    """It would become one, with the password in its name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOption, match=r"Hivemind\.connect") as raised:
        Hivemind.open("postgresql://me:secret@host/hive")
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
