"""MCP: what a client is offered and told, in one process."""

from importlib.metadata import version

import pytest
from mcp import Client, MCPError

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.mcp import create_server
from pydantic_hivemind.rendering.hits import WORDS_ONLY

pytestmark = pytest.mark.anyio

READING = ["hivemind_search", "hivemind_read", "hivemind_list", "hivemind_diff", "hivemind_history"]
WRITING = ["hivemind_write", "hivemind_edit", "hivemind_delete", "hivemind_remember"]
TELLING = ["hivemind_edit", "hivemind_remember"]
"""Those that write, and in doing so tell what was there."""
ALL = ("read", "write", "promote")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def project(hive: Hivemind) -> Scope:
    return hive.scope("project")


@pytest.fixture
def run(project: Scope) -> Scope:
    return project.spawn("run")


async def tell(client: Client, tool: str, *, fails: bool = False, **arguments: object) -> str:
    """What a tool says."""
    result = await client.call_tool(f"hivemind_{tool}", arguments)
    assert result.is_error == fails, result.content
    [content] = result.content
    return content.text


# -- what is offered -------------------------------------------------------------------------------


@pytest.mark.parametrize("can", [ALL, ("read",), ("write",), ("read", "promote"), ("read", "write", "admin")])
async def test_tools_that_are_not_allowed_are_neither_shown_nor_done(run, can):
    run.write_text("/f", "text")
    async with Client(create_server(run, can=can)) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        needs = {**dict.fromkeys(READING, ("read",)), **dict.fromkeys(WRITING, ("write",))}
        needs |= {**dict.fromkeys(TELLING, ("read", "write")), "hivemind_promote": ("promote",)}
        needs |= dict.fromkeys(["hivemind_proposals", "hivemind_approve"], ("read", "write"))
        needs |= {"hivemind_propose": ("propose",), "hivemind_reject": ("write",)}
        needs["hivemind_remember"] = ("read", "append")
        included = {*can, *(["append"] if "write" in can else []), *(["propose"] if "promote" in can else [])}
        # Which of the two it needs depends on the promotion.
        offered.discard("hivemind_revert")
        assert offered == {name for name, needed in needs.items() if set(needed) <= included}
        for name in needs.keys() - offered:
            missing = next(action for action in needs[name] if action not in included)
            refused = await client.call_tool(name, {"path": "/f", "content": "x"})
            assert refused.is_error
            assert refused.content[0].text == f"the client is not permitted to {missing} in this workspace"
        if "read" not in can:
            for refused in (client.list_resources(), client.read_resource("hivemind:///f")):
                with pytest.raises(MCPError, match="the client is not permitted to read in this workspace"):
                    await refused
    assert run.read_text("/f") == "text"
    assert run.parent.list_dir() == []


async def test_what_may_be_done_is_checked_when_it_is_said(run):
    for can in ((), ("fly",)):
        with pytest.raises(InvalidOption):
            create_server(run, can=can)


async def test_clients_are_told_what_tools_do(run):
    async with Client(create_server(run, can=ALL)) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    assert [name for name, hint in hints.items() if hint.read_only_hint] == [*READING, "hivemind_proposals"]
    destructive = [name for name, hint in hints.items() if hint.destructive_hint]
    promoting = ["hivemind_promote", "hivemind_revert", "hivemind_approve"]
    assert destructive == ["hivemind_write", "hivemind_edit", "hivemind_delete", *promoting]
    once = ["hivemind_edit", "hivemind_propose", "hivemind_approve", "hivemind_reject"]
    assert [name for name, hint in hints.items() if hint.idempotent_hint is False] == once
    assert not any(hint.open_world_hint for hint in hints.values())


async def test_models_are_told_when_to_use_what(run):
    async with Client(create_server(run, can=ALL)) as client:
        tools = (await client.list_tools()).tools
        instructions = client.instructions
        assert client.server_info.version == version("pydantic-hivemind")
    assert [tool.name for tool in tools if tool.name not in instructions] == []
    for tool in tools:
        assert tool.description
        schema = tool.input_schema
        assert schema["additionalProperties"] is False
        assert "title" not in str(schema)
        for argument, described in schema["properties"].items():
            assert described["description"], f"{tool.name}: {argument}"
            assert argument not in ("workspace", "scope")


