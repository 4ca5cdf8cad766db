"""Tokens whose rights are narrowed: by path, to additions, to a target, to no deletes; on HTTP and MCP."""

from __future__ import annotations

import shutil

import anyio
import jwt
import pytest
from mcp import Client
from starlette.testclient import TestClient

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.base.store_permissions import secret_in
from pydantic_hivemind.http import create_app
from pydantic_hivemind.mcp import create_token_server
from pydantic_hivemind.tokens import ACTIONS, Tokens


@pytest.fixture
def run(hive):
    root = hive.scope("root")
    project = hive.scope("project", parent=root)
    run = project.spawn("run", ttl=3600)
    run.write_text("/notes/a.md", "alpha"), run.write_text("/secret.md", "hidden")
    run.write_text("/notes-of-others/b.md", "hidden")
    return run


@pytest.fixture
def ask(hive, tokens, run):
    """Sends a request with a token of these rights; gives the status."""
    with TestClient(create_app(hive), base_url="http://127.0.0.1") as api:

        def ask(token, method, path, **options):
            headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
            return api.request(method, f"/v1/{path}", headers=headers, **options)

        yield ask


def call(tokens, token, tool, **arguments):
    """Call a tool over MCP; gives its text, and whether it was refused."""

    async def call():
        async with Client(create_token_server(tokens, token)) as client:
            answer = await client.call_tool(f"hivemind_{tool}", arguments)
            return answer.content[0].text, answer.is_error

    return anyio.run(call)


def test_a_token_is_random_and_says_nothing(tokens, run):
    token = tokens.create(run, label="of a test")
    assert token.startswith("hm_")
    assert "." not in token
    assert tokens.verify(token).label == "of a test"
    assert tokens.create(run) != token
    for changed in (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:-2], token + "A", token.upper()):
        with pytest.raises(errors.InvalidToken):
            tokens.verify(changed)


@pytest.mark.sqlite
def test_a_new_token_cannot_be_signed_even_with_the_secret(hive, tokens, run):
    grant = tokens.verify(tokens.create(run))
    claims = {"jti": grant.id, "aud": "hivemind", "exp": int(grant.expires_at)}
    with pytest.raises(errors.InvalidToken):
        tokens.verify(jwt.encode(claims, secret_in(hive._directory), "HS256"))


OUTSIDE = [
    ("GET", "files/secret.md", {}),
    ("HEAD", "files/secret.md", {}),
    ("GET", "files/notes/..%2Fsecret.md", {}),
    ("GET", "files/notes-of-others/b.md", {}),
    ("PUT", "files/secret.md", {"content": b"x"}),
    ("DELETE", "files/secret.md", {}),
    ("DELETE", "files/", {}),
    ("GET", "exists", {"params": {"path": "/secret.md"}}),
    ("GET", "stat", {"params": {"path": "/notes/../secret.md"}}),
    ("GET", "list_dir", {}),
    ("GET", "glob", {"params": {"pattern": "**"}}),
    ("GET", "glob", {"params": {"pattern": "../*", "under": "/notes"}}),
    ("GET", "grep", {"params": {"pattern": "hidden"}}),
    ("POST", "search", {"json": {"query": "hidden"}}),
    ("GET", "history", {"params": {"path": "/secret.md"}}),
    ("GET", "diff", {}),
    ("POST", "write", {"json": {"path": "/secret.md", "data": "eA=="}}),
    ("POST", "edit", {"json": {"path": "/secret.md", "old": "h", "new": "x"}}),
    ("POST", "merge", {"json": {"path": "/secret.md", "data": "eA==", "base": None}}),
    ("POST", "make_dir", {"json": {"path": "/other"}}),
    ("POST", "tag", {"json": {"path": "/secret.md", "tags": ["x"]}}),
    ("POST", "restore", {"json": {"path": "/secret.md"}}),
    ("POST", "promote", {"json": {}}),
    ("POST", "promote", {"json": {"paths": ["/secret.md"]}}),
    ("POST", "promote", {"json": {"paths": ["/notes/../*"]}}),
    ("POST", "promote", {"json": {"paths": ["secret.md", "/notes"]}}),
    ("POST", "promote", {"json": {"paths": ["/notes"], "also": ["/uploads"]}}),
    ("POST", "revert", {"json": {"promotion_id": "x"}}),
    ("POST", "destroy", {"json": {}}),
    ("DELETE", "workspaces", {"params": {"name": "run/-/x"}}),
]


def test_outside_of_its_path_a_token_reaches_nothing(ask, tokens, run):
    token = tokens.create(run, can=ACTIONS, under="/notes")
    before = run.glob("**")
    for method, path, options in OUTSIDE:
        answer = ask(token, method, path, **options)
        assert (method, path, options, answer.status_code) == (method, path, options, 403)
        assert "hidden" not in answer.text
    assert run.glob("**") == before


