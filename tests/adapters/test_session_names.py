"""The names of the scopes of sessions: no two share one, and any parent and id have one."""

import asyncio

import pytest
from databases import opened

from pydantic_hivemind.adapters.backends.session_manager import Session, SessionManager
from pydantic_hivemind.errors import InvalidScope, ScopeExists, ScopeNotFound


@pytest.fixture
def user(hive):
    return hive.scope("user/ada")


def session_names(hive):
    return [scope.name for scope in hive.scopes() if scope.session]


def test_no_two_sessions_share_a_name(hive):
    parents = ["a", "b#c", "b#", "a%23b", "a/b", "a%2523b"]
    ids = ["", "b", "#", "b#c", "%23", "%2523", "c", "/", "%2F", "..", "B", "b ", "\u00e9", "e\u0301"]
    sessions = [Session(hive.scope(parent), id) for parent in parents for id in ids]
    assert len({session.name for session in sessions}) == len(sessions)
    for number, session in enumerate(sessions):
        session.write("/mine.txt", str(number))
    assert [session.read_bytes("/mine.txt").decode() for session in sessions] == list(map(str, range(len(sessions))))


@pytest.mark.parametrize("id", [None, "chat", "chat/" * 100])
@pytest.mark.parametrize("length", [480, 512])
def test_long_names_of_parents(place, hive, length, id):
    parent, other = hive.scope("p" * length), hive.scope("p" * (length - 1) + "q")
    with Session(parent, id) as session, Session(other, id) as theirs:
        session.write("/a.txt", "x")
        assert not theirs.exists("/a.txt")
        with opened(place) as elsewhere:
            same = Session(elsewhere.scope(parent.name), session.session_id)
            assert same.read_bytes("/a.txt") == b"x"
            with Session(parent, session.session_id + "2") as another:
                assert not another.exists("/a.txt")
    assert session_names(hive) == []


def test_never_takes_a_scope_that_is_no_session(hive, user):
    hive.scope("user/ada#notes", parent=user).write_text("/a.txt", "precious")
    session = Session(user, "notes")
    with pytest.raises(ScopeExists):
        session.start()
    session.stop()
    assert hive.scope("user/ada#notes").read_text("/a.txt") == "precious"


@pytest.mark.parametrize("id", ["nul\0", "\ud800", "x" * 600])
def test_an_id_that_cannot_be_a_name_is_refused(hive, user, id):
    with pytest.raises(InvalidScope):
        asyncio.run(SessionManager(hive, user).get_or_create(id))


def test_promoting_an_unknown_session_names_nobody_else(hive, user):
    bob = hive.scope("user/bob")
    with Session(bob, "run-1"), pytest.raises(ScopeNotFound) as caught:
        asyncio.run(SessionManager(hive, user).promote("run-1"))
    assert "bob" not in str(caught.value)
