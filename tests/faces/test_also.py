"""Every face says what stays behind when a workspace is promoted, and `also` takes it along."""

import asyncio

import pytest
from mcp import Client

from pydantic_hivemind import AsyncScope, Hivemind
from pydantic_hivemind.client import AsyncHivemindClient, HivemindClient
from pydantic_hivemind.mcp import create_server

PAYSLIP = "/uploads/payslip.txt"


@pytest.fixture
def user(hive):
    scope = hive.scope("user/ada", parent=hive.scope("project"))
    scope.write_text(PAYSLIP, "4,200")
    scope.write_text("/notes.md", "x\n")
    return scope


def test_the_command(run, store):
    run("workspace", "create", "project")
    run("workspace", "create", "ada", "--inherit", "project")
    with Hivemind.open(store) as hive:
        hive.get("ada").write_text(PAYSLIP, "4,200")
        hive.get("ada").write_text("/notes.md", "x\n")
    told = run("diff", "-w", "ada")
    assert PAYSLIP not in told.out
    assert told.err == f"hivemind: {PAYSLIP} stays behind; promote with --also to take it along\n"
    assert f"left behind\t{PAYSLIP}" in run("promote", "--from", "ada", "--dry-run").lines
    assert PAYSLIP in run("promote", "--from", "ada", "--dry-run", people=True).out
    assert run("promote", "--from", "ada", "--json").json["left_behind"] == [PAYSLIP]
    assert run("promote", "--from", "ada").lines == [f"left behind\t{PAYSLIP}"]
    assert f"applied\t{PAYSLIP}" in run("promote", "--from", "ada", "--also", "/uploads").lines


def test_operation_logs_are_not_exported(run, store, tmp_path):
    run("workspace", "create", "ada")
    with Hivemind.open(store) as hive:
        hive.get("ada").write_text("/.deep/memory/.memory-operations.json", "[]")
        hive.get("ada").write_text("/.deep/memory/a.md", "a")
    run("export", tmp_path / "out", "-w", "ada")
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["a.md"]
    assert "operations" not in run("ls", "/.deep/memory", "-w", "ada").out
    assert "operations" not in run("log", "-w", "ada").out


def test_http_and_the_clients(user, served, tokens):
    token = tokens.create(user, can=("read", "promote"))
    with HivemindClient(served, token) as client:
        changes = client.diff()
        assert ([change.path for change in changes], changes.left_behind) == (["/notes.md"], (PAYSLIP,))
        assert client.promote(dry_run=True).left_behind == (PAYSLIP,)
        assert client.promote().left_behind == (PAYSLIP,)

    async def promote() -> None:
        async with AsyncHivemindClient(served, token) as client:
            assert (await client.promote(also=["/uploads"])).applied == (PAYSLIP,)

    asyncio.run(promote())


@pytest.mark.anyio
async def test_tools(user):
    async with Client(create_server(user, can=("read", "promote"))) as client:
        [shown] = (await client.call_tool("hivemind_diff", {})).content
        assert shown.text.endswith(f"(stays here when promoted: {PAYSLIP})")
        [told] = (await client.call_tool("hivemind_promote", {})).content
        assert told.text.splitlines()[1:] == ["applied /notes.md", f"left behind {PAYSLIP}"]
        [told] = (await client.call_tool("hivemind_promote", {"also": ["/uploads"]})).content
        assert told.text.splitlines()[1:] == [f"applied {PAYSLIP}"]


@pytest.mark.anyio
async def test_the_async_scope(user):
    scope = AsyncScope(user)
    assert (await scope.diff()).left_behind == (PAYSLIP,)
    assert (await scope.promote(also="/uploads")).left_behind == ()
