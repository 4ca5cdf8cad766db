"""A token of one workspace reads its chain and writes itself: nothing else, by no way in."""

from __future__ import annotations

import base64
import json
import re
import time

import jwt
import pytest
from fastapi.testclient import TestClient

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base.token_rights import includes
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import ACTIONS, Tokens

SECRET = "s3cret"
"""In the names, the files and the tags of workspaces that nobody here may see."""


@pytest.fixture
def tree(hive):
    """`run` reads `project`; a sibling, a child and a stranger have files too."""
    project = hive.scope("project")
    project.write_text("/shared.md", "of the project", tags=["deploy"])
    run = project.spawn("run")
    run.write_text("/own.md", "of the run")
    for name, parent in ((f"{SECRET}-sibling", project), (f"{SECRET}-child", run), (f"{SECRET}-stranger", None)):
        scope = hive.scope(name, parent)
        for path in (f"/{SECRET}.md", "/own.md", "/hidden.md"):
            scope.write_text(path, f"{SECRET} of {name}", tags=[SECRET])
    return run


@pytest.fixture
def api(hive):
    with TestClient(create_app(hive), "http://localhost", raise_server_exceptions=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


BODIES = {
    "write": {"path": "/own.md", "data": "eA=="},
    "edit": {"path": "/own.md", "old": "of", "new": "in"},
    "merge": {"path": "/own.md", "data": "eA==", "base": None},
    "make_dir": {"path": "/d"},
    "tag": {"path": "/own.md", "tags": []},
    "restore": {"path": "/own.md"},
    "promote": {},
    "revert": {"promotion_id": "x"},
    "search": {"query": "of"},
    "create": {"name": "below", "can": ["admin"]},
    "spawn": {"can": ["admin"]},
    "move": {"workspace": "run/-/nobody"},
    "propose": {},
    **{name: {"id": "x"} for name in ("approve", "reject", "withdraw")},
    "destroy": {},
    "renew": {"ttl": None},
    "create_token": {"can": ["admin"]},
}
NEEDS = {
    **dict.fromkeys(
        ["read", "head", "exists", "stat", "list_dir", "glob", "grep", "search", "history", "diff"], "read"
    ),
    **dict.fromkeys(["write_bytes", "write", "remove", "make_dir", "tag", "restore", "revert"], "write"),
    "edit": "read write",
    "merge": "read write",
    "promote": "promote",
    **dict.fromkeys(["propose", "withdraw"], "propose"),
    **dict.fromkeys(["proposal_diff", "approve"], "read write"),
    **dict.fromkeys(["proposals", "reject"], "write"),
    "proposal": None,
    **dict.fromkeys(["scopes", "create", "spawn", "move", "delete_workspace", "destroy", "renew"], "admin"),
    **dict.fromkeys(["create_token", "list_tokens", "revoke_token"], "admin"),
    "info": None,
}
"""What a token must allow for each operation; nothing more than to be valid for one."""
OPEN = {"health", "health_head", "ready", "ready_head", "metrics_page"}


def operations(api):
    """Every operation of the API, ready to be sent."""
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            if name in OPEN:
                continue
            asked = {"params": {"path": "/own.md", "pattern": "*"}} if method == "get" else {}
            if name in BODIES:
                asked = {"json": BODIES[name]}
            if method == "delete":
                asked = {"params": {"name": "run/-/below", "id": "0" * 32}}
            address = path.format(path="own.md")
            yield (
                name,
                lambda address=address, method=method, asked=asked, **more: api.request(
                    method, address, **asked, **more
                ),
            )


# -- which tokens ------------------------------------------------------------------------------


def test_every_operation_is_known_here(api):
    assert {name for name, _ in operations(api)} == set(NEEDS)


def test_no_operation_is_done_without_a_valid_token(api, hive, tokens, tree, tmp_path):
    expired = tokens.create(tree, can=ACTIONS, ttl=0.01)
    revoked = tokens.create(tree, can=ACTIONS)
    tokens.revoke(tokens.verify(revoked).id)
    claims = {
        "jti": tokens.verify(tokens.create(tree, can=ACTIONS)).id,
        "aud": "hivemind",
        "exp": int(time.time()) + 60,
    }
    with Hivemind.open(tmp_path / "other") as other:
        foreign = Tokens(other).create(other.scope("run"), can=ACTIONS)
    hive.scope("gone")
    orphan = tokens.create("gone", can=ACTIONS)
    hive.scope("gone").destroy()
    hive.scope("gone").write_text("/own.md", "of another")
    time.sleep(0.02)
    before = tree.list_dir(), hive.scopes(), tokens.list()
    for token in (
        expired,
        revoked,
        foreign,
        orphan,
        jwt.encode(claims, "k" * 32, "HS256"),
        jwt.encode(claims, None, "none"),
        "nonsense",
    ):
        for name, send in operations(api):
            answer = send(headers=bearer(token))
            assert (name, answer.status_code) == (name, 401)
            assert name == "head" or answer.json()["error"] == "InvalidToken"
            assert answer.headers["www-authenticate"] == 'Bearer realm="hivemind", error="invalid_token"'
    for name, send in operations(api):
        for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"Authorization": expired}):
            assert (name, send(headers=headers).status_code) == (name, 401)
    assert (tree.list_dir(), hive.scopes(), tokens.list()) == before