def test_inside_of_its_path_a_token_does_what_it_may(ask, tokens, run):
    token = tokens.create(run, can=ACTIONS, under="/notes")
    assert ask(token, "GET", "files/notes/a.md").content == b"alpha"
    assert ask(token, "PUT", "files/notes/b.md", content=b"beta").status_code == 200
    listed = ask(token, "GET", "glob", params={"pattern": "**", "under": "/notes"}).json()["items"]
    assert [stat["path"] for stat in listed] == ["/notes/a.md", "/notes/b.md"]
    assert ask(token, "POST", "promote", json={"paths": ["/notes"]}).status_code == 200
    assert run.parent.glob("**")[0].path == "/notes/a.md"
    assert not run.parent.exists("/secret.md")
    assert ask(token, "DELETE", "files/notes/b.md").status_code == 204


def test_tools_keep_to_the_path(tokens, run):
    token = tokens.create(run, can=ACTIONS, under="/notes")
    for tool, arguments in (
        ("read", {"path": "/secret.md"}),
        ("list", {}),
        ("list", {"glob": "**"}),
        ("list", {"path": "/notes", "glob": "/../**"}),
        ("search", {"query": "hidden"}),
        ("write", {"path": "/secret.md", "content": "x"}),
        ("edit", {"path": "/secret.md", "old": "hidden", "new": "x"}),
        ("delete", {"path": "/"}),
        ("remember", {"content": "x"}),
        ("diff", {}),
        ("promote", {}),
    ):
        text, refused = call(tokens, token, tool, **arguments)
        assert (tool, refused) == (tool, True), text
        assert "limited to" in text
    assert call(tokens, token, "read", path="/notes/a.md")[1] is False
    assert run.read_text("/secret.md") == "hidden"

    async def resources():
        async with Client(create_token_server(tokens, token)) as client:
            for asked in (client.list_resources(), client.read_resource("hivemind:///secret.md")):
                with pytest.raises(Exception, match="limited to"):
                    await asked
            assert (await client.read_resource("hivemind:///notes/a.md")).contents[0].text == "alpha"

    anyio.run(resources)


def test_who_appends_changes_nothing(ask, tokens, run):
    token = tokens.create(run, can=["read", "append"])
    new = {"If-None-Match": "*"}
    assert ask(token, "PUT", "files/new.md", content=b"x", headers=new).status_code == 200
    assert ask(token, "PUT", "files/new.md", content=b"y", headers=new).status_code == 412
    assert ask(token, "PUT", "files/new.md", content=b"y").status_code == 403
    assert ask(token, "POST", "write", json={"path": "/o.md", "data": "eA=="}, headers=new).status_code == 200
    assert ask(token, "DELETE", "files/new.md").status_code == 403
    assert run.read_text("/new.md") == "x"
    assert call(tokens, token, "remember", content="a fact")[1] is False
    assert call(tokens, token, "write", path="/new.md", content="y")[1] is True


def test_without_deletes_nothing_is_taken_away(ask, tokens, run):
    token = tokens.create(run, can=ACTIONS, deletes=False)
    for method, path, options in (
        ("DELETE", "files/secret.md", {}),
        ("POST", "restore", {"json": {"path": "/secret.md"}}),
        ("POST", "revert", {"json": {"promotion_id": "x"}}),
        ("POST", "destroy", {"json": {}}),
        ("DELETE", "workspaces", {"params": {"name": "run/-/x"}}),
    ):
        answer = ask(token, method, path, **options)
        assert (path, answer.status_code) == (path, 403)
        assert "deleting" in answer.text
    assert call(tokens, token, "delete", path="/secret.md")[1] is True
    assert ask(token, "PUT", "files/secret.md", content=b"y").status_code == 200


def test_promotion_to_a_named_target_only(ask, tokens, run):
    token = tokens.create(run, can=["promote"], promote_to=["root"])
    for body in ({}, {"to": "project"}):
        assert ask(token, "POST", "promote", json=body).status_code == 403
    assert call(tokens, token, "promote")[1] is True
    assert ask(token, "POST", "promote", json={"to": "root"}).status_code == 200


