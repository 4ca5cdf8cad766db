"""`hivemind mcp`: the real command, started by a real client the way its configuration says."""

import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pydantic_hivemind import Hivemind
from pydantic_hivemind.tokens import Tokens

pytestmark = pytest.mark.anyio

COMMAND = str(Path(sys.executable).parent / "hivemind")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def started(tmp_path, server, *more):
    """A client of a server as `.mcp.json` describes it."""
    parameters = StdioServerParameters(command=server["command"], args=[*server["args"], *more], env=server["env"])
    with (tmp_path / "errors").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors)) as client:
            yield client


def described(run, workspace, *can):
    """What `connect` wrote for Claude Code."""
    assert run("connect", "claude-code", "--workspace", workspace, *(f"--can={action}" for action in can)).code == 0
    return json.loads(Path(".mcp.json").read_text())["mcpServers"]["hivemind"]


async def tell(client, tool, *, fails=False, **arguments):
    result = await client.call_tool(f"hivemind_{tool}", arguments)
    assert result.is_error == fails, result.content
    return result.content[0].text


async def test_from_the_words_of_the_guide_to_what_another_finds(run, store, tmp_path):
    run("workspace", "create", "run-1", "--inherit", "my-project")
    run("workspace", "create", "run-2", "--inherit", "my-project")
    one = described(run, "run-1", "read", "write", "promote")
    Path(".mcp.json").unlink()
    two = described(run, "run-2", "read")
    async with started(tmp_path, one) as first, started(tmp_path, two) as second:
        await tell(first, "remember", content="The staging database is restored every Sunday.")
        assert "every Sunday" in await tell(first, "search", query="when is the test data replaced?")
        assert await tell(second, "search", query="test data") == "Nothing was found."
        assert "+- The staging database" in await tell(first, "diff")
        assert "to my-project:" in await tell(first, "promote")
        assert "(from my-project)" in await tell(second, "search", query="when is the test data replaced?")

        # The command and an app have the same store open; each sees at once what the others do.
        assert run("write", "/plans/a.md", "-w", "my-project", stdin=b"Ship on Thursday.\n").code == 0
        assert "Ship on Thursday." in await tell(second, "search", query="shipping day", under="/plans")
        with Hivemind.open(store) as hive:
            hive.scope("run-2").edit("/plans/a.md", "Thursday", "Friday")
            assert "Ship on Friday." in await tell(second, "read", path="/plans/a.md")
            assert "Ship on Thursday." in await tell(first, "read", path="/plans/a.md")

        # The second may only read.
        offered = [tool.name for tool in (await second.list_tools()).tools]
        assert offered == [f"hivemind_{tool}" for tool in ("search", "read", "list", "diff", "history")]
        assert (
            await tell(second, "write", path="/f", content="x", fails=True)
            == "the client is not permitted to write in this workspace"
        )

        # Its token is revoked; the first one's is not, and its workspace goes.
        assert run("disconnect", "claude-code").code == 0
        assert "revoked" in await tell(second, "read", path="/plans/a.md", fails=True)
        assert run("workspace", "delete", "run-1").code == 0
        assert "its workspace was deleted" in await tell(first, "list", fails=True)


async def test_nothing_is_lost_between_servers_the_command_and_an_app(run, store, tmp_path):
    run("workspace", "create", "team")
    server = {"command": COMMAND, "args": ["mcp", "--workspace", "team"], "env": {"HIVEMIND_STORE": str(store)}}
    path, each = "/.deep/memory/main/MEMORY.md", 15

    async def remember(client, who):
        for number in range(each):
            assert "Remembered" in await tell(client, "remember", content=f"{who} {number}.")

    def use_the_command():
        for number in range(3):
            note = f"- command {number}.\n"
            environment = {"HIVEMIND_STORE": str(store)}
            subprocess.run(
                [COMMAND, "write", f"/notes/{number}", "-w", "team"], env=environment, input=note.encode(), check=True
            )

    async with started(tmp_path, server) as first, started(tmp_path, server) as second:
        with Hivemind.open(store) as hive:
            scope = hive.scope("team")
            scope.write_text(path, "- start\n")

            def use_the_app():
                for _ in range(each):
                    scope.edit(path, "- start", "- start!")

            async with anyio.create_task_group() as group:
                group.start_soon(remember, first, "first")
                group.start_soon(remember, second, "second")
                group.start_soon(run_sync, use_the_app)
                group.start_soon(run_sync, use_the_command)
            text = scope.read_text(path)
            assert f"- start{'!' * each}\n" in text
            assert sorted(text.splitlines()[1:]) == sorted(
                f"- {who} {number}." for who in ("first", "second") for number in range(each)
            )
        assert await tell(first, "read", path=path) == await tell(second, "read", path=path)
        for client in (first, second):
            assert "- command 2." in await tell(client, "search", query="command", under="/notes")


