"""How long scopes live."""

import pytest

from pydantic_hivemind import errors


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
