"""Proposals on every face, and who may decide on them."""

import asyncio

import pytest
from mcp import Client

from pydantic_hivemind import acting
from pydantic_hivemind.client import AsyncHivemindClient, HivemindClient
from pydantic_hivemind.errors import NotAllowed, ProposalConflict, ProposalNotFound
from pydantic_hivemind.mcp import create_server


@pytest.fixture
def project(hive):
    return hive.scope("project")


@pytest.fixture
def user(hive, project):
    scope = hive.scope("ada", parent=project)
    scope.write_text("/f", "x\n")
    return scope


def test_the_command(run):
    run("workspace", "create", "project")
    run("workspace", "create", "ada", "--inherit", "project")
    assert run("proposals", "-w", "project").code == 1
    run("write", "/f", "-w", "ada", stdin=b"x\n")
    (id,) = run("propose", "--from", "ada", "--note", "please").lines
    assert run("proposals", "-w", "project").lines == [f"{id}\tada\tproject\twaiting\tplease"]
    assert "please" in run("proposals", "-w", "project", people=True).out
    assert "+x" in run("proposals", id, "-w", "project").lines
    assert run("proposals", "--sent", "-w", "ada", "--json").json[0]["id"] == id
    assert run("approve", id, "-w", "project", "--note", "ok").lines == ["/f"]
    assert run("approve", id, "-w", "project").code == 4
    assert run("proposals", "--all", "-w", "project").lines == [f"{id}\tada\tproject\tmade\tplease"]
    second = run("propose", "--from", "ada", "--json").json["id"]
    assert run("reject", second, "-w", "project").lines == [second]
    third = run("propose", "--from", "ada", people=True).out.split()[1]
    assert run("withdraw", third, "-w", "ada", people=True).out == f"Proposal {third} is withdrawn.\n"
    assert run("reject", "none", "-w", "project").code == 3
    # Who promoted takes it back.
    assert run("revert", id, "-w", "ada").lines == ["/f"]


def test_http_and_the_clients(project, user, served, tokens):
    def client(scope, *can):
        return HivemindClient(served, tokens.create(scope, can=can))

    with client(user, "promote") as proposing, client(project, "read", "write") as deciding:
        made = proposing.propose(note="please")
        assert (made.state, made.source, made.report.applied) == ("waiting", "ada", ("/f",))
        assert deciding.proposals() == [made]
        assert deciding.proposal(made.id) == made
        assert [change.path for change in deciding.proposal_diff(made.id)] == ["/f"]
        with pytest.raises(NotAllowed):
            proposing.approve(made.id)
        with pytest.raises(NotAllowed):
            deciding.withdraw(made.id)
        with acting(user="nobody"):
            assert deciding.approve(made.id, "ok").applied == ("/f",)
        (sent,) = proposing.proposals(sent=True, decided=True)
        assert (sent.state, sent.decision_note, sent.decided_by) == ("made", "ok", None)
        assert deciding.proposal(made.id).decided_by.token is not None
        with pytest.raises(ProposalConflict):
            deciding.reject(made.id)
        with pytest.raises(ProposalNotFound):
            deciding.approve("none")
        proposing.withdraw(proposing.propose().id)
        deciding.reject(proposing.propose().id, "no")
    for scope, *can in ((user, "write", "read"), (project, "read"), (project, "promote")):
        with client(scope, *can) as other, pytest.raises(NotAllowed):
            other.propose() if scope is user else other.approve(made.id)

    async def again() -> None:
        async with AsyncHivemindClient(served, tokens.create(project, can=("read", "write"))) as deciding:
            assert await deciding.proposals() == []

    asyncio.run(again())


def test_who_promotes_may_take_it_back_over_http(project, user, served, tokens):
    """But who may only write in the workspace changes nothing above it."""
    report = user.promote()
    with HivemindClient(served, tokens.create(user, can=("read", "write"))) as writing, pytest.raises(NotAllowed):
        writing.revert(report.id)
    with HivemindClient(served, tokens.create(user, can=("promote",))) as promoting:
        assert promoting.revert(report.id) == ["/f"]
    assert not project.exists("/f")


async def say(client, tool, fails=False, **arguments):
    result = await client.call_tool(f"hivemind_{tool}", arguments)
    assert result.is_error == fails, result.content
    return result.content[0].text


@pytest.mark.anyio
async def test_tools(project, user):
    async with (
        Client(create_server(user, can=("read", "promote"))) as proposing,
        Client(create_server(project, can=("read", "write"))) as deciding,
    ):
        assert await say(deciding, "proposals") == "No proposal is waiting."
        told = await say(proposing, "propose", note="please")
        (waiting,) = project.proposals()
        assert told.splitlines() == [
            f"Proposal {waiting.id} waits.",
            "This would be promoted to project:",
            "applied /f",
        ]
        assert await say(deciding, "proposals") == f"{waiting.id} from ada: 1 paths. please"
        assert "+x" in await say(deciding, "proposals", id=waiting.id)
        assert "not permitted to write" in await say(proposing, "approve", fails=True, id=waiting.id)
        assert "applied /f" in await say(deciding, "approve", id=waiting.id)
        shown = await say(deciding, "history", path="/f")
        assert shown.endswith(f"promote /f in project, promotion {waiting.id}")
        assert (await say(proposing, "history")).startswith("version ")
        assert await say(proposing, "revert", promotion=waiting.id) == "put back /f"
        assert "not permitted" in await say(proposing, "revert", fails=True, promotion="none")
        user.write_text("/g", "y")
        await say(proposing, "propose")
        assert (await say(deciding, "reject", id=project.proposals()[0].id)).startswith("Rejected")
