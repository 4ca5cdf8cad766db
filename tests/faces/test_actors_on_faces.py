"""Every face notes by itself who acts: the command its user, HTTP and MCP their token."""

import getpass

import pytest
from mcp import Client

from pydantic_hivemind import Actor, acting
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.mcp import create_server, create_token_server


@pytest.fixture
def project(hive):
    return hive.scope("project")


def actors_of(scope, path):
    return [version.actor for version in scope.history(path)]


def test_the_command(run, monkeypatch):
    run("workspace", "create", "p")
    run("write", "/f", "-w", "p", stdin=b"1")
    monkeypatch.setenv("HIVEMIND_USER", "ada\n")
    run("write", "/f", "-w", "p", stdin=b"2")
    actors = [version["actor"] for version in run("log", "/f", "-w", "p", "--json").json]
    assert [actor["user"] for actor in actors] == ["ada?", getpass.getuser()]
    assert run("log", "-w", "p").lines[0].split("\t")[-1] == "user ada?"
    assert "by user ada?" in run("log", "-w", "p", people=True).out


def test_http(project, tokens, served):
    token = tokens.create(project, can=("read", "write"))
    with acting(user="who started the server"), HivemindClient(served, token) as client:
        client.write_text("/f", "1")
        (version,) = client.history("/f")
    assert version.actor == Actor(token=tokens.verify(token).id)


def test_http_says_of_its_own_workspace_only_who_wrote(hive, project, tokens, served):
    user = hive.scope("ada", parent=project)
    with acting(user="bo"):
        project.write_text("/f", "1")
    for can, expected in ((("read",), None), (("read", "admin"), Actor(user="bo"))):
        with HivemindClient(served, tokens.create(user, can=can)) as client:
            assert [version.actor for version in client.history("/f")] == [expected]


@pytest.mark.anyio
async def test_mcp(project, tokens):
    token = tokens.create(project, can=("read", "write"))
    async with Client(create_token_server(tokens, token)) as client:
        await client.call_tool("hivemind_write", {"path": "/f", "content": "1"})
    with acting(user="ada"):
        async with Client(create_server(project)) as client:
            await client.call_tool("hivemind_write", {"path": "/f", "content": "2"})
    by_user, by_token = actors_of(project, "/f")
    assert (by_user.user, by_user.token) == ("ada", None)
    assert by_token.token == tokens.verify(token).id
    assert by_token.agent, "the name of the client"