async def test_read_only_hides_and_refuses(run, store, tmp_path):
    run("workspace", "create", "run")
    with Hivemind.open(store) as hive:
        token = Tokens(hive).create("run", can=["read", "write", "promote"])
    environment = {"HIVEMIND_STORE": str(store), "HIVEMIND_TOKEN": token}
    server = {"command": COMMAND, "args": ["mcp", "--workspace", "run"], "env": environment}
    async with started(tmp_path, server, "--read-only") as client:
        assert all(tool.annotations.read_only_hint for tool in (await client.list_tools()).tools)
        assert (
            await tell(client, "remember", content="x", fails=True)
            == "the client is not permitted to append in this workspace"
        )
        assert await tell(client, "promote", fails=True) == "the client is not permitted to promote in this workspace"


def test_it_ends_with_its_client(run, store):
    run("workspace", "create", "run")
    ended = subprocess.run(
        [COMMAND, "mcp", "-w", "run"], env={"HIVEMIND_STORE": str(store)}, input=b"", capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def greeting():
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": who}).encode() + b"\n"


def test_what_is_no_message_is_answered_too(run, store):
    """A client would wait for ever: half a surrogate pair is what is left of a text that JavaScript cut."""
    run("workspace", "create", "run")
    call = b'{"jsonrpc":"2.0","id":"%s","method":"tools/call","params":{"name":"hivemind_remember","arguments":%s}}\n'
    cut = call % (b"a", b'{"content":"cut \\ud83d"}')
    named = call % (b"\\ud83d", b"{}")
    lines = (greeting(), cut, named, b"{no json\n", b"[" * 100_000 + b"\n", b"[1, 2]\n", b'{"id": 5, "method": 6}\n')
    told = subprocess.run(
        [COMMAND, "mcp", "-w", "run"],
        env={"HIVEMIND_STORE": str(store)},
        input=b"".join(lines),
        capture_output=True,
        check=True,
    )
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    refused = [answer for answer in answers if "error" in answer]
    assert [answer["id"] for answer in answers if answer not in refused] == [1]
    assert [(answer["id"], answer["error"]["code"]) for answer in refused] == [
        ("a", -32700),
        *[(None, -32700)] * 3,
        *[(None, -32600)] * 2,
    ]
    assert "half a character" in refused[0]["error"]["message"]
    assert told.stderr == b""


def test_it_ends_when_it_is_told_to(run, store):
    run("workspace", "create", "run")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    for told in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([COMMAND, "mcp", "-w", "run"], env={"HIVEMIND_STORE": str(store)}, **pipes) as process:
            process.stdin.write(greeting())
            process.stdin.flush()
            assert b"hivemind_search" in process.stdout.readline()
            process.send_signal(told)
            assert process.wait() == 128 + told
            assert process.stderr.read() == b""


def test_what_cannot_be_served_is_said_at_the_start(run, store, monkeypatch):
    assert run("mcp", "-w", "run").code == 3
    run("workspace", "create", "run")
    run("workspace", "create", "other")
    assert run("mcp", "-w", "nope").code == 3
    assert run("mcp", "-w", "run", "--can", "fly").code == 2
    with Hivemind.open(store) as hive:
        tokens = Tokens(hive)
        others, ended = tokens.create("other"), tokens.create("run", ttl=1e-6)
    for token in (others, ended, "forged"):
        monkeypatch.setenv("HIVEMIND_TOKEN", token)
        refused = run("mcp", "-w", "run")
        assert refused.code == 6
        assert "other" not in refused.err.replace("another", "")
