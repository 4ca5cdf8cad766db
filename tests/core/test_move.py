"""Moving a scope: another name, another parent."""

from __future__ import annotations

import threading

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import AsyncScope, Hivemind, Scope
from pydantic_hivemind.errors import InvalidOption, InvalidScope, ScopeExists, ScopeGone, ScopeNotFound
from pydantic_hivemind.limits import MAX_CHAIN_LENGTH
from pydantic_hivemind.tokens import Tokens


@pytest.fixture
def ada(hive: Hivemind) -> Scope:
    old = hive.scope("project/old")
    old.write_text("/shared.md", "old walrus")
    ada = hive.scope("user/ada", parent=old)
    ada.write_text("/own.md", "the zebra", tags=["kept"])
    ada.write_text("/own.md", "the zebra sleeps")
    return ada


def test_everything_goes_along(hive: Hivemind, ada: Scope) -> None:
    new = hive.scope("project/new")
    new.write_text("/shared.md", "new walrus")
    ada.conversation("taxes").append([ModelRequest([UserPromptPart("hello")])])
    run = ada.spawn("run")
    run.write_text("/run.md", "x")
    tokens = Tokens(hive)
    token = tokens.create(ada)
    versions = [version.version for version in ada.history("/own.md")]
    assert ada.search("zebra")[0].path == "/own.md"

    ada.move(name="user/ada-b", parent=new)
    assert (ada.name, ada.chain) == ("user/ada-b", ("user/ada-b", "project/new"))
    assert ada == hive.get("user/ada-b")
    assert [version.version for version in ada.history("/own.md")] == versions
    assert ada.read_text("/shared.md") == "new walrus"
    assert {hit.text for hit in ada.search("zebra walrus")} == {"the zebra sleeps", "new walrus"}
    assert len(ada.conversation("taxes").load()) == 1
    grant = tokens.verify(token)
    assert grant.workspace == "user/ada-b"
    assert tokens.scope(grant) == ada
    again = hive.get("run")
    assert again.chain == ("run", "user/ada-b", "project/new")
    assert again.read_text("/own.md") == "the zebra sleeps"
    assert again.read_text("/shared.md") == "new walrus"
    assert [child.name for child in ada.children] == ["run"]
    assert hive.get("project/old").children == ()
    with pytest.raises(ScopeNotFound):
        hive.get("user/ada")
    assert [finding for finding in hive.doctor() if not finding.mendable] == []
    assert ada.promote().target == "project/new"
    assert new.read_text("/own.md") == "the zebra sleeps"
    assert not hive.get("project/old").exists("/own.md")


def test_nothing_is_read_through_the_former_parent(hive: Hivemind, ada: Scope) -> None:
    """A handle that was kept must not lead into a project that its user has left."""
    stale, child = hive.get("user/ada"), ada.spawn("run")
    stale_search = hive.get("user/ada")
    assert stale_search.search("walrus")
    ada.move(parent=None)
    assert not ada.exists("/shared.md")
    assert ada.search("walrus") == [] or {hit.path for hit in ada.search("walrus")} == {"/own.md"}
    for handle in (stale, child, stale_search):
        for work in (
            lambda handle=handle: handle.read_text("/shared.md"),
            lambda handle=handle: handle.list_dir("/"),
            lambda handle=handle: handle.glob("**"),
            lambda handle=handle: handle.grep("walrus"),
            lambda handle=handle: handle.search("walrus"),
            lambda handle=handle: handle.write_text("/x", "x"),
            lambda handle=handle: handle.edit("/own.md", "zebra", "x"),
            lambda handle=handle: handle.promote(),
            lambda handle=handle: handle.diff(),
            lambda handle=handle: handle.spawn(),
            lambda handle=handle: handle.history("/shared.md"),
        ):
            with pytest.raises(ScopeGone):
                work()
    hive.get("user/ada").move(parent="project/old")
    assert hive.get("user/ada").read_text("/shared.md") == "old walrus"


def test_what_cannot_be_moved(hive: Hivemind, ada: Scope) -> None:
    run = ada.spawn("run")
    with pytest.raises(InvalidOption):
        ada.move()
    with pytest.raises(InvalidScope, match="under itself"):
        ada.move(parent=run)
    with pytest.raises(InvalidScope, match="under itself"):
        ada.move(parent="user/ada")
    with pytest.raises(ScopeExists):
        ada.move(name="run")
    with pytest.raises(ScopeNotFound):
        ada.move(parent="nobody")
    with pytest.raises(InvalidScope):
        ada.move(name="")
    deep = hive.scope("0")
    for number in range(1, MAX_CHAIN_LENGTH - 1):
        deep = hive.scope(str(number), parent=deep)
    with pytest.raises(InvalidScope, match="too long"):
        ada.move(parent=deep)
    gone = hive.scope("gone")
    gone.destroy()
    with pytest.raises(ScopeGone):
        ada.move(parent=gone)
    assert ada.chain == ("user/ada", "project/old")
    assert ada.read_text("/shared.md") == "old walrus"
    ada.move(name="user/ada")
    assert ada.read_text("/shared.md") == "old walrus"


def test_it_ends_no_later_than_its_parent(hive: Hivemind, ada: Scope) -> None:
    brief = hive.create("brief", ttl=100)
    run = ada.spawn("run")
    ada.move(parent=brief)
    ends = brief.info().expires_at
    assert ada.info().expires_at == hive.get("run").info().expires_at == ends
    del run


def test_moves_towards_each_other(hive: Hivemind) -> None:
    """Each takes the tree of the other: one may be told that the store is busy, none ends half done."""
    roots = [hive.scope(f"root-{number}") for number in range(2)]
    users = [hive.scope(f"user-{number}", parent=root) for number, root in enumerate(roots)]
    for user in users:
        user.write_text("/f", user.name)

    def move(number: int) -> None:
        for turn in range(4):
            hive.get(f"user-{number}").move(parent=roots[(number + turn + 1) % 2])

    threads = [threading.Thread(target=move, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        user = hive.get(f"user-{number}")
        assert user.read_text("/f") == f"user-{number}"
        assert user.chain[1] in {"root-0", "root-1"}
    assert [finding for finding in hive.doctor() if not finding.mendable] == []


@pytest.mark.anyio
async def test_the_asynchronous_face(hive: Hivemind, ada: Scope) -> None:
    scope = AsyncScope(ada)
    await scope.move(name="user/bo", parent=None)
    assert (scope.name, scope.chain) == ("user/bo", ("user/bo",))
    assert await scope.read_text("/own.md") == "the zebra sleeps"
