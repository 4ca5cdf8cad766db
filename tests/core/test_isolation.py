"""Attacks on the walls between scopes."""

import time
from contextlib import suppress
from datetime import datetime, timezone

import pytest
from confusable_names import CONFUSABLE_NAMES
from hypothesis import HealthCheck, given, settings
from ledger_integrity import rows
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind.errors import (
    HivemindError,
    InvalidPattern,
    InvalidScope,
    PathNotFound,
    ScopeExists,
    ScopeGone,
    ScopeNotFound,
    VersionConflict,
    VersionNotFound,
)
from pydantic_hivemind.messages.checkpoints import Snapshot
from pydantic_hivemind.testing.strategies import paths, scope_names


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_names_that_look_alike_are_strangers(hive, one, other):
    """Nothing of the one is in the other, whatever is asked."""
    first, second = hive.scope(one), hive.scope(other)
    first.write_text("/d/secret.md", "secret", tags=["t"])
    assert second.list_dir() == second.glob("**") == second.grep("secret") == second.history("/d/secret.md") == []
    assert not second.exists("/d")
    assert [info.name for info in hive.scopes()] == sorted([one, other])
    second.destroy()
    assert hive.scope(one, create=False).read_text("/d/secret.md") == "secret"


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_twins_find_nothing_of_each_other(hive, one, other):
    """Not by search, not in the collections, whichever is indexed first."""
    first, second = hive.scope(one), hive.scope(other)
    first.write_text("/d/secret.md", "the secret recipe", tags=["t"])
    for scope in (second, first, second):
        found = [hit.path for hit in scope.search("secret recipe") + scope.search(tags="t")]
        assert found == ([] if scope == second else ["/d/secret.md"] * 2)
        assert len(scope.collection("/d").get()["ids"]) == (0 if scope == second else 1)
    second.write_text("/d/secret.md", "nothing to see")
    assert [hit.text for hit in first.search("recipe")] == ["the secret recipe"]
    assert "recipe" not in repr([*second.search("recipe"), second.collection("/d").get()])
    second.destroy()
    assert [hit.scope for hit in first.search("recipe")] == [one]


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_twins_remember_nothing_of_each_other(hive, one, other):
    """Neither conversations nor checkpoints, of the same ids too."""
    first, second = hive.scope(one), hive.scope(other)
    said = [ModelRequest(parts=[UserPromptPart("secret")])]
    snapshot = Snapshot("1", "label", 1, said, 1, datetime(2026, 1, 1, tzinfo=timezone.utc), {})
    first.conversation("c").append(said)
    first.checkpoints().save(snapshot)
    store = second.checkpoints()
    assert second.conversations() == second.conversation("c").load() == store.list_all() == []
    assert (store.count(), store.get("1"), store.get_by_label("label")) == (0, None, None)
    assert not store.remove("1")
    assert not store.remove_oldest()
    store.clear()
    second.conversation("c").clear()
    store.save(snapshot)
    second.destroy()
    assert first.conversation("c").load() == first.checkpoints().list_all()[0].messages == said


@pytest.mark.parametrize(("one", "other"), CONFUSABLE_NAMES)
def test_twins_promote_nothing_of_each_other(hive, one, other):
    """Of one parent or each of its own; none is the ancestor of the other."""
    project = hive.scope("project")
    first, second = project.spawn(one), project.spawn(other)
    first.write_text("/d/secret.md", "secret", operation_id="1")
    report = second.promote(operation_id="2")
    assert (report.applied, report.skipped) == ((), ())
    for use in (lambda: second.promote(one), lambda: second.diff(one), lambda: second.session(one)):
        with pytest.raises(ScopeNotFound):
            use()
    assert second.diff() == project.glob("**") == []
    promotion = first.promote(operation_id="2")
    with pytest.raises(VersionNotFound):
        second.revert(promotion.id)
    assert [version.source for version in second.history("/d/secret.md")] == [None]
    assert [version.source for version in project.history("/d/secret.md")] == [one]


