"""MCP: files and results of any length come in pieces that a model can read, and nothing is left out."""

import json
import re

import pytest
from mcp import Client

from pydantic_hivemind.limits import MAX_TOOL_RESULT_BYTES
from pydantic_hivemind.mcp import create_server

pytestmark = pytest.mark.anyio

ALL = ("read", "write", "promote")


async def tell(client: Client, tool: str, *, fails: bool = False, **arguments: object) -> str:
    """What a tool says."""
    result = await client.call_tool(f"hivemind_{tool}", arguments)
    assert result.is_error == fails, result.content
    [content] = result.content
    return content.text


@pytest.fixture
def run(hive):
    return hive.scope("project").spawn("run")


async def test_parts_of_a_file_are_read_on(run):
    run.write_text("/f", "".join(f"line {number}\n" for number in range(1, 101)))
    async with Client(create_server(run)) as client:
        told = (await tell(client, "read", path="/f", offset=41, limit=2)).splitlines()
        assert told[1:] == ["    41\tline 41", "    42\tline 42", "(There is more: read on with offset=43.)"]
        told = (await tell(client, "read", path="/f", offset=100)).splitlines()
        assert told[1:] == ["   100\tline 100"]
        told = await tell(client, "read", path="/f", offset=101, fails=True)
        assert told == "'/f' has 100 lines, so line 101 does not exist"
        run.write_text("/empty", "")
        assert (await tell(client, "read", path="/empty")).endswith(", 0 lines")


async def read_on(client, path):
    """All lines of a file as a model gets them that does what it is told, and how often it had to."""
    lines, pages, more = {}, 0, "offset=1, column=1"
    while more:
        place = {name: int(number) for name, number in re.findall(r"(offset|column)=(\d+)", more)}
        page = await tell(client, "read", path=path, **place)
        assert len(page.encode()) < MAX_TOOL_RESULT_BYTES + 200
        _, *told = page.split("\n")
        more = told.pop() if told[-1].startswith("(") else ""
        pages += 1
        for number, _, text in (line.partition("\t") for line in told):
            lines[int(number)] = lines.get(int(number), "") + text
    return "".join(f"{lines[number]}\n" for number in sorted(lines)), pages


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{number}" * 50 for number in range(3000)) + "\n",
        "one\n" + json.dumps(list(range(100_000))) + "\n" + "three " * 9000 + "\nfour\n",
        "\u6f22\u5b57" * 50_000 + "\n" + "\U0001f41d" * 20_000 + "\n",
    ],
    ids=["many lines", "long lines", "other scripts"],
)
async def test_what_does_not_fit_is_read_on(run, text):
    """Nothing is left out, and no page is longer than what a model should read."""
    run.write_text("/f", text)
    async with Client(create_server(run)) as client:
        read, pages = await read_on(client, "/f")
    assert read == text
    assert pages <= len(text.encode()) / MAX_TOOL_RESULT_BYTES * 1.3 + 1


async def test_a_place_in_a_line(run):
    run.write_text("/f", "0123456789\nabc\n")
    async with Client(create_server(run)) as client:
        assert (await tell(client, "read", path="/f", column=9)).splitlines()[1:] == ["     1\t89", "     2\tabc"]
        assert (await tell(client, "read", path="/f", offset=2, column=3)).splitlines()[1:] == ["     2\tc"]
        told = await tell(client, "read", path="/f", offset=2, column=4, fails=True)
        assert told == "line 2 of '/f' has 3 characters, so character 4 does not exist"


async def test_no_more_is_told_than_a_model_should_read(run):
    many, most = 300, MAX_TOOL_RESULT_BYTES + 200
    for number in range(many):
        run.write_text(f"/files/{number:03}-{'n' * 150}", "text")
    async with Client(create_server(run, can=ALL)) as client:
        for told in (await tell(client, "list", path="/files"), await tell(client, "diff")):
            assert MAX_TOOL_RESULT_BYTES * 0.9 < len(told) < most
        told = (await tell(client, "list", path="/files")).splitlines()
        assert told[-1] == f"({many - len(told) + 1} more; list a directory, or give a narrower glob.)"
        told = await tell(client, "promote")
        assert MAX_TOOL_RESULT_BYTES * 0.9 < len(told) < most
        assert told.endswith("more; promote some paths only.)")
        long = "x" * MAX_TOOL_RESULT_BYTES
        for refused in (
            await client.call_tool("hivemind_remember", {"content": "x", "file": long}),
            await client.call_tool("hivemind_list", {long: "x"}),
            await client.call_tool(long, {}),
        ):
            assert refused.is_error
            assert len(refused.content[0].text) < 3000


async def test_a_change_that_does_not_fit_is_named(run):
    run.write_text("/large", "\u6f22\n" * 20_000)
    async with Client(create_server(run, can=ALL)) as client:
        assert await tell(client, "diff") == "(added: /large; its patch does not fit here, read the file)"
        await tell(client, "promote")
        await tell(client, "delete", path="/large")
        assert await tell(client, "diff") == "(deleted: /large; its patch does not fit here)"
