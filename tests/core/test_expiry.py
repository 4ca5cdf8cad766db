"""How long scopes live."""

import time

import databases
import pytest

from pydantic_hivemind import errors
from pydantic_hivemind.tokens import Tokens


def expiries(hive):
    return {info.name: info.expires_at for info in hive.scopes()}


def test_a_child_ends_with_its_parent(hive):
    """Whatever its own ttl says."""
    parent = hive.scope("root").spawn("parent", ttl=100)
    parent.spawn("free")
    parent.spawn("longer", ttl=1000)
    parent.spawn("shorter", ttl=10)
    ends = expiries(hive)
    assert ends["free"] == ends["longer"] == ends["parent"]
    assert ends["shorter"] < ends["parent"]


def test_renewing_a_parent_carries_its_children_along(hive):
    """Those that would have ended with it; a shorter life of their own stays."""
    parent = hive.scope("root").spawn("parent", ttl=100)
    parent.spawn("free").spawn("below")
    parent.spawn("shorter", ttl=10)
    before = expiries(hive)
    parent.renew(1000)
    after = expiries(hive)
    assert after["free"] == after["below"] == after["parent"] > before["parent"]
    assert after["shorter"] == before["shorter"]
    parent.renew(5)
    ends = expiries(hive)
    assert len({ends[name] for name in ("parent", "free", "below", "shorter")}) == 1
    parent.renew(None)
    assert set(expiries(hive).values()) == {None}


def test_a_child_cannot_be_renewed_past_its_parent(hive):
    parent = hive.scope("root").spawn("parent", ttl=100)
    child = parent.spawn("child", ttl=10)
    child.renew(1000)
    ends = expiries(hive)
    assert ends["child"] == ends["parent"]
    child.renew(None)
    assert expiries(hive) == ends


def test_an_expired_scope_is_gone_before_anybody_cleans_up(hive, clock):
    """For every handle and by name; its name can be used again."""
    root = hive.scope("root")
    parent = root.spawn("parent", ttl=60)
    child = parent.spawn("child")
    child.write_text("/f", "x")
    clock.forward(60)
    for scope in (parent, child):
        for use in (
            lambda scope: scope.read("/f"),
            lambda scope: scope.write_text("/f", "x"),
            lambda scope: scope.renew(10),
            lambda scope: scope.spawn(),
            lambda scope: scope.destroy(),
        ):
            with pytest.raises(errors.ScopeGone):
                use(scope)
    with pytest.raises(errors.ScopeNotFound):
        hive.scope("child", create=False)
    assert root.children == ()
    assert not hive.scope("child", parent=root).exists("/f")


def test_cleanup(hive, clock):
    """Counts what it removed, and has nothing to do the second time."""
    root = hive.scope("root")
    for _ in range(3):
        root.spawn(ttl=60)
    kept = root.spawn(ttl=100)
    clock.forward(60)
    assert hive.gc(compact=False) == 3
    assert hive.gc(compact=False) == 0
    assert root.children == (kept,)


@pytest.mark.skipif("not databases.kept_in_postgresql", reason="processes of one host have one time")
def test_the_time_of_a_host_does_not_matter(hive, place, monkeypatch):
    """The server's decides: a host that is ahead removes nobody's session and ends nobody's turn."""
    root = hive.scope("root")
    root.spawn("session", ttl=600)
    tokens = Tokens(hive)
    token = tokens.create(root, ttl=600)
    right = time.time
    with root.conversation("main").turn():
        for wrong in (7200, -7200):
            monkeypatch.setattr(time, "time", lambda wrong=wrong: right() + wrong)
            with databases.opened(place) as elsewhere:
                assert elsewhere.gc(compact=False) == 0
                assert elsewhere.get("session").name == "session"
                made = elsewhere.get("root").spawn(f"made {wrong}", ttl=600)
                assert 0 < made.info().expires_at - right() <= 600
                assert [child.name for child in elsewhere.get("root").children] == [made.name, "session"]
                with pytest.raises(errors.TurnBusy), elsewhere.get("root").conversation("main").turn(wait=0):
                    pass
                assert Tokens(elsewhere).verify(token).workspace == "root"
                assert 0 < Tokens(elsewhere).verify(Tokens(elsewhere).create("root", ttl=60)).expires_at - right() <= 60
                made.destroy()
    monkeypatch.setattr(time, "time", right)
    assert hive.get("session").info().expires_at > right()
