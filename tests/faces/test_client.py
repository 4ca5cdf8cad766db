"""The client does over a real server what a scope does, in both its forms."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from pathlib import Path

import httpx
import pytest

from pydantic_hivemind import Scope, errors
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.client import AsyncHivemindClient, HivemindClient, calls, workspaces
from pydantic_hivemind.tokens import ACTIONS


class Blocking:
    """An `AsyncHivemindClient` without `await`, so that one test is of both."""

    def __init__(self, client: AsyncHivemindClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name):
        def call(*args, **kwargs):
            outcome = self._loop.run_until_complete(getattr(self._client, name)(*args, **kwargs))
            return Blocking(outcome, self._loop) if isinstance(outcome, AsyncHivemindClient) else outcome

        return call


@pytest.fixture
def project(hive):
    scope = hive.scope("project")
    scope.write_text("/.deep/memory/main/MEMORY.md", "- deploys go through staging\n", tags=["deploy"])
    return scope


@pytest.fixture(params=["blocking", "async"])
def client(request, served, hive, tokens, project):
    token = tokens.create(project.spawn("run"), can=ACTIONS)
    if request.param == "blocking":
        with HivemindClient(served, token) as client:
            yield client
    else:
        loop = asyncio.new_event_loop()
        client = AsyncHivemindClient(served, token)
        yield Blocking(client, loop)
        loop.run_until_complete(client.close())
        loop.close()


@pytest.fixture
def scope(project, client):
    return project.session("run")


def test_files_come_back_as_they_were_written(client, scope):
    data = bytes(range(256)) * 5000
    stat = client.write_bytes("/a b/ü%2F?#.bin", memoryview(data), tags=["x", "y"])
    assert stat == scope.stat("/a b/ü%2F?#.bin")
    assert client.read("/a b/ü%2F?#.bin") == scope.read("/a b/ü%2F?#.bin")
    assert client.read_bytes("a b/./x/../ü%2F?#.bin") == data
    client.write_text("/t.md", "one\r\ntwo")
    assert client.read_text("/t.md") == "one\r\ntwo"
    client.write_bytes("/empty", b"")
    assert client.read_bytes("/empty") == b""


ODD = ["f", "f\n", "f\nf", "\n", "a//b", "a/./b", "./f", "a/../f", "../f", "/..", "...", "a%2Fb", "%2E%2E", "%2e%2e/f"]
ODD += ["%", "f%0A", "f?x=1", "f#x", "f;x", "f&x", "a\\b", " ", " f ", "\t", "\r\n", "~", ":", "http://x/f", "+", "é"]
ODD += ["e\u0301", "\u202e", "💡"]
UNLIKE_X = ["./x", "x/../x", "x/.", "%2E%2E/x", "x?cascade=true", "x#", "x/", "//x", "x\n", "", "..", "."]


@pytest.mark.parametrize("path", ODD)
def test_a_path_is_that_one_or_refused(client, scope, path):
    every = [other for other in ODD if normalize(other) not in ("/", normalize(path))]
    for other in every:
        scope.write_text(other, other)
    before = {other: scope.stat(other).version for other in every}
    if normalize(path) == "/":
        with pytest.raises(errors.IsADirectory):
            client.write_text(path, "x")
        with pytest.raises(errors.IsADirectory):
            client.read(path)
    else:
        assert client.write_text(path, "x") == scope.stat(path)
        assert client.read(path) == scope.read(path)
        client.remove(path)
        assert not scope.exists(path)
    assert {other: scope.stat(other).version for other in every} == before


@pytest.mark.parametrize(
    "odd", ["./x", "x/../x", "x/.", "%2E%2E/x", "x?cascade=true", "x#", "x/", "//x", "x\n", "", "..", "."]
)
def test_only_the_workspace_or_token_that_was_named_is_removed(client, hive, tokens, odd):
    client.create("x", can=ACTIONS).create("deeper")
    before = hive.scopes(), tokens.list()
    for name in (odd, f"run/-/{odd}", f"run/{odd}"):
        with pytest.raises(errors.ScopeError):
            client.delete_workspace(name, cascade=True)
    for id in (odd, f"{client.info().token.id}/{odd}", f"../workspaces?name=run/-/{odd}"):
        client.revoke_token(id)
    assert (hive.scopes(), tokens.list()) == before
    odd_one = hive.scope(f"run/{odd}", "run")
    client.delete_workspace(odd_one.name)
    assert hive.scopes() == before[0]


def test_tags_of_any_length_go_with_their_file(client, scope):
    tags = sorted(f"{number:02}" + "💡" * 126 for number in range(64))
    path = "/" + "漢" * 80
    stat = client.write_text(path, "x", tags=tags, operation_id="op-1")
    assert stat == scope.stat(path)
    assert client.write_text(path, "x", tags=tags, operation_id="op-1") == stat
    assert client.read(path) == scope.read(path)
    with pytest.raises(errors.VersionConflict):
        client.write_text(path, "y", tags=tags, expected_version=0)
    assert scope.stat(path).tags == tuple(tags)
    with pytest.raises(errors.InvalidTag):
        client.write_text(path, "y", tags=[*tags, "one too many"])
    assert client.write_text(path, "y", tags=tags[:1], expected_version=stat.version) == scope.stat(path)


def test_what_is_read_is_one_version_though_its_tags_come_apart(client, scope, monkeypatch):
    tags = [f"{number}" * 60 for number in range(10, 74)]
    versions = [scope.write_text("/f", str(number), tags=tags).version for number in range(3)]
    changed = iter([True, False])
    original = type(scope).stat

    def stat(self, path):
        if next(changed, False):
            self.write_text(path, "newest", tags=tags)
        return original(self, path)

    monkeypatch.setattr(type(scope), "stat", stat)
    file = client.read("/f")
    assert (file.data, file.stat.version in versions) == (b"newest", False)


def test_what_is_there(client, scope):
    scope.write_text("/d/one.md", "one\ntwo\n")
    scope.write_text("/d/.two.md", "two\n")
    assert client.exists("/d")
    assert not client.exists("/e")
    assert client.stat("/d/one.md") == scope.stat("/d/one.md")
    assert client.stat("/") == scope.stat("/")
    assert client.list_dir("/d") == scope.list_dir("/d")
    assert client.glob("*.md", "/d") == scope.glob("*.md", "/d")
    assert (
        client.glob("*.md", "/d", hidden=False) == scope.glob("*.md", "/d", hidden=False) != client.glob("*.md", "/d")
    )
    assert client.grep("tw.", "/d", glob="**/one*") == scope.grep("tw.", "/d", glob="**/one*")
    assert client.search("staging", limit=2, tags="deploy") == scope.search("staging", limit=2, tags="deploy")
    assert client.search(where={"collection": "memory"}, since=0.0, chain=False) == []


def test_long_lists_come_whole(client, scope):
    for number in range(1001):
        scope.write_text(f"/many/{number}", f"{number}\n")
    assert client.list_dir("/many") == scope.list_dir("/many")
    assert client.grep("^1", "/many") == scope.grep("^1", "/many")


def test_changes(client, scope, project):
    client.write_text("/f.md", "one two one", tags="x")
    edited = client.edit("/f.md", "one", "1", replace_all=True)
    assert (edited.occurrences, edited.stat) == (2, scope.stat("/f.md"))
    assert client.tag("/f.md", ["z"]).tags == ("z",)
    assert client.write_text("/f.md", "kept").tags == ("z",)
    assert client.write_text("/f.md", "untagged", tags=[]).tags == ()
    assert client.restore("/f.md", edited.stat.version) == scope.stat("/f.md")
    assert client.history("/f.md") == scope.history("/f.md")
    client.make_dir("/empty/dir")
    assert client.stat("/empty/dir").is_dir
    client.remove("/empty")
    assert not scope.exists("/empty")
    client.write_text("/new", "x")
    assert client.restore("/new") is None
    scope.write_text("/f.md", "one\ntwo\nthree\n")
    base = client.read("/f.md")
    scope.write_text("/f.md", base.text + "last\n")
    assert client.merge("/f.md", b"first\n" + base.data, base=base).size == len(scope.read_bytes("/f.md"))
    assert client.merge("/made.md", b"x", base=None) == scope.stat("/made.md")


def test_promotion(client, scope, project):
    client.write_text("/new.md", "x", tags="keep")
    client.write_text("/left.md", "y")
    client.remove("/.deep/memory/main/MEMORY.md")
    assert client.diff() == scope.diff()
    assert client.diff("project") == scope.diff("project")
    dry = client.promote(tags="keep", dry_run=True)
    assert (dry.applied, dry.dry_run, project.exists("/new.md")) == (("/new.md",), True, False)
    report = client.promote("project", paths=["/*.md"])
    assert project.read_text("/new.md") == "x"
    assert report.target == "project"
    scope.write_text("/new.md", "mine")
    project.write_text("/new.md", "theirs")
    with pytest.raises(errors.PromotionConflict) as caught:
        client.promote(paths="/new.md")
    assert caught.value.report.conflicts[0].ours == b"theirs"
    assert client.promote(on_conflict="take_source", paths="/new.md").conflicts[0].theirs == b"mine"


def test_a_promotion_is_undone_where_it_went(served, hive, tokens, project):
    report = project.spawn("run").promote()
    run = project.spawn("again")
    run.write_text("/new.md", "x")
    report = run.promote()
    with HivemindClient(served, tokens.create(project)) as client:
        assert client.revert(report.id) == ["/new.md"]
    assert not project.exists("/new.md")


def test_compare_and_set(client, scope):
    first = client.write_text("/f", "1", expected_version=0)
    for change in (
        lambda: client.write_text("/f", "2", expected_version=0),
        lambda: client.edit("/f", "1", "2", expected_version="v0123456789ab"),
        lambda: client.tag("/f", ["x"], expected_version=0),
        lambda: client.remove("/f", expected_version=0),
        lambda: client.restore("/f", expected_version=0),
    ):
        with pytest.raises(errors.VersionConflict) as caught:
            change()
        assert caught.value.actual == first.version
    client.remove("/f", expected_version=first.version)


@pytest.mark.parametrize("operation_id", ["op-1", "é %20 ", '"quoted", twice', "x" * 512])
def test_an_operation_is_done_once(client, scope, operation_id):
    stat = client.write_text("/f", "1", operation_id=operation_id)
    scope.write_text("/f", "2")
    assert client.write_text("/f", "1", operation_id=operation_id) == stat
    assert scope.read_text("/f") == "2"
    with pytest.raises(errors.OperationConflict):
        client.write_text("/f", "3", operation_id=operation_id)
    with pytest.raises(errors.OperationConflict):
        client.edit("/f", "2", "3", operation_id=operation_id)


def test_errors_are_those_of_a_scope(client, scope):
    scope.write_bytes("/binary", b"\xff")
    scope.write_text("/twice", "a a")
    for wrong in (
        lambda of: of.read("/missing"),
        lambda of: of.read_bytes("/"),
        lambda of: of.read_text("/binary"),
        lambda of: of.list_dir("/binary"),
        lambda of: of.write_text("/binary/below", "x"),
        lambda of: of.edit("/twice", "b", "c"),
        lambda of: of.edit("/twice", "a", "c"),
        lambda of: of.write_text("/x", "\ud800"),
        lambda of: of.stat("/\0"),
        lambda of: of.read("/\0"),
        lambda of: of.grep("("),
        lambda of: of.tag("/twice", ["x" * 1000]),
        lambda of: of.restore("/twice", 10**6),
        lambda of: of.promote("nobody"),
        lambda of: of.diff("nobody"),
        lambda of: of.revert("nothing"),
        lambda of: of.renew(-1),
        lambda of: of.search(limit=0),
        lambda of: of.search(where={"nothing": 1}),
        lambda of: of.merge("/twice", b"x", base=None),
    ):
        with pytest.raises(errors.HivemindError) as there:
            wrong(client)
        with pytest.raises(errors.HivemindError) as here:
            wrong(scope)
        loose = isinstance(there.value, errors.InvalidOption)  # The API looks at the values of options itself.
        assert loose or (type(there.value), str(there.value)) == (type(here.value), str(here.value))
        assert vars(there.value).get("occurrences") == vars(here.value).get("occurrences")


def test_workspaces_and_tokens(client, hive, tokens):
    assert (client.info().name, client.info().chain) == ("run", ("run", "project"))
    child = client.spawn("below", ttl=60, can=["read", "write"])
    child.write_text("/f", "of the child")
    assert hive.scope("run/-/below", create=False).read_text("/f") == "of the child"
    made = client.create("kept", can=ACTIONS)
    made.create("deeper")
    assert [info.name for info in client.children()] == ["run/-/below", "run/-/kept"]
    assert [info.name for info in client.scopes()] == ["run/-/below", "run/-/kept", "run/-/kept/-/deeper"]
    with pytest.raises(errors.ScopeExists):
        client.create("kept")
    attached = client.spawn("below", attach=True, can=ACTIONS)
    assert attached.info().token.can == ACTIONS
    with pytest.raises(errors.ScopeHasChildren):
        client.delete_workspace("run/-/kept")
    client.delete_workspace("run/-/kept", cascade=True)
    attached.renew(30)
    attached.destroy()
    assert client.scopes() == []
    issued = client.create_token(can=["read"], ttl=5)
    assert tokens.verify(issued.token).can == {"read"}
    assert {token.id for token in client.list_tokens()} == {issued.id, client.info().token.id}
    client.revoke_token(issued.id)
    with pytest.raises(errors.InvalidToken):
        tokens.verify(issued.token)
    client.destroy()
    with pytest.raises(errors.InvalidToken):
        client.list_dir()


def test_a_server_that_is_none(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "http://{}:{}".format(*free.getsockname())
    with HivemindClient(address, "x") as client, pytest.raises(errors.RemoteError):
        client.list_dir()
    with HivemindClient("no address", "x") as client, pytest.raises(errors.RemoteError):
        client.list_dir()
    for answer in (
        httpx.Response(200, text="<html>"),
        httpx.Response(502, text="<html>"),
        httpx.Response(500, json={"detail": "x"}),
        httpx.Response(200, json=None),
    ):
        transport = httpx.MockTransport(lambda _, answer=answer: answer)
        with httpx.Client(transport=transport) as http, pytest.raises(errors.RemoteError):
            HivemindClient("http://localhost", "x", http=http).list_dir()


def test_both_clients_have_the_methods_of_a_scope():
    """What a scope has and a client has not is what opens objects of this process."""
    public = {name for name in dir(Scope) if not name.startswith("_")}
    absent = {"checkpoints", "collection", "conversation", "conversations"}
    absent |= {"chain", "grep_by_file", "name", "parent", "recent", "session", "workspace"}
    for kind in (HivemindClient, AsyncHivemindClient):
        assert public - absent <= set(dir(kind))
        for name in public - absent - {"children"}:
            of_scope, of_client = inspect.signature(getattr(Scope, name)), inspect.signature(getattr(kind, name))
            assert set(of_scope.parameters) - {"self"} <= set(of_client.parameters), name
    for name in dir(HivemindClient):
        if not name.startswith("_"):
            one, other = (inspect.signature(getattr(kind, name)) for kind in (HivemindClient, AsyncHivemindClient))
            assert one.parameters == other.parameters, name
            assert getattr(HivemindClient, name).__doc__, name
    for module in (calls, workspaces):
        found = inspect.getmembers(module, inspect.isgeneratorfunction)
        operations = {name for name, value in found if value.__module__ == module.__name__}
        assert operations <= set(dir(HivemindClient)) & set(dir(AsyncHivemindClient))


def test_a_client_does_not_show_its_token(served):
    with HivemindClient(served, "secret") as client:
        assert "secret" not in repr(client)


def test_every_method_of_a_client_is_documented():
    page = (Path(__file__).parents[2] / "docs/reference/server.md").read_text()
    public = {name for name in dir(HivemindClient) if not name.startswith("_")} - {"client_of", "run"}
    assert {name for name in public if not re.search(rf"[`\[ ]{name}[`(,\]]", page)} == set()