@pytest.mark.parametrize("can", [*([action] for action in ACTIONS), ["read", "write"]])
def test_a_token_does_only_what_it_allows(api, hive, tokens, can):
    """The operations that need no more are done, every other one is refused."""
    hive.scope("project").write_text("/own.md", "of all")
    for name, send in operations(api):
        run = hive.scope("run", "project")
        headers = bearer(tokens.create(run, can=can))
        answer = send(headers=headers)
        allowed = all(includes(can, action) for action in (NEEDS[name] or "").split())
        assert (name, answer.status_code == 403) == (name, not allowed), answer.text
        if not allowed:
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


# -- what it can see ---------------------------------------------------------------------------


def test_nothing_of_others_is_seen(api, hive, tokens, tree):
    """Not by path, name, ref, tag, pattern, cursor, ETag, or in what an error says."""
    own = bearer(tokens.create(tree, can=["read", "write", "promote"]))
    theirs = [hive.scope(f"{SECRET}-{who}") for who in ("sibling", "child", "stranger")]
    before = [scope.read(path) for scope in theirs for path in ("/own.md", "/hidden.md")]
    versions = [scope.stat("/own.md").version for scope in theirs]
    seen = []

    def send(method, address, said="", headers=(), **asked):
        """Send it, and keep what is answered, without the name that was said."""
        answer = api.request(method, f"/v1/{address}", headers={**own, **dict(headers)}, **asked)
        assert answer.status_code < 500
        text = answer.text + json.dumps(dict(answer.headers))
        seen.append(text.replace(said, "NAME") if said else text)
        return answer

    assert send("GET", "list_dir").json()["items"][0]["path"] == "/own.md"
    assert not send("GET", "exists", params={"path": "/hidden.md"}).json()
    for under in ("/", "/..", "/."):
        send("GET", "glob", params={"pattern": "**/*", "under": under})
        assert send("GET", "grep", params={"pattern": ".*", "under": under}).json()["items"]
    assert send("POST", "search", json={"query": f"{SECRET} of the stranger"}).json()
    assert send("POST", "search", json={"where": {f"tag:{SECRET}": True}}).json() == []
    assert send("POST", "search", json={"tags": [SECRET]}).json() == []
    send("GET", "history", params={"path": "/own.md"})
    send("POST", "promote", json={"dry_run": True})
    for version, other in zip(versions, theirs, strict=True):
        assert send("POST", "restore", json={"path": "/own.md", "version": version}).status_code == 404
        etag = f'"{version}"'
        assert send("GET", "files/own.md", headers={"If-None-Match": etag}).status_code == 200
        assert send("PUT", "files/own.md", content=b"x", headers={"If-Match": etag}).status_code == 412
        # A name that somebody has gets the answer of one that nobody has.
        for method, address, asked in (
            ("GET", "diff?to=NAME", {}),
            ("GET", "list_dir?workspace=NAME&scope=NAME&ref=NAME", {}),
            ("POST", "promote", {"json": {"to": "NAME"}}),
            ("POST", "revert", {"json": {"promotion_id": "NAME"}}),
            ("DELETE", "workspaces?name=NAME", {}),
            ("POST", "tokens", {"json": {"workspace": "NAME"}}),
        ):
            for name in (other.name, "nobody"):
                named = json.loads(json.dumps(asked).replace("NAME", name))
                send(method, address.replace("NAME", name), name, **named)
            assert re.sub("content-length.*?,", "", seen[-1]) == re.sub("content-length.*?,", "", seen[-2])
    for name in (scope.name for scope in theirs):
        for path in (f"/../{name}/own.md", f"/{name}/own.md", f"/{name}:/own.md", f"//{name}/../hidden.md"):
            assert send("GET", f"files/{path}", name).status_code == 404
            assert not send("GET", "exists", name, params={"path": path}).json()
            assert send("PUT", f"files/{path}", name, content=b"x").status_code == 200
            assert send("DELETE", f"files/{path}", name).status_code == 204
    assert not [text for text in seen if SECRET in text]
    assert [scope.read(path) for scope in theirs for path in ("/own.md", "/hidden.md")] == before