@pytest.mark.parametrize("named", ["workspace", "scope", "store", "to", "parent"])
async def test_a_workspace_is_no_argument(hive, run, named):
    hive.scope("other").write_text("/f", "secret")
    run.write_text("/f", "own")
    async with Client(create_server(run, can=ALL)) as client:
        for tool in (await client.list_tools()).tools:
            given = {
                "path": "/f",
                "query": "secret",
                "content": "x",
                "old": "own",
                "new": "x",
                "promotion": "1",
                "id": "1",
            }
            arguments = {name: given[name] for name in tool.input_schema.get("required", [])}
            refused = await client.call_tool(tool.name, {**arguments, named: "other"})
            assert refused.is_error
            assert refused.content[0].text == f"{named}: Extra inputs are not permitted"
    assert run.read_text("/f") == "own"


# -- the tools -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_files_are_written_read_and_changed(run, mode):
    async with Client(create_server(run, can=ALL), mode=mode) as client:
        told = await tell(client, "write", path="/plans/a.md", content="one\ntwo\nthree\n", tags=["deploy"])
        v = run.stat("/plans/a.md").version
        assert told == f"Wrote /plans/a.md: version {v}, 14 bytes."
        assert (await tell(client, "read", path="/plans/a.md")).splitlines() == [
            f"/plans/a.md: version {v}, 3 lines, tags deploy",
            "     1\tone",
            "     2\ttwo",
            "     3\tthree",
        ]
        told = await tell(client, "edit", path="/plans/a.md", old="two", new="2")
        v = run.stat("/plans/a.md").version
        assert told == f"Replaced it once in /plans/a.md: version {v}."
        assert await tell(client, "list") == "/plans/"
        assert await tell(client, "list", path="/plans") == "/plans/a.md (12 bytes, tags deploy)"
        assert await tell(client, "list", glob="**/*.md") == "/plans/a.md (12 bytes, tags deploy)"
        assert await tell(client, "list", glob="") == "/plans/"
        assert await tell(client, "delete", path="/plans/a.md") == "Deleted /plans/a.md."
        assert await tell(client, "list", glob="**") == "There is nothing."


async def test_a_write_keeps_tags_and_can_wait_for_a_version(run):
    run.write_text("/f", "1", tags=["t"])
    async with Client(create_server(run)) as client:
        await tell(client, "write", path="/f", content="2")
        assert run.stat("/f").tags == ("t",)
        assert "version" in await tell(client, "write", path="/f", content="3", expected_version=0, fails=True)
        assert run.read_text("/f") == "2"
        await tell(client, "write", path="/f", content="3", expected_version=run.stat("/f").version)
    assert run.read_text("/f") == "3"


async def test_names_that_look_like_more_lines_stay_in_theirs(run):
    run.write_text("/a\nb (1 bytes)", "text")
    async with Client(create_server(run)) as client:
        assert await tell(client, "list") == "/a\\nb (1 bytes) (4 bytes)"
        assert "+++ b/a\\nb (1 bytes)" in (await tell(client, "diff")).splitlines()
        assert (await tell(client, "search", query="text")).splitlines() == ["/a\\nb (1 bytes):1", "> text"]
        assert len((await tell(client, "read", path="/a\nb (1 bytes)")).splitlines()) == 2


