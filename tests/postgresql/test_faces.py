"""The command, tokens and MCP on a store in PostgreSQL: what is kept beside a ledger elsewhere is in the database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from databases import opened
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pydantic_hivemind import errors
from pydantic_hivemind.tokens import Tokens

COMMAND = str(Path(sys.executable).parent / "hivemind")


@pytest.fixture
def run(url, tmp_path):
    def run(*arguments, stdin=None):
        # The package that is tested, and none that is installed.
        environment = {**os.environ, "HIVEMIND_STORE": url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.anyio
async def test_from_the_command_to_a_client(run, url, tmp_path):
    run("workspace", "create", "run-42", "--inherit", "my-project")
    run("write", "/handbook.md", "--workspace", "my-project", stdin="Releases are on Tuesdays.\n")
    assert "Tuesdays" in run("search", "when do we release?", "--workspace", "run-42")
    run("connect", "claude-code", "--workspace", "run-42", "--can", "read", "--can", "write", "--can", "promote")
    server = json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]["hivemind"]
    environment = {**server["env"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parameters = StdioServerParameters(command=server["command"], args=server["args"], env=environment)
    async with Client(stdio_client(parameters)) as client:
        await client.call_tool("hivemind_remember", {"content": "The staging database is restored every Sunday."})
        assert not (await client.call_tool("hivemind_promote", {})).is_error
    with opened(url) as hive:
        assert "every Sunday" in hive.scope("my-project").search("when is the test data replaced?")[0].text
        # Another host knows what tokens are signed with.
        grant = Tokens(hive).verify(server["env"]["HIVEMIND_TOKEN"])
        assert grant.workspace == "run-42"
        run("token", "revoke", grant.id)
        with pytest.raises(errors.InvalidToken):
            Tokens(hive).verify(server["env"]["HIVEMIND_TOKEN"])
    run("gc")
    run("doctor")
    run("disconnect", "claude-code")
    run("workspace", "delete", "my-project", "--cascade")
    assert run("workspace", "list") == ""