@given(one=scope_names(), other=scope_names(), path=paths())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_two_names(hive, one, other, path):
    first, second = hive.scope(one), hive.scope(other)
    first.write_text(path, "x")
    assert first.read_text(path) == "x"
    assert second.exists(path) == (one == other)
    assert [stat.path for stat in first.glob("**")] == [path]
    for scope in {first, second}:
        scope.destroy()


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 513])
def test_names_that_cannot_be(hive, name):
    for make in (hive.scope, hive.scope("parent").spawn):
        with pytest.raises(InvalidScope):
            make(name)


def test_paths_do_not_leave_the_scope(hive):
    """`..` stops at the root of the scope, and a scope's name is no directory."""
    victim, attacker = hive.scope("victim"), hive.scope("attacker")
    victim.write_text("/secret", "secret")
    for path in ("../victim/secret", "/../../victim/secret", "/victim/secret", "..%2fsecret", "/proc/self/environ"):
        with pytest.raises(PathNotFound):
            attacker.read_bytes(path)
    attacker.write_text("/../secret", "mine")
    assert victim.read_text("/secret") == "secret"


@pytest.mark.parametrize("pattern", ["**", "../**", "/../victim/**", "{**,../**}", "**/../**", "[/]**"])
def test_globs_do_not_leave_the_scope(hive, pattern):
    hive.scope("victim").write_text("/secret", "secret")
    attacker = hive.scope("attacker")
    with suppress(InvalidPattern):
        assert attacker.glob(pattern) == []


def test_wildcards_of_sql_are_characters(hive):
    """Removing, listing and promoting touch the named path only."""
    scope = hive.scope("a")
    for path in ("/%/f", "/_/f", "/ab/f", "/a_/f", "/a%/f", "/A_/f"):
        scope.write_text(path, "x")
    scope.remove("/a_")
    scope.remove("/%")
    assert [stat.path for stat in scope.glob("**")] == ["/A_/f", "/_/f", "/a%/f", "/ab/f"]
    run = scope.spawn()
    run.remove("/a%")
    run.promote()
    assert [stat.path for stat in scope.glob("**")] == ["/A_/f", "/_/f", "/ab/f"]


def test_a_handle_does_not_reach_the_successor_of_its_scope(hive, tmp_path):
    """Ids are never used again, even by a scope of the same name."""
    old = hive.scope("a")
    child = old.spawn("child")
    old.destroy(cascade=True)
    new = hive.scope("a")
    new.write_text("/secret", "secret")
    assert set(new._row.chain).isdisjoint(old._row.chain + child._row.chain)
    for handle in (old, child):
        for use in (
            lambda scope: scope.read_bytes("/secret"),
            lambda scope: scope.exists("/secret"),
            lambda scope: scope.glob("**"),
            lambda scope: scope.grep("secret"),
            lambda scope: scope.history("/secret"),
            lambda scope: scope.write_text("/secret", "x"),
            lambda scope: scope.remove("/secret"),
            lambda scope: scope.spawn(),
            lambda scope: scope.renew(10),
            lambda scope: scope.destroy(),
            lambda scope: scope.children,
        ):
            with pytest.raises(ScopeGone):
                use(handle)
    assert new.read_text("/secret") == "secret"


@pytest.mark.parametrize("ttl", [None, 0.05])
def test_a_handle_does_not_show_what_its_scope_inherited(hive, ttl):
    """It is gone as a whole, although its parent is not."""
    parent = hive.scope("parent")
    parent.write_text("/d/f", "text")
    gone = parent.spawn(ttl=ttl)
    if ttl is None:
        gone.destroy()
    else:
        time.sleep(ttl)
    for use in (
        lambda: gone.read("/d/f"),
        lambda: gone.stat("/d"),
        lambda: gone.exists("/d/f"),
        gone.list_dir,
        lambda: gone.list_dir("/d"),
        lambda: gone.glob("**"),
        lambda: gone.grep("text"),
        lambda: gone.search("text"),
        gone.search,
        lambda: gone.history("/d/f"),
        gone.diff,
        lambda: gone.collection("/d"),
    ):
        with pytest.raises(ScopeGone):
            use()


def test_versions_of_a_sibling(hive):
    """Its names restore nothing, match nothing, and show no history."""
    project = hive.scope("project")
    victim, attacker = project.spawn("victim"), project.spawn("attacker")
    stolen = victim.write_text("/f", "secret").version
    with pytest.raises(VersionNotFound):
        attacker.restore("/f", stolen)
    with pytest.raises(VersionConflict) as raised:
        attacker.write_text("/f", "x", expected_version=stolen)
    assert raised.value.actual == 0
    own = attacker.write_text("/f", "mine").version
    with pytest.raises(VersionNotFound):
        attacker.restore("/f", stolen)
    assert [past.version for past in attacker.history("/f")] == [own]
    with pytest.raises(VersionNotFound):
        attacker.revert(str(stolen))


