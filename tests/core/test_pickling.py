"""Handles that go to other processes and come back at other times."""

import copy
import multiprocessing
import pickle
import pickletools
from concurrent.futures import ProcessPoolExecutor

import databases
import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import AsyncHivemind, AsyncScope, Hivemind, Mount, Scope, errors
from pydantic_hivemind.hive import open_hives, pickling


@pytest.fixture(autouse=True)
def no_hives_of_other_tests(monkeypatch):
    monkeypatch.setattr(open_hives, "_openers", [])
    monkeypatch.setattr(pickling, "_reopened", {})
    yield
    for hive in pickling._reopened.values():
        hive.close()


@pytest.fixture
def reopened(place):
    """Whatever unpickling opened is closed at the end."""
    Hivemind.register(lambda: databases.opened(place))


def again(value):
    return pickle.loads(pickle.dumps(value))


def test_a_handle_of_the_open_hive(hive, scope):
    scope.write_text("/a.md", "one")
    assert again(scope) == scope
    assert again(scope).chain == scope.chain
    assert again(scope)._database is scope._database
    assert again(AsyncScope(scope)) == AsyncScope(scope)
    assert again(hive) is hive
    assert again(AsyncHivemind(hive)).sync is hive
    assert copy.deepcopy(scope) == scope


def test_messages(scope):
    scope.conversation("taxes").append([ModelRequest([UserPromptPart("How much?")])])
    assert len(again(scope.conversation("taxes")).load()) == 1
    assert again(scope.checkpoints()).count() == 0


def test_a_session(scope):
    run = scope.spawn("run", ttl=60)
    again(run).write_text("/a.md", "one")
    assert run.read_text("/a.md") == "one"


def test_another_time(place, reopened):
    with databases.opened(place) as hive:
        scope = hive.scope("user/ada", parent=hive.scope("project"))
        scope.write_text("/a.md", "one")
        pickled = pickle.dumps(scope)
    assert pickle.loads(pickled).read_text("/a.md") == "one"
    # It stays open for what comes later.
    assert pickle.loads(pickled)._database is pickle.loads(pickled)._database


@pytest.mark.sqlite
def test_a_directory_is_found_without_being_told(place):
    with Hivemind.open(place) as hive:
        pickled = pickle.dumps(hive.scope("user/ada"))
    assert pickle.loads(pickled).name == "user/ada"


@pytest.mark.sqlite
def test_of_two_copies_of_a_store_the_one_it_was_in(tmp_path):
    with Hivemind.open(tmp_path / "first") as hive:
        pickle.dumps(hive.scope("user/ada"))
    (tmp_path / "second").mkdir()
    for file in (tmp_path / "first").glob("ledger*"):
        (tmp_path / "second" / file.name).write_bytes(file.read_bytes())
    with Hivemind.open(tmp_path / "first") as first, Hivemind.open(tmp_path / "second") as second:
        for hive in (first, second):
            scope = hive.get("user/ada")
            assert again(scope)._database is scope._database


def test_a_store_that_is_not_there(tmp_path, place):
    with databases.opened(place) as hive:
        pickled = pickle.dumps(hive.scope("user/ada"))
    if "://" not in place:
        (tmp_path / "hive").rename(tmp_path / "elsewhere")
        Hivemind.register(lambda: Hivemind.open(tmp_path / "another"))
    with pytest.raises(errors.StoreNotOpen, match=r"Hivemind\.register"):
        pickle.loads(pickled)


def test_a_store_of_the_same_place_and_another_id(tmp_path):
    with Hivemind.open(tmp_path / "hive") as hive:
        pickled = pickle.dumps(hive.scope("user/ada"))
    (tmp_path / "hive").rename(tmp_path / "elsewhere")
    with Hivemind.open(tmp_path / "hive") as hive:
        hive.scope("user/ada").write_text("/of-another-store.md", "")
    with pytest.raises(errors.StoreNotOpen):
        pickle.loads(pickled)


def test_nothing_secret(place, scope):
    scope.write_text("/secret.md", "a secret")
    texts = [value for _, value, _ in pickletools.genops(pickle.dumps(scope)) if isinstance(value, str)]
    if "://" in place:
        assert not [text for text in texts if "postgres" in text]
    assert not [text for text in texts if "a secret" in text or "/secret.md" in text]


def test_a_scope_that_was_destroyed(hive, scope):
    pickled = pickle.dumps(scope)
    scope.destroy()
    for _ in range(2):
        with pytest.raises(errors.ScopeGone, match="user/ada"):
            pickle.loads(pickled)
        hive.scope("user/ada")
    with pytest.raises(errors.ScopeGone):
        pickle.dumps(scope)


def write(scope: Scope, number: int) -> str:
    scope.write_text(f"/{number}.md", str(number))
    return scope.name


def test_a_pool_of_processes(place, hive, scope):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), opened_by_workers, [place]) as workers:
        assert set(workers.map(write, [scope] * 8, range(8))) == {scope.name}
    assert [file.path for file in scope.glob("/*.md")] == [f"/{number}.md" for number in range(8)]


def opened_by_workers(place):
    Hivemind.register(lambda: databases.opened(place))


def test_mounts_are_those_of_the_store(place):
    with databases.opened(place, mounts=[Mount("/notes", "notes", union=True), Mount("/plans", "ideas")]) as hive:
        hive.scope("user/ada")
    with databases.opened(place) as hive:
        mounts = hive.scope("user/ada")._mounts
        assert mounts.of("/notes/a.md") == Mount("/notes", "notes", union=True)
        assert mounts.of("/plans/a.md").collection == "ideas"
        assert mounts.of("/.deep/memory/a.md").union
    with databases.opened(place, mounts=[Mount("/notes", "others")]) as hive:
        assert hive.scope("user/ada")._mounts.of("/plans/a.md").collection == "plans"
    with databases.opened(place) as hive:
        assert hive.scope("user/ada")._mounts.of("/notes/a.md") == Mount("/notes", "others")
