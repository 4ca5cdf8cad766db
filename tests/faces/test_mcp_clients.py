"""The configuration that `connect` writes, read by a client that others wrote: that of pydantic-ai."""

import json
import re
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

pytest.importorskip("fastmcp", reason="the client comes with pydantic-ai-slim[mcp]")
pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "mcp.md"
NOTE = "The staging database is restored every Sunday."


async def used(file, *calls):
    """What an agent is told that has the servers of a file, and calls these tools one after another."""
    from pydantic_ai import mcp

    offered = []

    def respond(messages, info):
        offered[:] = [tool.name for tool in info.function_tools]
        done = sum(isinstance(message, ModelResponse) for message in messages)
        return ModelResponse([ToolCallPart(*calls[done])] if done < len(calls) else [TextPart("done")])

    agent = Agent(FunctionModel(respond), toolsets=mcp.load_mcp_toolsets(file))
    async with agent:
        run = await agent.run("Do it.")
    parts = [part for message in run.all_messages() for part in message.parts]
    return offered, [part.content for part in parts if isinstance(part, ToolReturnPart)]


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("claude-desktop", "settings/Claude/claude_desktop_config.json"),
    ],
)
async def test_what_connect_wrote_starts_a_server_of_that_workspace(run, monkeypatch, tmp_path, client, file):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path("settings").absolute()))
    monkeypatch.setattr("sys.platform", "linux")
    run("workspace", "create", "run-1", "--inherit", "my-project")
    assert run("connect", client, "--workspace", "run-1").code == 0
    # It hands its own errors to the server, and what pytest puts there is no file.
    with (tmp_path / "errors").open("w") as errors, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", errors)
        offered, told = await used(
            file,
            ("hivemind_hivemind_remember", {"content": NOTE}),
            ("hivemind_hivemind_search", {"query": "when is the test data replaced?"}),
        )
    assert "hivemind_hivemind_write" in offered
    assert told == [
        "Remembered in /.deep/memory/main/MEMORY.md.",
        f"/.deep/memory/main/MEMORY.md:1\n> - {NOTE}",
    ]
    assert NOTE in run("cat", "/.deep/memory/main/MEMORY.md", "-w", "run-1").out
    assert run("cat", "/.deep/memory/main/MEMORY.md", "-w", "my-project").code == 3


async def test_what_the_guide_says_connects_to_a_server(served, tokens, hive, tmp_path, monkeypatch):
    scope = hive.scope("my-project")
    scope.write_text("/f", "text")
    monkeypatch.setenv("HIVEMIND_TOKEN", tokens.create(scope, can=["read"]))
    [configuration] = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    file = tmp_path / ".mcp.json"
    file.write_text(configuration.replace("http://127.0.0.1:8765", served))
    assert json.loads(file.read_text())["mcpServers"]["hivemind"]["url"] == f"{served}/mcp"
    offered, told = await used(file, ("hivemind_hivemind_list", {}))
    assert offered == [f"hivemind_hivemind_{tool}" for tool in ("search", "read", "list", "diff", "history")]
    assert told == ["/f (4 bytes)"]
