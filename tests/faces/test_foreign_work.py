"""Whoever uses a workspace notices nothing of what others do in theirs, by no operation of any face.

Each script runs in two stores: in one of them a stranger and a sibling work before each step. All answers are compared.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import databases
import pytest
from fastapi.testclient import TestClient
from foreign_work import FOREIGN, ForeignWork, Transcript, differences
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.http import create_app
from pydantic_hivemind.messages.checkpoints import Snapshot
from pydantic_hivemind.tokens import ACTIONS, Tokens

Script = Callable[[Hivemind, Transcript, Callable[[], None]], None]

HELLO = ModelRequest(parts=[UserPromptPart("hello apples")])


@pytest.fixture
def two_stores() -> Iterator[tuple[str, str]]:
    with databases.new_store() as one, databases.new_store() as other:
        yield str(one), str(other)


def compare(stores: tuple[str, str], script: Script) -> list[str]:
    """Run a script in both stores, and return the names of its steps."""
    transcripts: list[Transcript] = []
    for is_busy, place in enumerate(stores):
        with databases.opened(place) as hive:
            project = hive.scope("project")
            project.write_text("/shared.md", "apples for all\n", tags=["all"])
            project.write_text("/both.md", "1\n2\n3\n")
            hive.scope("me", project).write_text("/own.md", "apples of mine\n", tags=["mine"])
            work = ForeignWork(hive)
            transcripts.append(transcript := Transcript())
            script(hive, transcript, work.some if is_busy else lambda: None)
    quiet, busy = transcripts
    assert differences(quiet, busy) == []
    assert FOREIGN not in str(busy.steps)
    return [step for step, _ in busy.steps]


# -- Scope -----------------------------------------------------------------------------------------

NOT_CALLED = {
    "workspace": "hands out an object that calls the others",
    "session": "is `spawn`, `promote` and `destroy`",
    "chain": "is a name",
    "name": "is a name",
}


def in_python(hive: Hivemind, transcript: Transcript, foreign: Callable[[], None]) -> None:  # noqa: PLR0915 - a list
    me = hive.scope("me")

    def step(operation: str, *arguments: Any, on: object = None, **named: Any) -> Any:
        foreign()
        return transcript.call(operation, lambda: getattr(on or me, operation)(*arguments, **named))

    stat = step("write_text", "/own.md", "apples and pears\n", operation_id="once-0")
    step("write_text", "/own.md", "apples and pears\n", operation_id="once-0")
    step("write_text", "/own.md", "other\n", expected_version="v000000000000")
    step("write_bytes", "/bytes", b"\x00\xff", tags=["raw"])
    step("edit", "/shared.md", "all", "me", expected_version=me.stat("/shared.md").version)
    file = step("read", "/both.md")
    step("merge", "/both.md", b"0\n1\n2\n3\n", base=file)
    step("make_dir", "/d/e")
    step("tag", "/own.md", ["mine", "too"])
    step("remove", "/bytes")
    for name in ("read", "read_bytes", "read_text", "exists", "stat", "history", "list_dir", "collection"):
        answer = step(name, "/")
        for path in ("/own.md", "/shared.md", "/others/0.md", "/bytes"):
            answer = step(name, path)
        if name == "collection" and answer is not None:
            transcript.note("records", answer.get())
    step("restore", "/own.md", stat.version)
    step("restore", "/own.md", "v000000000000")
    step("glob", "**/*")
    step("grep", "apples")
    step("grep_by_file", "apples")
    step("recent")
    step("search", "apples")
    step("search", None, under="/others")
    step("search", "apples", where={"size": {"$gt": 3}}, chain=False)
    step("diff")
    step("info")
    transcript.call("parent", lambda: me.parent)
    talk = me.conversation("talk")
    transcript.note("conversation", talk.id)
    step("append", [HELLO], on=talk, expected_count=0)
    step("append", [HELLO], on=talk, expected_count=9)
    step("load", on=talk)
    step("conversations")
    checkpoints = me.checkpoints("talk")
    step("save", Snapshot("cp", "label", 1, [HELLO], 1, file.stat.modified_at and _moment(), {}), on=checkpoints)
    step("list_all", on=checkpoints)
    transcript.call("checkpoints", me.checkpoints("talk").count)
    run = step("spawn", "run")
    run.write_text("/learned.md", "pears\n")
    run.edit("/own.md", "apples", "plums")
    transcript.call("children", lambda: me.children)
    step("renew", 3600, on=run)
    proposal = step("propose", on=run, note="please")
    step("proposals")
    step("proposals", on=run, sent=True)
    step("proposal", proposal.id)
    step("diff", on=proposal)
    step("approve", on=proposal)
    run.write_text("/more.md", "plums\n")
    step("promote", on=run, dry_run=True)
    report = step("promote", on=run)
    step("history", "/more.md")
    step("revert", report.id)
    step("revert", report.id)
    step("revert", "0" * 32)
    step("move", on=run, name="moved")
    step("destroy", on=run)
    step("read", "/own.md", on=run)
    step("promote", on_conflict="take_source")


def _moment() -> Any:
    from datetime import datetime, timezone

    return datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.mark.any_store
def test_nothing_of_others_is_noticed_in_python(two_stores: tuple[str, str]) -> None:
    done = compare(two_stores, in_python)
    public = {name for name, _ in inspect.getmembers(Scope) if not name.startswith("_")}
    assert public - set(done) == NOT_CALLED.keys()


# -- HTTP ------------------------------------------------------------------------------------------

OPEN = {"health", "health_head", "ready", "ready_head", "metrics_page"}
"""What needs no token, and tells nothing of any workspace; the number of requests of all is for who runs the server."""


def over_http(hive: Hivemind, transcript: Transcript, foreign: Callable[[], None]) -> None:  # noqa: PLR0915 - a list
    tokens = Tokens(hive)
    mine = {"Authorization": f"Bearer {tokens.create('me', can=ACTIONS)}"}
    above = {"Authorization": f"Bearer {tokens.create('project', can=['read', 'write'])}"}
    with TestClient(create_app(hive), "http://localhost") as api:
        known = {
            (method, path): operation["operationId"]
            for path, methods in api.get("/openapi.json").json()["paths"].items()
            for method, operation in methods.items()
        }

        def step(method: str, address: str, *, headers: dict[str, str] | None = None, **asked: Any) -> Any:
            foreign()
            answer = api.request(method, f"/v1/{address}", headers=mine | (headers or {}), **asked)
            shape = "/v1/files/{path}" if address.startswith("files/") else f"/v1/{address}"
            try:
                body: Any = answer.json()
            except ValueError:
                body = answer.text
            told = {name: value for name, value in answer.headers.items() if name != "content-length"}
            transcript.note(known[method.lower(), shape], [answer.status_code, told, body])
            return body

        step("PUT", "files/own.md", content=b"apples\n", headers={"Idempotency-Key": "once-0"})
        etag = f'"{hive.scope("me").stat("/own.md").version}"'
        step("GET", "files/own.md")
        step("GET", "files/own.md", headers={"If-None-Match": etag})
        step("PUT", "files/own.md", content=b"x", headers={"If-Match": '"7"'})
        step("PUT", "files/own.md", content=b"x", headers={"If-None-Match": "*"})
        step("HEAD", "files/shared.md")
        step("GET", "files/others/0.md")
        step("POST", "write", json={"path": "/w.md", "data": "eA=="})
        step("POST", "edit", json={"path": "/own.md", "old": "apples", "new": "pears"}, headers={"If-Match": etag})
        step("POST", "edit", json={"path": "/own.md", "old": "apples", "new": "pears"})
        base = {"version": etag.strip('"'), "data": "YXBwbGVzCg=="}
        step("POST", "merge", json={"path": "/own.md", "data": "eA==", "base": base})
        step("POST", "make_dir", json={"path": "/d"})
        step("POST", "tag", json={"path": "/own.md", "tags": ["t"]})
        for _ in range(3):
            step("POST", "tag", json={"path": "/w.md", "tags": ["t"]})
        step("DELETE", "files/w.md")
        for address in ("exists", "stat", "list_dir", "history"):
            for path in ("/", "/own.md", "/shared.md", "/nothing"):
                step("GET", address, params={"path": path, "limit": 1})
        step("POST", "restore", json={"path": "/own.md"})
        step("POST", "restore", json={"path": "/own.md", "version": 7})
        step("GET", "glob", params={"pattern": "**/*", "limit": 1})
        step("GET", "grep", params={"pattern": "apples"})
        step("POST", "search", json={"query": "apples"})
        step("POST", "search", json={"where": {"version": {"$gt": 3}}})
        step("GET", "diff", params={"limit": 1})
        step("GET", "workspace")
        step("GET", "workspaces", params={"limit": 1})
        step("POST", "workspaces", json={"name": "below", "can": ["admin"]})
        step("POST", "spawn", json={"name": "run", "can": ["read", "write", "promote"]})
        step("POST", "move", json={"workspace": "me/-/below", "name": "beside"})
        step("GET", "workspaces")
        step("DELETE", "workspaces", params={"name": "me/-/beside"})
        step("POST", "tokens", json={"can": ["read"]})
        page = step("GET", "tokens")
        step("DELETE", "tokens", params={"id": next(item["id"] for item in page["items"] if item["can"] == ["read"])})
        step("POST", "propose", json={"note": "please"})
        step("GET", "proposals", params={"sent": True})
        step("GET", "proposals", headers=above)
        (waiting,) = [info.info() for info in hive.scope("me").proposals(sent=True)][:1]
        step("GET", "proposal", params={"id": waiting.id})
        step("GET", "proposal_diff", params={"id": waiting.id}, headers=above)
        step("POST", "reject", json={"id": waiting.id, "note": "no"}, headers=above)
        again = step("POST", "propose", json={})
        step("POST", "withdraw", json={"id": again["id"]})
        again = step("POST", "propose", json={})
        step("POST", "approve", json={"id": again["id"]}, headers=above)
        step("PUT", "files/own.md", content=b"again\n")
        step("POST", "promote", json={"dry_run": True})
        report = step("POST", "promote", json={})
        step("GET", "history", params={"path": "/own.md"}, headers=above)
        step("POST", "revert", json={"promotion_id": report["id"]})
        step("POST", "revert", json={"promotion_id": "x"})
        step("POST", "renew", json={"ttl": 60})
        step("POST", "destroy", json={})
        unknown = set(known.values()) - {name for name, _ in transcript.steps} - OPEN
        assert not unknown, "an operation is not compared"


@pytest.mark.any_store
def test_nothing_of_others_is_noticed_over_http(two_stores: tuple[str, str]) -> None:
    compare(two_stores, over_http)


# -- MCP -------------------------------------------------------------------------------------------


def over_mcp(hive: Hivemind, transcript: Transcript, foreign: Callable[[], None]) -> None:
    import anyio
    from mcp import Client

    from pydantic_hivemind.mcp import create_server

    can = ("read", "write", "promote")

    async def run() -> None:
        async with (
            Client(create_server(hive.scope("me"), can=can)) as client,
            Client(create_server(hive.scope("project"), can=can)) as above,
        ):
            offered = {tool.name for tool in (await client.list_tools()).tools}

            async def step(tool: str, by: Client = client, **arguments: Any) -> str:
                foreign()
                result = await by.call_tool(f"hivemind_{tool}", arguments)
                (content,) = result.content
                transcript.note(f"hivemind_{tool}", [result.is_error, content.text])
                return content.text

            await step("write", path="/own.md", content="apples\n")
            await step("write", path="/own.md", content="apples\n", expected_version=7)
            await step("edit", path="/own.md", old="apples", new="pears")
            await step("read", path="/own.md")
            await step("read", path="/shared.md")
            await step("read", path="/nothing.md")
            await step("list")
            await step("list", glob="**/*")
            await step("search", query="apples")
            await step("remember", content="Ada likes plums")
            await step("search", query="what does Ada like?")
            await step("diff")
            await step("history")
            await step("history", path="/own.md")
            await step("propose", note="please")
            await step("proposals")
            (first,) = hive.scope("me").proposals(sent=True)
            await step("proposals", above)
            await step("proposals", above, id=first.id)
            await step("reject", above, id=first.id)
            await step("propose")
            (second,) = hive.scope("project").proposals()
            await step("approve", above, id=second.id)
            await step("write", path="/own.md", content="plums\n")
            await step("promote", dry_run=True)
            await step("promote")
            await step("history", above)
            promotion = hive.scope("project").recent()[0].promotion
            await step("revert", promotion=promotion)
            await step("revert", promotion="x")
            await step("delete", path="/own.md")
            transcript.note("resources", str(await client.list_resources()))
            assert offered == {name for name, _ in transcript.steps if name.startswith("hivemind_")}

    anyio.run(run)


@pytest.mark.any_store
def test_nothing_of_others_is_noticed_over_mcp(two_stores: tuple[str, str]) -> None:
    compare(two_stores, over_mcp)


# -- the command -----------------------------------------------------------------------------------

WHOLE_STORE = {
    *("serve", "console", "mcp", "connect", "disconnect", "demo"),
    *("gc", "doctor", "reindex", "workspace list", "workspace tree", "token list"),
}
"""Servers, and what is about the whole store: the command is for those who may read all of it."""


@pytest.mark.any_store
@pytest.mark.parametrize("form", ["json", "pipe", "people"])
def test_nothing_of_others_is_noticed_with_the_command(  # noqa: PLR0915 - a list
    two_stores: tuple[str, str], run: Callable[..., Any], form: str, tmp_path: Path
) -> None:
    stores = iter(two_stores)

    def with_the_command(hive: Hivemind, transcript: Transcript, foreign: Callable[[], None]) -> None:
        store = next(stores)
        w = ("-w", "me")

        def step(*arguments: object, stdin: bytes = b"") -> str:
            foreign()
            as_json = ("--json",) if form == "json" else ()
            told = run(*arguments, *as_json, "--store", store, stdin=stdin, people=form == "people")
            command = " ".join(map(str, arguments[: 2 if arguments[0] in {"workspace", "token"} else 1]))
            transcript.note(command, [told.code, told.out, told.err])
            return told.out

        step("write", "/own.md", "--tag", "t", *w, stdin=b"apples\n")
        step("write", "/own.md", "--expected-version", 7, *w, stdin=b"pears\n")
        step("edit", "/own.md", "--old", "apples", "--new", "plums", *w)
        step("tag", "/own.md", "t", "u", *w)
        step("mkdir", "/d", *w)
        step("ls", *w)
        step("ls", "--glob", "**/*", *w)
        step("cat", "/shared.md", *w)
        step("cat", "/nothing.md", *w)
        step("grep", "apples", *w)
        step("search", "apples", *w)
        step("log", *w)
        step("log", "/own.md", *w)
        step("log", "-w", "project")
        step("diff", *w)
        step("restore", "/own.md", *w)
        step("propose", "--from", "me", "--note", "please")
        step("proposals", *w, "--sent")
        step("proposals", "-w", "me")
        (waiting,) = hive.scope("me").proposals(sent=True)
        step("proposals", waiting.id, "-w", "project")
        step("withdraw", waiting.id, *w)
        for decision in ("reject", "approve"):
            waiting = hive.scope("me").propose()
            step(decision, waiting.id, "-w", "project")
        step("rm", "/own.md", *w)
        step("promote", "--from", "me", "--dry-run")
        step("promote", "--from", "me")
        step("revert", hive.scope("project").recent()[0].promotion, "-w", "project")
        directory = tmp_path / "exported"
        step("export", directory, *w)
        step("import", directory, *w)
        for path in sorted(directory.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        directory.rmdir()
        step("workspace", "create", "below", "--inherit", "me", "--ttl", "1h")
        step("workspace", "show", "below")
        step("workspace", "renew", "below")
        step("workspace", "move", "below", "--name", "beside")
        step("workspace", "delete", "beside")
        step("token", "create", *w)
        for grant in Tokens(hive).list(within=hive.scope("me")):
            step("token", "revoke", grant.id)
        assert set(commands()) - {name for name, _ in transcript.steps} == WHOLE_STORE

    compare(two_stores, with_the_command)


def commands() -> Iterator[str]:
    """The name of every command."""
    import typer

    from pydantic_hivemind.cli import app

    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        yield from (f"{name} {below}" for below in command.commands) if hasattr(command, "commands") else (name,)