async def test_notes_are_kept_and_found(run, project):
    project.write_text("/.deep/memory/main/MEMORY.md", "- Deployments need two approvals.\n")
    async with Client(create_server(run)) as client:
        for _ in range(2):
            told = await tell(client, "remember", content="The staging database is restored every Sunday.")
        assert told == "/.deep/memory/main/MEMORY.md has this note."
        assert run.read_text("/.deep/memory/main/MEMORY.md").count("staging") == 1
        told = await tell(client, "search", query="when is the test data replaced?", limit=1)
        assert told.splitlines()[0].startswith("/.deep/memory/main/MEMORY.md:")
        assert "every Sunday" in told
        project.write_text("/plans/release.md", "Release on Thursdays.\n")
        told = await tell(client, "search", query="release day", under="/plans")
        assert told == "/plans/release.md:1 (from project)\n> Release on Thursdays."
        assert await tell(client, "search", query="release", tags=["none"]) == "Nothing was found."
        await tell(client, "remember", content="Use pgbouncer.", file="postgres", tags=["db"])
        assert run.stat("/.deep/memory/main/postgres.md").tags == ("db",)
        for file in ("../../x", "/etc/passwd", "a/b"):
            assert "is not a valid file name" in await tell(client, "remember", content="x", file=file, fails=True)
        for tool, argument in (("remember", "content"), ("search", "query")):
            assert f"`{argument}` is empty" in await tell(client, tool, **{argument: " "}, fails=True)


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
async def test_it_is_told_when_the_meaning_could_not_be_looked_for(tmp_path):
    def fail(input):
        raise ConnectionError

    with Hivemind.open(tmp_path, embedder=fail) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "Release on Thursdays.\n")
        async with Client(create_server(scope)) as client:
            assert await tell(client, "search", query="release") == f"/a.md:1\n> Release on Thursdays.\n\n{WORDS_ONLY}"
            assert await tell(client, "search", query="tea") == f"Nothing was found.\n\n{WORDS_ONLY}"


async def test_changes_are_shown_and_promoted(run, project):
    project.write_text("/a", "1\n2\n3\n")
    project.write_text("/gone", "x\n")
    async with Client(create_server(run, can=ALL)) as client:
        assert await tell(client, "diff") == "Nothing was changed."
        assert await tell(client, "promote") == "There is nothing to promote."
        run.write_text("/a", "1\n2\n4\n")
        run.remove("/gone")
        run.write_text("/new/deep/f", "hello\n", tags=["keep"])
        run.make_dir("/empty")
        assert (await tell(client, "diff")).splitlines() == [
            *("--- a/a", "+++ b/a", "@@ -1,3 +1,3 @@", " 1", " 2", "-3", "+4"),
            "New directory /empty",
            *("--- a/gone", "+++ /dev/null", "@@ -1 +0,0 @@", "-x"),
            *("--- /dev/null", "+++ b/new/deep/f", "@@ -0,0 +1 @@", "+hello"),
        ]
        for dry_run, heading in ((True, "Nothing would be promoted"), (False, "Nothing was promoted")):
            told = (await tell(client, "promote", tags=["none"], dry_run=dry_run)).splitlines()
            assert told[:2] == [f"{heading} to project:", "skipped /a"]
        told = (await tell(client, "promote", tags=["keep"], dry_run=True)).splitlines()
        assert told[:2] == ["This would be promoted to project:", "applied /new/deep/f"]
        assert not project.exists("/new/deep/f")
        await tell(client, "promote", tags=["keep"])
        assert project.read_text("/new/deep/f") == "hello\n"
        project.write_text("/a", "1\n2\n5\n")
        told = await tell(client, "promote", fails=True)
        assert told.splitlines()[-1] == "conflict /a"
        told = (await tell(client, "promote", dry_run=True)).splitlines()
        assert told[0] == "Nothing would be promoted to project:"
        assert "conflict /a" in told
        assert project.exists("/gone")
        told = await tell(client, "promote", on_conflict="take_source")
        assert {"deleted /gone", "conflict, settled by `take_source` /a"} <= set(told.splitlines())
        assert project.read_text("/a") == "1\n2\n4\n"


