"""`Hivemind.create` makes a scope that was not there."""

import pytest

from pydantic_hivemind import Hivemind, errors


def test_it_makes_what_scope_then_finds(hive):
    made = hive.create("user/ada", hive.create("project"))
    assert hive.scope("user/ada", "project", create=False) == made
    assert hive.create("user/bo", "project").parent == made.parent
    assert [(info.session, info.expires_at) for info in hive.scopes()] == [(False, None)] * 3


def test_a_taken_name_is_refused(hive):
    hive.scope("ada").write_text("/mine.md", "x")
    with pytest.raises(errors.ScopeExists):
        hive.create("ada")
    assert hive.scope("ada").exists("/mine.md")


def test_with_a_ttl_it_is_a_session(hive):
    root = hive.create("root")
    hive.create("run", root, ttl=100)
    assert root.session("run").parent == root
    assert {info.name for info in hive.scopes() if info.session and info.expires_at} == {"run"}


def test_what_it_cannot_use(hive, tmp_path):
    with Hivemind.open(tmp_path / "other") as other, pytest.raises(errors.InvalidScope):
        hive.create("run", other.scope("root"))
    with pytest.raises(errors.ScopeNotFound):
        hive.create("run", "nobody")
    with pytest.raises(errors.InvalidScope):
        hive.create("")
    with pytest.raises(errors.InvalidScope):
        hive.create("run", ttl=-1)
    assert hive.scopes() == []