def test_who_may_promote_but_not_read_sees_no_content(api, hive, tokens):
    """Nor who repeats a promotion of somebody who may."""
    project = hive.scope("project")
    run = project.spawn("run")
    run.write_text("/own.md", f"{SECRET} of the run")
    project.write_text("/own.md", f"{SECRET} of the project")
    blind, seeing = (bearer(tokens.create(run, can=can)) for can in (["promote"], ["promote", "read"]))
    nothing = {"path": "/own.md", "base": None, "ours": None, "theirs": None}
    content = base64.b64encode(f"{SECRET} of the run".encode()).decode()
    for on_conflict, dry_run in (("fail", True), ("fail", False), ("take_source", False)):
        for who, theirs in ((seeing, content), (blind, None)):
            body = {"on_conflict": on_conflict, "dry_run": dry_run}
            answer = api.post("/v1/promote", json=body, headers={**who, "Idempotency-Key": on_conflict}).json()
            [conflict] = answer.get("report", answer)["conflicts"]
            assert (conflict["theirs"], conflict == nothing) == (theirs, theirs is None)


def test_a_cursor_of_another_workspace_shows_nothing_of_it(api, hive, tokens, tree):
    other = hive.scope(f"{SECRET}-stranger")
    asked = {"path": "/", "limit": 1}
    theirs = api.get("/v1/list_dir", params=asked, headers=bearer(tokens.create(other))).json()["next"]
    mine = api.get("/v1/list_dir", params={**asked, "cursor": theirs}, headers=bearer(tokens.create(tree))).json()
    assert [item["path"] for item in mine["items"]] == ["/own.md"]


def test_where_a_promotion_came_from_is_said_to_those_who_may_know(api, hive, tokens):
    project = hive.scope("project")
    for name in ("one", "two"):
        run = project.spawn(f"project/{name}")
        run.write_text("/log.md", f"by {name}")
        run.promote(on_conflict="take_source")

    def sources(token):
        answer = api.get("/v1/history", params={"path": "/log.md"}, headers=bearer(token))
        return [item["source"] for item in answer.json()["items"] if item["action"] == "promote"]

    hive.scope("project/one").spawn("leaf").write_text("/log.md", "by leaf")
    hive.scope("leaf").promote("project", on_conflict="take_source")
    assert sources(tokens.create("project/one", can=["read", "admin"])) == ["leaf", None, "project/one"]
    assert sources(tokens.create("project/one", can=["read"])) == [None, None, "project/one"]
    hive.scope("leaf").destroy()
    assert sources(tokens.create("project", can=["read"])) == [None, None, None]
    assert sources(tokens.create("project", can=["read", "admin"])) == ["leaf", "project/two", "project/one"]


def test_an_operation_of_another_workspace_is_another_one(api, hive, tokens, tree):
    other = hive.scope(f"{SECRET}-sibling")
    once = {"Idempotency-Key": "op-1"}
    api.put("/v1/files/f", content=SECRET.encode(), headers={**bearer(tokens.create(other)), **once})
    answer = api.put("/v1/files/f", content=b"mine", headers={**bearer(tokens.create(tree)), **once})
    assert answer.json()["scope"] == "run"
    assert tree.read_text("/f") == "mine"


def test_what_is_inherited_is_not_written(api, hive, tokens, tree):
    headers = bearer(tokens.create(tree, can=["read", "write"]))
    project = hive.scope("project")
    before = project.history("/shared.md")
    assert api.get("/v1/files/shared.md", headers=headers).text == "of the project"
    body = {"path": "/shared.md", "old": "project", "new": "run"}
    assert api.post("/v1/edit", json=body, headers=headers).json()["stat"]["scope"] == "run"
    assert api.delete("/v1/files/shared.md", headers=headers).status_code == 204
    assert (project.read_text("/shared.md"), project.history("/shared.md")) == ("of the project", before)


