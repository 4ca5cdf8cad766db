"""`connect` and `disconnect` with the files of every client, and `token`."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomlkit
from mcp import Client, StdioServerParameters

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.tokens import Tokens

CLIENTS = ["claude-code", "claude-desktop", "cursor", "vscode", "codex"]
KEYS = {"vscode": "servers", "codex": "mcp_servers"}


@pytest.fixture(autouse=True)
def home(run, tmp_path, monkeypatch):
    """A home directory that is not the tester's, and a workspace."""
    for variable in ("XDG_CONFIG_HOME", "CODEX_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", "linux")
    run("workspace", "create", "run")
    return tmp_path / "home"


def place(client, home):
    return {
        "claude-code": Path(".mcp.json"),
        "claude-desktop": home / ".config/Claude/claude_desktop_config.json",
        "cursor": Path(".cursor/mcp.json"),
        "vscode": Path(".vscode/mcp.json"),
        "codex": home / ".codex/config.toml",
    }[client]


def parsed(client, home):
    text = place(client, home).read_text()
    return tomlkit.parse(text).unwrap() if client == "codex" else json.loads(text)


def grant(store, token):
    with Hivemind.open(store) as hive:
        return Tokens(hive).verify(token)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_connected_and_disconnected(run, store, home, client):
    told = run("connect", client, "--workspace", "run", "--json")
    assert told.code == 0
    assert Path(told.json["file"]).samefile(place(client, home))
    assert place(client, home).stat().st_mode & 0o777 == 0o600

    document = parsed(client, home)
    assert list(document) == [KEYS.get(client, "mcpServers")]
    server = document[KEYS.get(client, "mcpServers")]["hivemind"]
    assert server.pop("type", None) == (None if client in ("codex", "claude-desktop") else "stdio")
    assert sorted(server) == ["args", "command", "env"]
    assert Path(server["command"]).is_file()
    assert server["args"] == ["mcp", "--workspace", "run"]
    assert server["env"]["HIVEMIND_STORE"] == str(store)
    token = server["env"]["HIVEMIND_TOKEN"]
    assert (grant(store, token).workspace, grant(store, token).can) == ("run", {"read", "write"})
    assert token not in told.out + told.err

    assert run("disconnect", client).code == 0
    assert parsed(client, home) == {}
    with pytest.raises(errors.InvalidToken):
        grant(store, token)
    assert run("disconnect", client).code == 1


@pytest.mark.parametrize("client", ["claude-code", "codex"])
@pytest.mark.anyio
async def test_a_client_that_starts_what_it_is_told_has_the_workspace(run, store, home, client):
    """The client is the SDK's, and does what those that are configured do."""
    run("connect", client, "--workspace", "run")
    server = parsed(client, home)[KEYS.get(client, "mcpServers")]["hivemind"]
    program = StdioServerParameters(command=server["command"], args=server["args"], env=server["env"])
    async with Client(program) as session:
        assert "hivemind_promote" not in {tool.name for tool in (await session.list_tools()).tools}
        await session.call_tool("hivemind_write", {"path": "/f", "content": "by the client"})
    assert run("cat", "/f", "-w", "run").out == "by the client"

    run("disconnect", client)
    environment = os.environ | server["env"]
    ended = subprocess.run([server["command"], *server["args"]], env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (6, b"")
    assert ended.stderr.startswith(b"hivemind: the token is not valid")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("client", CLIENTS)
def test_what_else_is_configured_stays(run, home, client):
    key = KEYS.get(client, "mcpServers")
    other = {"command": "other", "args": ["--x"], "env": {"É": "1"}}
    before = {"theme": "dark", key: {"zebra": other, "alpha": other}, "inputs": [1, {"a": None}]}
    if client == "codex":
        text = '# mine\nmodel = "o"  # the best\n\n[mcp_servers.zebra]\ncommand = "other"\n\n[profiles.x]\ny = 1\n'
    else:
        text = json.dumps(before)
    place(client, home).parent.mkdir(parents=True, exist_ok=True)
    place(client, home).write_text(text)

    run("connect", client, "--workspace", "run")
    connected = parsed(client, home)
    assert connected[key].pop("hivemind")
    if client == "codex":
        assert connected == tomlkit.parse(text).unwrap()
        assert all(line in place(client, home).read_text().splitlines() for line in text.splitlines())
    else:
        assert connected == before
        assert list(connected) == list(before)
        assert list(connected[key]) == ["zebra", "alpha"]
    run("disconnect", client)
    if client == "codex":
        assert place(client, home).read_text().split() == text.split()
    else:
        assert parsed(client, home) == before


def test_connecting_again_replaces_the_token(run, store, home):
    run("workspace", "create", "other")
    tokens = []
    for workspace in ("run", "other"):
        run("connect", "claude-code", "--workspace", workspace, "--can", "read", "--can", "promote", "--ttl", "1h")
        tokens.append(parsed("claude-code", home)["mcpServers"]["hivemind"]["env"]["HIVEMIND_TOKEN"])
    with pytest.raises(errors.InvalidToken):
        grant(store, tokens[0])
    now = grant(store, tokens[1])
    assert (now.workspace, now.can) == ("other", {"read", "promote"})
    assert now.expires_at - now.created_at == pytest.approx(3600)


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("vscode", '{\n  // mine\n  "servers": {}\n}'),
        ("claude-code", '{"mcpServers": []}'),
        ("claude-code", "[]"),
        ("claude-code", '{"mcpServers": {"hivemind": {"command": "hivemind", "args": ["serve"], "env": {}}}}'),
        ("claude-code", '{"mcpServers": {"hivemind": {"url": "http://hive"}}}'),
        ("codex", "[mcp_servers\n"),
        ("codex", '[mcp_servers.hivemind]\ncommand = "other"\n'),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(run, store, home, client, text):
    place(client, home).parent.mkdir(parents=True, exist_ok=True)
    place(client, home).write_text(text)
    for told in (run("connect", client, "--workspace", "run"), run("disconnect", client)):
        assert (told.code, told.out) == (4, "")
    assert place(client, home).read_text() == text
    assert run("token", "list").out == ""


def test_it_can_be_shown_without_being_done(run, store, home):
    place("claude-code", home).write_text('{"theme": 1}')
    told = run("connect", "claude-code", "--workspace", "run", "--print")
    shown = json.loads(told.out)
    assert shown["theme"] == 1
    assert shown["mcpServers"]["hivemind"]["env"]["HIVEMIND_TOKEN"] == "TOKEN"
    assert "hivemind token create --workspace run" in told.err
    assert f"--store {store}" in told.err
    assert place("claude-code", home).read_text() == '{"theme": 1}'
    assert run("token", "list").out == ""
    run("workspace", "create", "it's mine", "--store", "./of mine")
    hint = run("connect", "claude-code", "-w", "it's mine", "--store", "./of mine", "--print").err.split("`")[1]
    made = run(*shlex.split(hint)[1:])
    assert made.out.startswith("hm_")
    assert tomlkit.parse(run("connect", "codex", "--workspace", "run", "--print").out)["mcp_servers"]["hivemind"]


@pytest.mark.parametrize(("client", "link"), [("claude-code", ".mcp.json"), ("cursor", ".cursor"), ("codex", None)])
def test_what_a_link_points_to_is_never_changed(run, home, tmp_path, client, link):
    """Whoever made the project chose where it points to."""
    file = place(client, home)
    link = Path(link) if link else file
    target = tmp_path / "elsewhere" / ("mcp.json" if link != file else "profile")
    target.parent.mkdir()
    target.write_text("")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target if link == file else target.parent)
    for told in (run("connect", client, "--workspace", "run"), run("disconnect", client)):
        assert (told.code, told.out) == (4, "")
        assert "symbolic link" in told.err
    assert link.is_symlink()
    assert target.read_text() == ""
    assert run("token", "list").out == ""
    assert "this is what to add to it" in run("connect", client, "--workspace", "run", "--print").err