async def test_errors_are_told_so_that_a_model_can_do_better(hive, run):
    run.write_text("/f", "same same")
    run.write_bytes("/b", b"\xff\0")
    async with Client(create_server(run, can=ALL)) as client:
        for tool, arguments, told in (
            ("read", {"path": "/nope"}, "file '/nope' does not exist"),
            ("read", {"path": "/"}, "'/' is a directory, not a file"),
            ("read", {"path": "/b"}, "'/b' is binary, not text; its bytes are the resource hivemind:///b"),
            ("read", {"path": "/f", "offset": 0}, "offset: Input should be greater than or equal to 1"),
            ("read", {}, "path: Field required"),
            ("edit", {"path": "/f", "old": "same", "new": "x"}, "the text to replace occurs 2 times in '/f'"),
            ("edit", {"path": "/f", "old": "other", "new": "x"}, "the text to replace does not occur in '/f'"),
            ("edit", {"path": "/f", "old": "", "new": "x"}, "the text to replace does not occur in '/f'"),
            ("search", {"query": "x", "limit": 1000}, "limit: Input should be less than or equal to 50"),
            ("promote", {"on_conflict": "best"}, "on_conflict: Input should be 'fail', 'keep_target' or 'take_source'"),
            ("dance", {}, "unknown tool 'hivemind_dance'"),
        ):
            assert (await tell(client, tool, **arguments, fails=True)).startswith(told)
    async with Client(create_server(hive.scope("alone"), can=ALL)) as client:
        assert (
            await tell(client, "promote", fails=True)
            == "scope 'alone' has no parent; only a scope with a parent can be promoted or compared"
        )
    run.destroy()
    async with Client(create_server(run)) as client:
        for tool, arguments in (("list", {}), ("read", {"path": "/f"}), ("remember", {"content": "x"}), ("diff", {})):
            assert (await tell(client, tool, **arguments, fails=True)).startswith("this workspace was deleted")
        with pytest.raises(MCPError, match="this workspace was deleted"):
            await client.list_resources()


async def test_what_fails_unexpectedly_is_not_told(run, monkeypatch, caplog):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("at /home/somebody/store")

    monkeypatch.setattr(Scope, "list_dir", broken)
    monkeypatch.setattr(Scope, "glob", broken)
    async with Client(create_server(run)) as client:
        assert await tell(client, "list", fails=True) == "the server failed; see its log"
        with pytest.raises(MCPError, match=r"^the server failed; see its log$"):
            await client.list_resources()
    assert "at /home/somebody/store" in caplog.text


# -- resources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/plain.md", "/with space#and?marks%41.txt", "/日本語/ü", "/.hidden/f", "/a\nb", '/"quoted"', "/a:b//c"]
)
async def test_files_are_resources(run, path):
    run.write_text(path, "text\r\n")
    async with Client(create_server(run)) as client:
        [resource] = (await client.list_resources()).resources
        assert resource.name == run.stat(path).path
        assert resource.size == 6
        [content] = (await client.read_resource(resource.uri)).contents
        assert content.text == "text\r\n"
        assert content.uri == resource.uri
        [template] = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "hivemind:///{+path}"


async def test_bytes_are_resources_too(run):
    import base64

    run.write_bytes("/image.png", b"\x89PNG\xff\0")
    async with Client(create_server(run)) as client:
        [content] = (await client.read_resource("hivemind:///image.png")).contents
    assert base64.b64decode(content.blob) == b"\x89PNG\xff\0"
    assert content.mime_type == "image/png"


async def test_resources_come_in_pages(run, project):
    for number in range(450):
        (run if number % 2 else project).write_text(f"/f{number:03}", "text")
    async with Client(create_server(run)) as client:
        names, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = await client.list_resources(cursor=cursor)
            names += [resource.name for resource in page.resources]
            cursor, pages = page.next_cursor, pages + 1
        assert (pages, names) == (3, [f"/f{number:03}" for number in range(450)])
        with pytest.raises(MCPError):
            await client.list_resources(cursor="hivemind://other/f")


@pytest.mark.parametrize(
    "uri",
    [
        "hivemind://other/secret",
        "hivemind://other@/secret",
        "hivemind:////other/secret",
        "hivemind:///../other/secret",
        "hivemind:///%2e%2e/%2e%2e/other/secret",
        "hivemind:///..%2fother%2fsecret",
        "hivemind:///secret?workspace=other",
        "hivemind:///secret#other",
        "hivemind:secret",
        "hivemind:///%ff",
        "hivemind:///%00",
        "hivemind:///",
        "hivemind://[other/secret",
        "file:///etc/passwd",
        "http://localhost/secret",
        "/secret",
        "",
    ],
)
async def test_no_uri_leads_out_of_the_workspace(hive, run, uri):
    hive.scope("other").write_text("/secret", "SECRET")
    hive.scope("run/other").write_text("/secret", "SECRET")
    run.write_text("/mine", "text")
    async with Client(create_server(run)) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
    assert "SECRET" not in str(refused.value)