# -- what an admin can do ----------------------------------------------------------------------


@pytest.fixture
def admin(tokens, tree):
    return bearer(tokens.create(tree, can=["read", "admin"], ttl=60))


def test_an_admin_names_only_what_is_under_their_workspace(api, hive, tokens, tree, admin):
    names = [info.name for info in hive.scopes()]
    for name in ("project", "run", f"{SECRET}-sibling", f"{SECRET}-stranger", "nobody"):
        answer = api.delete("/v1/workspaces", params={"name": name, "cascade": True}, headers=admin)
        token = api.post("/v1/tokens", json={"workspace": name, "can": ["read"]}, headers=admin)
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"there is no workspace {name!r} under yours"
        assert token.status_code == (201 if name == "run" else 404)
        assert name == "run" or token.json() == answer.json()
    assert [info.name for info in hive.scopes()] == names
    listed = api.get("/v1/workspaces", headers=admin).json()["items"]
    assert [info["name"] for info in listed] == [f"{SECRET}-child"]


def test_names_that_others_have_are_not_found_out_by_making_them(api, hive, tokens, tree, admin):
    """A name is taken only if it is that of one made before in the same workspace, whoever else has one like it."""
    for other in ("run/x", "run/x/y", "run/-", "project/-/run"):
        hive.scope(other)
    hive.scope("x", tree)
    project = bearer(tokens.create("project", can=ACTIONS))
    for name in ("project", f"{SECRET}-stranger", "nobody", "x", "-", "..", "run"):
        made = [api.post(f"/v1/{how}", json={"name": name}, headers=admin) for how in ("workspaces", "spawn")]
        assert [(name, answer.status_code) for answer in made] == [(name, 201), (name, 409)]
        assert hive.scope(f"run/-/{name}", create=False).parent == tree
    names = [info.name for info in hive.scopes()]
    # Nor by asking for the rest of a name from above, or from beside.
    for name in ("/", "x/y", "/x", "x/", "-/x", "x#y", "#", "run/-/x", "../project", "nul\0", "x" * 512):
        for how in ("workspaces", "spawn"):
            answer = api.post(f"/v1/{how}", json={"name": name}, headers=project)
            assert (name, answer.status_code, answer.json()["error"]) == (name, 400, "InvalidScope")
    assert [info.name for info in hive.scopes()] == names
    assert api.post("/v1/spawn", json={}, headers=admin).json()["workspace"].startswith("run-")


def test_an_admin_hands_on_no_more_than_they_have(api, hive, tokens, tree, admin):
    names = [info.name for info in hive.scopes()]
    for operation, body in (("tokens", {}), ("workspaces", {"name": "x"}), ("spawn", {})):
        answer = api.post(f"/v1/{operation}", json={**body, "can": ["read", "write"]}, headers=admin)
        assert answer.status_code == 403
    assert [info.name for info in hive.scopes()] == names
    assert api.post("/v1/spawn", json={"name": "unasked"}, headers=admin).json()["can"] == ["read"]
    made = api.post("/v1/spawn", json={"name": "x", "can": ["read", "admin"]}, headers=admin).json()
    assert made["can"] == ["read", "admin"]
    grant = tokens.verify(made["token"])
    assert grant.expires_at <= time.time() + 60
    # Nor by way of the child.
    child = bearer(made["token"])
    assert api.post("/v1/tokens", json={"workspace": "run"}, headers=child).status_code == 404
    assert api.delete("/v1/workspaces", params={"name": "run"}, headers=child).status_code == 404
    # And no longer than they do themselves.
    tokens.revoke(tokens.verify(admin["Authorization"].split()[1]).id)
    assert api.get("/v1/workspace", headers=child).status_code == 401


def test_an_admin_revokes_only_tokens_under_their_workspace(api, hive, tokens, tree, admin):
    own, theirs = tokens.create(f"{SECRET}-child"), tokens.create(f"{SECRET}-stranger")
    listed = api.get("/v1/tokens", headers=admin).json()["items"]
    assert {item["workspace"] for item in listed} == {"run", f"{SECRET}-child"}
    for token in (own, theirs):
        revoked = api.delete("/v1/tokens", params={"id": tokens.verify(token).id}, headers=admin)
        assert revoked.status_code == 204
    assert api.get("/v1/workspace", headers=bearer(own)).status_code == 401
    assert api.get("/v1/workspace", headers=bearer(theirs)).status_code == 200