def test_a_file_that_cannot_be_written(run, home):
    Path(".cursor").write_text("a file")
    told = run("connect", "cursor", "--workspace", "run")
    assert (told.code, told.out) == (5, "")
    assert run("token", "list").out == ""


def test_other_places(run, home, tmp_path, monkeypatch):
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    run("connect", "codex", "-w", "run")
    assert (tmp_path / "codex" / "config.toml").is_file()
    monkeypatch.setattr(sys, "platform", "darwin")
    run("connect", "claude-desktop", "-w", "run")
    assert (home / "Library/Application Support/Claude/claude_desktop_config.json").is_file()


def test_tokens_are_made_listed_and_revoked(run, store):
    token = run("token", "create", "-w", "run", "--can", "read", "--ttl", "1h").out.strip()
    assert grant(store, token).can == {"read"}
    made = run("token", "create", "-w", "run", "--json").json
    assert grant(store, made["token"]).id == made["id"]

    with Hivemind.open(store) as hive:
        below = Tokens(hive).create("run", can=["read"], by=Tokens(hive).verify(made["token"]))

    listed = run("token", "list", "--json").json
    assert [entry["made_by"] for entry in listed] == [None, None, made["id"]]
    assert run("token", "list").lines[-1].split("\t")[5] == made["id"]
    assert [(entry["workspace"], entry["can"]) for entry in listed] == [
        ("run", ["read"]),
        ("run", ["read", "write"]),
        ("run", ["read"]),
    ]
    for told in (run("token", "list"), run("token", "list", "--json"), run("token", "list", people=True)):
        assert token not in told.out
        assert made["id"] in told.out

    rights = ("--under", "/notes", "--promote-to", "project", "--no-deletes", "--label", "of a note taker")
    narrow = grant(store, run("token", "create", "-w", "run", "--ttl", "1h", *rights).out.strip())
    assert (narrow.under, narrow.promote_to, narrow.deletes) == ("/notes", ("project",), False)
    assert "of a note taker\tunder /notes; promote to project; no deletes" in run("token", "list").out
    assert {"/notes", "of a note taker"} <= {entry["under"] for entry in run("token", "list", "--json").json} | {
        entry["label"] for entry in run("token", "list", "--json").json
    }

    assert run("token", "revoke", made["id"]).out == made["id"] + "\n"
    assert run("token", "revoke", made["id"]).code == 3
    with pytest.raises(errors.InvalidToken):
        grant(store, made["token"])
    with pytest.raises(errors.InvalidToken):
        grant(store, below)
    assert run("token", "create", "-w", "run", "--can", "fly").code == 2
    assert run("token", "create", "-w", "nobody").code == 3
