"""Whatever `Hivemind` and `Scope` do, every face does, or there is a reason why not."""

from __future__ import annotations

import inspect

import pytest

from pydantic_hivemind import Hivemind, Scope


def reasons(why: dict[str, str]) -> dict[str, str]:
    """The reason of each operation, of the operations of each reason."""
    return {name: reason for reason, names in why.items() for name in names.split()}


INSIDE = reasons(
    {
        "is a name that `gc` or `doctor` had before": "check cleanup compact sweep",
        "hands out an object of another library": "collection conversation workspace",
        "finds what another operation finds": "session grep_by_file",
        "is part of `read` or `write_bytes`": "read_bytes read_text write_text",
        "is for a process that unpickles scopes": "register",
    }
)
"""What no face has, and why."""

COMMAND = reasons(
    {
        "needs the file as it was read, which nobody keeps between two commands: see --expected-version": "merge",
        "`create` with a ttl makes a session too": "spawn",
    }
)

HTTP = reasons(
    {
        "is for who runs the server": "open connect close gc doctor size reindex",
        "each request is for the workspace of its token": "scope get",
        "hands out messages, which are objects of pydantic-ai": "checkpoints conversations",
        "`history` tells it of each file": "recent",
    }
)

MCP = {name: why for name, why in HTTP.items() if name != "recent"} | reasons(
    {
        "the workspace is given, and is not a model's to make or end": "create scopes spawn destroy renew info move",
        "a model is shown what is there and what changed; people undo it": "restore",
        "another tool does it too": "exists stat grep make_dir tag merge write_bytes proposal",
    }
)


def operations() -> set[str]:
    """Every public method."""
    return {
        name
        for kind in (Hivemind, Scope)
        for name, member in inspect.getmembers(kind, inspect.isroutine)
        if not name.startswith("_")
    }


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The methods that are called, but not from each other."""
    names: set[str] = set()
    depth = 0

    def recorded(name, method):
        def call(*arguments, **named):
            nonlocal depth
            if not depth:
                names.add(name)
            depth += 1
            try:
                return method(*arguments, **named)
            finally:
                depth -= 1

        return call

    for kind in (Hivemind, Scope):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                monkeypatch.setattr(kind, name, recorded(name, method))
    return names


def test_every_operation_has_a_command(called, run, tmp_path):
    run("workspace", "create", "run", "--inherit", "project", "--ttl", "1h")
    run("workspace", "renew", "run")
    run("workspace", "move", "run", "--name", "ran")
    run("workspace", "move", "ran", "--name", "run")
    w = ("-w", "run")
    run("write", "/f", *w, stdin=b"text")
    run("edit", "/f", "--old", "text", "--new", "texts", *w)
    run("tag", "/f", "t", *w)
    run("mkdir", "/d", *w)
    run("rm", "/d", *w)
    for command in (
        ["ls"],
        ["ls", "--glob", "*"],
        ["cat", "/f"],
        ["grep", "t"],
        ["search", "t"],
        ["log"],
        ["log", "/f"],
        ["diff"],
    ):
        run(*command, *w)
    promotion = run("promote", "--from", "run", "--json").json["id"]
    run("revert", promotion, "-w", "project")
    proposal = run("propose", "--from", "run").out.strip()
    run("proposals", "-w", "project")
    run("approve", proposal, "-w", "project")
    run("restore", "/f", *w)
    run("workspace", "list")
    run("workspace", "show", "run")
    run("export", tmp_path / "out", *w)
    run("import", tmp_path / "out", *w)
    for command in (["gc"], ["doctor"], ["reindex"], ["workspace", "delete", "run"]):
        assert run(*command).code == 0
    assert "close" in called
    # Which class methods were called is not recorded.
    assert operations() - called - {"open", "connect"} == (INSIDE.keys() | COMMAND.keys()) - called


@pytest.mark.anyio
async def test_every_operation_has_a_tool(called, hive):
    from mcp import Client

    from pydantic_hivemind.mcp import create_server

    run = hive.scope("project").spawn("run")
    async with Client(create_server(run, can=("read", "write", "promote"))) as client:
        called.clear()
        for name, arguments in (
            ("write", {"path": "/f", "content": "text"}),
            ("edit", {"path": "/f", "old": "text", "new": "texts"}),
            ("read", {"path": "/f"}),
            ("list", {}),
            ("list", {"glob": "*"}),
            ("search", {"query": "text"}),
            ("remember", {"content": "a note"}),
            ("diff", {}),
            ("promote", {}),
            ("history", {}),
            ("history", {"path": "/f"}),
            ("propose", {}),
            ("proposals", {}),
            ("delete", {"path": "/f"}),
        ):
            assert not (await client.call_tool(f"hivemind_{name}", arguments)).is_error, name
        (promotion,) = {version.promotion for version in run.parent.recent()}
        assert not (await client.call_tool("hivemind_revert", {"promotion": promotion})).is_error
    assert operations() - called == (INSIDE.keys() | MCP.keys()) - called
    assert called & MCP.keys() == set()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_every_operation_is_in_the_api(hive):
    from pydantic_hivemind.http import create_app

    paths = create_app(hive).openapi()["paths"].values()
    offered = {operation["operationId"] for path in paths for operation in path.values()}
    assert operations() - offered == INSIDE.keys() | HTTP.keys()


def test_every_operation_is_in_the_client():
    from pydantic_hivemind.client import HivemindClient

    offered = {name for name, _ in inspect.getmembers(HivemindClient) if not name.startswith("_")}
    convenient = {"read_bytes", "read_text", "write_text"}
    assert operations() - offered == (INSIDE.keys() | HTTP.keys()) - convenient - {"close"}