def test_operation_ids_of_a_sibling(hive):
    """They are each scope's own: no receipt is returned, nothing is refused."""
    project = hive.scope("project")
    victim, attacker = project.spawn("victim"), project.spawn("attacker")
    victim.write_text("/f", "secret", operation_id="op")
    assert attacker.write_text("/f", "mine", operation_id="op").scope == "attacker"
    report = victim.promote(operation_id="promote")
    assert attacker.promote(operation_id="promote", on_conflict="keep_target").id != report.id
    with pytest.raises(VersionNotFound):
        attacker.revert(report.id)


def test_sessions_of_another_scope(hive):
    """Attaching by name finds one's own sessions only."""
    victim, attacker = hive.scope("victim"), hive.scope("attacker")
    victim.spawn("run").write_text("/secret", "secret")
    with pytest.raises(ScopeNotFound):
        attacker.session("run")
    with pytest.raises(ScopeExists):
        attacker.spawn("run", attach=True)


def test_destroy_leaves_no_row(hive, tmp_path):
    """Of any table: not a byte of what was in it."""
    keep = hive.scope("keep")
    keep.write_text("/f", "x")
    scope = hive.scope("gone")
    scope.write_text("/f", "needle", tags=["needle"], operation_id="needle")
    scope.spawn("run").write_text("/g", "needle")
    scope.destroy(cascade=True)
    for table in ("heads", "versions", "receipts", "scopes", "messages", "turns", "checkpoints", "conversations"):
        found = rows(hive, f"SELECT * FROM {table}")
        assert "needle" not in repr(found)
        assert len(found) <= 1


def test_errors_name_nobody_else(hive, tmp_path):
    """No error of any operation has another scope's name or a path of the host in it."""
    project = hive.scope("top-secret-project")
    project.write_text("/dir/f", "x")
    for name in ("top-secret-sibling", "me"):
        scope = project.spawn(name)
        scope.write_text("/dir/f", name)
        scope.write_text("/mine", name)
    me, sibling = hive.scope("me"), hive.scope("top-secret-sibling")
    stolen = sibling.stat("/mine").version
    project.write_text("/dir/f", "changed")
    me.spawn("leaf").write_text("/x", "x")
    me.write_text("/op", "1", operation_id="op")
    me.write_text("/tagged", "x")
    attempts = [
        lambda: me.read_bytes("/nothing"),
        lambda: me.read_bytes("/dir"),
        lambda: me.write_text("/dir", "x"),
        lambda: me.write_text("/mine/x", "x"),
        lambda: me.list_dir("/mine"),
        lambda: me.make_dir("/mine"),
        lambda: me.remove("/nothing"),
        lambda: me.remove("/"),
        lambda: me.edit("/mine", "absent", "x"),
        lambda: me.write_text("/mine", "x", expected_version=stolen),
        lambda: me.restore("/mine", stolen),
        lambda: me.restore("/never"),
        lambda: me.revert("nothing"),
        lambda: me.write_text("/op", "2", operation_id="op"),
        me.promote,
        lambda: me.promote("nowhere"),
        lambda: me.diff("nowhere"),
        me.destroy,
        lambda: me.grep("["),
        lambda: me.session("nobody"),
        lambda: me.write_bytes("/b", b"\xff") and me.read_text("/b"),
        lambda: hive.scope("me", parent="leaf"),
        lambda: hive.scope("absent", create=False),
        lambda: me.spawn("leaf"),
        lambda: me.spawn(ttl=-1),
        lambda: me.destroy(cascade=True) or me.read_bytes("/mine"),
        lambda: hive.close() or me.read_bytes("/mine"),
    ]
    for attempt in attempts:
        with pytest.raises(HivemindError) as raised:
            attempt()
        shown = f"{raised.value} {raised.value!s}"
        assert "top-secret" not in shown
        assert str(tmp_path) not in shown
        assert len(shown) > 20
