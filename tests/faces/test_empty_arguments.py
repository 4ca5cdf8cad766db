"""Arguments that are absent, `null` or empty are the default, in every tool and in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from mcp import Client

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.http import create_app
from pydantic_hivemind.mcp import create_server
from pydantic_hivemind.mcp.tools import TOOLS
from pydantic_hivemind.tokens import ACTIONS, Tokens

ONCE = {
    "hivemind_approve",
    "hivemind_delete",
    "hivemind_history",
    "hivemind_promote",
    "hivemind_propose",
    "hivemind_reject",
    "hivemind_revert",
}
"""Tools that say something else the second time, or need what another one made."""

REQUIRED = {"path": "/f", "query": "word", "content": "note", "old": "word", "new": "word"}


@pytest.fixture
def run(hive: Hivemind) -> Scope:
    run = hive.scope("run", parent=hive.scope("project"))
    run.write_text("/f", "the word\n", tags=["kept"])
    return run


@pytest.fixture
def client(hive: Hivemind, run: Scope) -> Iterator[TestClient]:
    token = Tokens(hive).create(run, can=ACTIONS)
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(create_app(hive), "http://localhost", headers=headers) as client:
        yield client


async def told(run: Scope, tool: str, arguments: dict[str, object]) -> str:
    async with Client(create_server(run, can=("read", "write", "promote"))) as client:
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.content[0].text


@pytest.mark.anyio
@pytest.mark.parametrize("empty", [None, "", [], "[]"])
@pytest.mark.parametrize("tool", [name for name in TOOLS if name not in ONCE])
async def test_tools(run: Scope, tool: str, empty: object) -> None:
    fields = TOOLS[tool].model_fields
    required = {name: REQUIRED[name] for name, field in fields.items() if field.is_required()}
    optional = {name for name, field in fields.items() if not field.is_required()}
    if empty == "[]":
        optional &= {"tags", "paths"}
    plain = await told(run, tool, required)
    run.write_text("/f", "the word\n")
    filled = await told(run, tool, {**required, **dict.fromkeys(optional, empty)})
    if tool not in {"hivemind_write", "hivemind_edit", "hivemind_remember", "hivemind_read"}:
        assert filled == plain
    assert run.stat("/f").tags == ("kept",)


@pytest.mark.anyio
@pytest.mark.parametrize("empty", [None, "", []])
async def test_tools_that_are_asked_once(hive: Hivemind, run: Scope, empty: object) -> None:
    proposed = await told(run, "hivemind_propose", {"note": empty, "tags": empty, "paths": empty})
    project = hive.scope("project")
    [proposal] = project.proposals()
    assert proposal.id in proposed
    await told(project, "hivemind_approve", {"id": proposal.id, "note": empty, "on_conflict": empty})
    assert "/f" in await told(project, "hivemind_history", {"path": empty, "limit": empty})


@pytest.mark.anyio
async def test_what_clients_send(run: Scope) -> None:
    extra = {"sessionId": "s", "toolCallId": "t"}
    shown = await told(run, "hivemind_search", {"query": "word", "tags": json.dumps(["kept"]), "limit": "5", **extra})
    assert "the word" in shown
    assert await told(run, "hivemind_promote", {"tags": None, "paths": "[]", "dry_run": "false", "on_conflict": ""})
    assert run.parent is not None
    assert run.parent.read_text("/f") == "the word\n"
    async with Client(create_server(run, can=("read", "write", "promote"))) as client:
        for named in ("workspace", "scope", "parent"):
            for value in ("other", None, ""):
                refused = await client.call_tool("hivemind_read", {"path": "/f", named: value, **extra})
                assert refused.is_error


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_bodies(client: TestClient, run: Scope, empty: object) -> None:
    body = {"query": "word", **dict.fromkeys(("limit", "under", "tags", "where", "since", "chain"), empty)}
    assert [hit["path"] for hit in client.post("/v1/search", json=body).json()] == ["/f"]
    assert len(client.post("/v1/search", json={"query": empty}).json()) == 1
    written = client.post("/v1/write", json={"path": "/f", "data": "eA==", "tags": empty})
    assert written.json()["tags"] == ["kept"]
    body = dict.fromkeys(("to", "tags", "paths", "on_conflict", "dry_run"), empty)
    assert client.post("/v1/promote", json=body).json()["applied"] == ["/f"]


def test_queries(client: TestClient) -> None:
    empty = {"limit": "", "cursor": "", "under": "", "glob": "", "hidden": ""}
    assert len(client.get("/v1/grep", params={"pattern": "word", **empty}).json()["items"]) == 1
    assert len(client.get("/v1/list_dir", params={"limit": "", "cursor": "", "path": ""}).json()["items"]) == 1
    assert len(client.get("/v1/diff", params={"to": "", "limit": ""}).json()["items"]) == 1


def test_an_empty_list_of_a_client_is_none(client: TestClient, run: Scope) -> None:
    """As `Scope` has it: a list that was worked out, and came to nothing, must not promote everything."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    with HivemindClient("http://localhost", token, http=client) as remote:
        for own in (remote, run):
            assert own.search("word", tags=[]) == []
            assert {hit.path for hit in own.search("")} >= {"/f"}
            for tags, paths in (([], None), (None, []), ([], ["/**"]), (["kept"], [])):
                assert own.promote(tags=tags, paths=paths, dry_run=True).applied == ()
            assert own.write_text("/g", "x", tags=[]).tags == ()