def test_a_derived_token_is_never_wider_and_does_not_revoke_its_maker(ask, tokens, run):
    maker = tokens.create(run, can=ACTIONS, under="/notes", deletes=False, promote_to=["project"], ttl=60)
    made = ask(maker, "POST", "tokens", json={"can": ["admin", "read"]}).json()
    assert (made["under"], made["deletes"], made["promote_to"]) == ("/notes", False, ["project"])
    for wider in ({"under": "/"}, {"under": "/notes-of-others"}, {"promote_to": ["root"]}):
        assert ask(maker, "POST", "tokens", json=wider).status_code == 403
    narrower = ask(maker, "POST", "tokens", json={"under": "/notes/deep", "label": "deep"}).json()
    assert (narrower["under"], narrower["label"], "admin" in narrower["can"]) == ("/notes/deep", "deep", False)
    spawned = ask(maker, "POST", "spawn", json={}).json()
    assert (spawned["under"], spawned["deletes"], "admin" in spawned["can"]) == ("/notes", False, False)
    grant = tokens.verify(maker)
    assert ask(made["token"], "DELETE", "tokens", params={"id": grant.id}).status_code == 403
    assert tokens.verify(maker) == grant
    assert ask(maker, "DELETE", "tokens", params={"id": made["id"]}).status_code == 204


def test_a_session_does_not_outlive_its_ttl_by_its_own_hand(ask, tokens, run):
    token = tokens.create(run, can=ACTIONS)
    ends = run.info().expires_at
    for ttl in (7200, None):
        assert ask(token, "POST", "renew", json={"ttl": ttl}).status_code == 403
    assert run.info().expires_at == ends
    assert ask(token, "POST", "renew", json={"ttl": 60}).status_code == 204


def test_an_operation_that_is_not_known_is_refused_to_narrowed_tokens(tokens, run):
    grant = tokens.verify(tokens.create(run, deletes=False))
    with pytest.raises(errors.NotAllowed, match="narrowed"):
        grant.narrowing.check("of tomorrow", {}, lambda: None)


@pytest.mark.sqlite
def test_a_ledger_put_back_revives_no_revoked_token(tmp_path):
    store = tmp_path / "store"
    with Hivemind.open(store) as hive:
        tokens = Tokens(hive)
        kept, revoked = tokens.create(hive.scope("ada"), can=ACTIONS), tokens.create("ada", can=ACTIONS)
        below = tokens.create("ada", by=tokens.verify(revoked))
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    with Hivemind.open(store) as hive:
        tokens = Tokens(hive)
        tokens.revoke(tokens.verify(revoked).id)
    for file in store.glob("ledger*"):
        file.unlink()
    for file in copy.glob("ledger*"):
        shutil.copy(file, store)
    with Hivemind.open(store) as hive:
        tokens = Tokens(hive)
        assert tokens.verify(kept)
        for token in (revoked, below):
            with pytest.raises(errors.InvalidToken):
                tokens.verify(token)
        assert len(tokens.list()) == 1


@pytest.mark.parametrize("narrowed", [{"deletes": False}, {"under": "/notes"}])
def test_a_token_that_may_not_delete_ends_no_workspace_by_its_ttl(ask, tokens, run, narrowed):
    token = tokens.create(run, can=ACTIONS, **narrowed)
    assert ask(token, "POST", "renew", json={"ttl": 0.01}).status_code == 403
    assert ask(token, "POST", "renew", json={"ttl": 60}).status_code == 403
    session = run.spawn(f"{run.name}/-/mine", ttl=3600)
    session.write_text("/x", "x")
    ends = session.info().expires_at
    answer = ask(token, "POST", "spawn", json={"name": "mine", "attach": True, "ttl": 0.01})
    assert answer.status_code == (403 if "deletes" in narrowed else 201)
    if "deletes" in narrowed:
        assert session.info().expires_at == ends


def test_a_token_makes_none_for_a_workspace_beside_or_above_it(hive, tokens, run):
    sibling = hive.scope("sibling", run.parent)
    maker = tokens.verify(tokens.create(run, can=ACTIONS))
    for other in (sibling, run.parent, "root"):
        with pytest.raises(errors.NotAllowed):
            tokens.create(other, can=["read"], by=maker)
    below = run.spawn("below")
    assert tokens.verify(tokens.create(below, can=["read"], by=maker)).workspace == "below"


def test_a_promotion_is_undone_only_where_a_token_may_promote(ask, tokens, run):
    run.write_text("/notes/new.md", "x")
    promotion = run.promote(paths="/notes/new.md").id
    elsewhere = tokens.create(run, can=["read", "promote"], promote_to=["root"])
    assert ask(elsewhere, "POST", "revert", json={"promotion_id": promotion}).status_code == 403
    text, refused = call(tokens, elsewhere, "revert", promotion=promotion)
    assert refused, text
    assert run.parent.exists("/notes/new.md")
    there = tokens.create(run, can=["read", "promote"], promote_to=["project"])
    assert ask(there, "POST", "revert", json={"promotion_id": promotion}).status_code == 200
    assert not run.parent.exists("/notes/new.md")
