"""MCP over streamable HTTP: a real server, a real client, and what tokens let through."""

from contextlib import asynccontextmanager

import httpx
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from pydantic_hivemind.tokens import Tokens

pytestmark = pytest.mark.anyio

ALL = ("read", "write", "promote")
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def project(hive):
    return hive.scope("project")


@pytest.fixture
def run(project):
    return project.spawn("run")


@asynccontextmanager
async def connected(served, token, mode="auto"):
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(f"{served}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def tell(client, tool, *, fails=False, **arguments):
    result = await client.call_tool(f"hivemind_{tool}", arguments)
    assert result.is_error == fails, result.content
    return result.content[0].text


def ask(served, authorization=None, *, method="POST", body=LIST_TOOLS, path="/mcp", **headers):
    if authorization is not None:
        headers["authorization"] = authorization
    return httpx.request(method, f"{served}{path}", json=body, headers={**HEADERS, **headers}, timeout=60)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_what_one_workspace_learns_another_finds_after_its_promotion(served, tokens, project, run, mode):
    other = project.spawn("other")
    async with (
        connected(served, tokens.create(run, can=ALL), mode) as one,
        connected(served, tokens.create(other), mode) as two,
    ):
        await tell(one, "remember", content="The staging database is restored every Sunday.", tags=["ops"])
        await tell(one, "write", path="/plans/release.md", content="Release on Thursdays.\n")
        assert "every Sunday" in await tell(one, "search", query="when is the test data replaced?")
        assert await tell(two, "search", query="when is the test data replaced?") == "Nothing was found."
        assert "+Release on Thursdays." in await tell(one, "diff")
        assert "applied /.deep/memory/main/MEMORY.md" in await tell(one, "promote", tags=["ops"])
        told = await tell(two, "search", query="when is the test data replaced?")
        assert told.startswith("/.deep/memory/main/MEMORY.md:1 (from project)\n")
        assert (
            await tell(two, "read", path="/plans/release.md", fails=True) == "file '/plans/release.md' does not exist"
        )
        [resource] = (await two.list_resources()).resources
        assert "Sunday" in (await two.read_resource(resource.uri)).contents[0].text


async def test_each_request_is_for_the_workspace_of_its_token(served, tokens, hive):
    names = ["a", "b", "a/b", "A"]
    for name in names:
        hive.scope(name).write_text("/who", name)
    given = {name: tokens.create(name) for name in names}
    for name in names * 3:
        async with connected(served, given[name]) as client:
            assert (await tell(client, "read", path="/who")).endswith(f"\t{name}")
            for other in names:
                for uri in (f"hivemind://{other}/who", f"hivemind:///../{other}/who"):
                    with pytest.raises(MCPError) as refused:
                        await client.read_resource(uri)
                    assert refused.value.error.code == -32602


async def test_a_token_that_only_reads_only_reads(served, tokens, run):
    run.write_text("/f", "text")
    async with connected(served, tokens.create(run, can=["read"])) as client:
        offered = [tool.name for tool in (await client.list_tools()).tools]
        reading = ["search", "read", "list", "diff", "history"]
        # What `revert` needs depends on the promotion.
        assert [tool for tool in offered if tool != "hivemind_revert"] == [f"hivemind_{tool}" for tool in reading]
        for tool, action in (("write", "write"), ("edit", "write"), ("delete", "write"), ("remember", "append")):
            assert (
                await tell(client, tool, path="/f", fails=True)
                == f"the client is not permitted to {action} in this workspace"
            )
        assert await tell(client, "promote", fails=True) == "the client is not permitted to promote in this workspace"
    assert run.read_text("/f") == "text"


async def test_a_token_that_ends_ends_what_was_begun_with_it(served, tokens, hive, run):
    run.write_text("/f", "text")
    token = tokens.create(run)
    async with connected(served, token) as client:
        await tell(client, "read", path="/f")
        tokens.revoke(tokens.verify(token).id)
        with pytest.raises(MCPError):
            await client.call_tool("hivemind_read", {"path": "/f"})
        with pytest.raises(MCPError):
            await client.read_resource("hivemind:///f")
    assert ask(served, f"Bearer {token}").status_code == 401


async def test_requests_without_a_valid_token_are_refused(served, tokens, hive, run, tmp_path):
    valid = tokens.create(run)
    expired = tokens.create(run, ttl=1e-6)
    gone = tokens.create(hive.scope("gone"))
    hive.scope("gone").destroy()
    forged = Tokens(hive, secret=b"x" * 32).create(run)
    assert ask(served, f"bearer  {valid}").json()["result"]["tools"]
    unknown = ask(served)
    assert unknown.status_code == 401
    assert unknown.headers["www-authenticate"] == 'Bearer realm="hivemind"'
    for wrong in (
        *(f"Bearer {token}" for token in (expired, gone, forged, valid + "x", valid[:-2], "x", "null", "é")),
        *(valid, f"Basic {valid}", "Bearer", f"Bearer {valid} x", "", f"Bearer {valid}, Bearer {valid}"),
    ):
        refused = ask(served, wrong.encode())
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="hivemind", error="invalid_token"'
        assert refused.json()["error"] == "InvalidToken"
        assert str(tmp_path) not in refused.text
    # A token is no part of an address, where it would be in logs.
    assert ask(served, path=f"/mcp?token={valid}&access_token={valid}").status_code == 401


async def test_the_workspace_comes_from_nowhere_else(served, tokens, hive, run):
    hive.scope("other").write_text("/f", "SECRET")
    run.write_text("/f", "own")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {
        "name": "hivemind_read",
        "arguments": {"path": "/f"},
        "_meta": {"workspace": "other", "hivemind_grant": {"workspace": "other"}},
    }
    for path in ("/mcp", "/mcp/", "/mcp/other", "/mcp/?workspace=other"):
        told = ask(
            served,
            f"Bearer {tokens.create(run)}",
            body=body,
            path=path,
            **{"x-workspace": "other", "mcp-session-id": "other"},
        )
        assert told.status_code == 200
        assert told.json()["result"]["content"][0]["text"].endswith("\town")


async def test_only_requests_are_answered_and_only_for_this_host(served, tokens, run):
    token = f"Bearer {tokens.create(run)}"
    for method in ("GET", "DELETE", "PUT"):
        assert ask(served, token, method=method, body=None).status_code == 405
    assert ask(served, token, host="evil.example").status_code == 421
    assert ask(served, token, origin="http://evil.example").status_code == 403
    assert ask(served, token, body={**LIST_TOOLS, "params": {"x": "x" * (16 << 20)}}).status_code == 413
    assert ask(served, token, **{"content-type": "text/plain"}).status_code == 400
    assert ask(served, token, body={"not": "rpc"}).status_code == 400
    assert httpx.get(f"{served}/health", timeout=60).status_code == 200


async def test_many_clients_at_once(served, tokens, hive):
    import anyio

    async def use(number):
        scope = hive.scope(f"user/{number}")
        async with connected(served, tokens.create(scope)) as client:
            for line in range(5):
                await tell(client, "remember", content=f"fact {number}.{line}")
            assert (await tell(client, "read", path="/.deep/memory/main/MEMORY.md")).count(f"fact {number}.") == 5
        assert scope.read_text("/.deep/memory/main/MEMORY.md").count("fact") == 5

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(use, number)
