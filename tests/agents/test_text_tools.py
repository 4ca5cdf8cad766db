"""The agent's own tools that read and edit text, on both lines of pydantic-deep."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai.messages import RetryPromptPart, ToolReturnPart

from pydantic_hivemind import Scope
from pydantic_hivemind.deep import TAKES_BACKEND

from .conftest import MakeAgent, deps_of
from .scripted_model import call, script

pytestmark = pytest.mark.anyio

WINDOWS = b"\xef\xbb\xbf# Title\r\none\r\ntwo\r\nthree\r\n"
CP1252 = "# Caf\xe9\r\nthe word\r\n".encode("cp1252")
MEMORY = "/.deep/memory/main/MEMORY.md"


async def run(make_agent: MakeAgent, scope: Scope, *steps: Any, **options: Any) -> str:
    options = {"edit_format": "str_replace", **options}
    result = await make_agent(**options).run(script(*steps), deps=deps_of(scope))
    parts = [part for message in result.all_messages() for part in message.parts]
    return "\n".join(str(part.content) for part in parts if isinstance(part, ToolReturnPart | RetryPromptPart))


async def test_a_windows_file_is_read_and_edited(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_bytes("/w.md", WINDOWS)
    shown = await run(
        make_agent,
        ada,
        call("read_file", path="/w.md"),
        call("edit_file", path="/w.md", old_string="# Title\none\n", new_string="# Title\n1\n1b\n"),
        call("edit_file", path="/w.md", old_string="three", new_string="3\r\n4"),
        call("grep", pattern="two$", output_mode="content"),
    )
    assert "     1\t# Title\n     2\tone\n     3\ttwo\n     4\tthree" in shown
    assert "/w.md:4: two" in shown
    assert "\r" not in shown
    assert ada.read_bytes("/w.md") == b"\xef\xbb\xbf# Title\r\n1\r\n1b\r\ntwo\r\n3\r\n4\r\n"


async def test_lines_are_inserted_by_hash(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_bytes("/w.md", WINDOWS)
    line = {"path": "/w.md", "start_line": 2, "start_hash": r"<<(?s)2:(\w\w)\|one>>"}
    shown = await run(
        make_agent,
        ada,
        call("read_file", path="/w.md", limit=3),
        call("hashline_edit", **line, new_content="a\nb", insert_after=True),
        call("hashline_edit", **line, new_content="1"),
        edit_format="hashline",
    )
    assert "... (1 more lines)" in shown
    assert "Inserted 2 line(s) after line 2" in shown
    assert ada.read_bytes("/w.md") == b"\xef\xbb\xbf# Title\r\n1\r\na\r\nb\r\ntwo\r\nthree\r\n"


async def test_what_is_not_utf8_is_read_and_not_edited(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_bytes("/cp1252.md", CP1252)
    ada.write_bytes("/utf16.md", "\ufeff# Caf\xe9\r\n".encode("utf-16-le"))
    ada.write_bytes("/binary.md", b"\0\xff")
    shown = await run(
        make_agent,
        ada,
        *(call("read_file", path=path) for path in ("/cp1252.md", "/utf16.md", "/binary.md")),
        call("edit_file", path="/cp1252.md", old_string="word", new_string="x"),
        call("edit_file", path="/utf16.md", old_string="#", new_string="x"),
        call("edit_file", path="/binary.md", old_string="x", new_string="x"),
    )
    assert "     1\t# Caf\ufffd\n     2\tthe word" in shown
    assert "(The file is not UTF-8: what could not be decoded is shown as \ufffd." in shown
    assert "     1\t# Caf\xe9" in shown
    assert "(The file is UTF-16." in shown
    assert "binary; read it" in shown
    assert "'/cp1252.md' is not UTF-8 text; it cannot be edited" in shown
    assert "'/utf16.md' is UTF-16 and not UTF-8 text; it cannot be edited" in shown
    assert "'/binary.md' is binary; it cannot be edited" in shown
    assert ada.read_bytes("/cp1252.md") == CP1252


async def test_memory_that_is_not_utf8_ends_no_run(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_bytes(MEMORY, CP1252)
    read = call("read_memory") if TAKES_BACKEND else call("read_memory", file="MEMORY.md")
    shown = await run(make_agent, ada, read, call("write_memory", content="- more"))
    assert "the word" in shown
    assert "not UTF-8 text" in shown
    assert ada.read_bytes(MEMORY) == CP1252


async def test_memory_keeps_its_line_ends(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_bytes(MEMORY, b"- one\r\n- two\r\n")
    await run(make_agent, ada, call("write_memory", content="- three"))
    data = ada.read_bytes(MEMORY)
    assert b"- three" in data
    assert data.count(b"\r\n") == data.count(b"\n")


async def test_memory_under_a_file_ends_no_run(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/.deep/memory/main", "in the way")
    shown = await run(
        make_agent,
        ada,
        call("write_memory", content="- more"),
        call("read_file", path="/.deep/memory/main/x"),
        call("write_file", path="/.deep/memory/main/x", content="x"),
        call("edit_file", path="/.deep/memory/main/x", old_string="x", new_string="y"),
    )
    assert "'/.deep/memory/main' is a file" in shown
    assert ada.read_text("/.deep/memory/main") == "in the way"


async def test_an_empty_file_is_filled_by_an_edit(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/new.md", "")
    shown = await run(make_agent, ada, call("edit_file", path="/new.md", old_string="", new_string="text\n"))
    assert "Edited /new.md: replaced 1 occurrence(s)" in shown
    assert ada.read_text("/new.md") == "text\n"


async def test_a_long_file_is_read_in_parts(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/long.txt", "".join(f"{n} {'x' * 1000}\n" for n in range(1000)))
    shown = await run(
        make_agent,
        ada,
        call("read_file", path="/long.txt"),
        call("read_file", path="<<saved to: (\\S+)>>", limit=1),
    )
    assert len(shown) < 400_000


async def test_what_has_changed_since_it_was_read_is_not_edited(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/f.md", "one\n")

    def change() -> str:
        """Change the file."""
        ada.write_text("/f.md", "one more\n")
        return "changed"

    edit = call("edit_file", path="/f.md", old_string="one", new_string="1")
    shown = await run(make_agent, ada, call("read_file", path="/f.md"), call("change"), edit, tools=[change])
    assert "changed since you last read it" in shown
    assert ada.read_text("/f.md") == "one more\n"
    shown = await run(
        make_agent,
        ada,
        call("write_file", path="/f.md", content="one\n"),
        call("edit_file", path="/f.md", old_string="one", new_string="1"),
        call("edit_file", path="/f.md", old_string="1", new_string="2"),
    )
    assert ada.read_text("/f.md") == "2\n"


async def test_edits_at_once_all_land(make_agent: MakeAgent, ada: Scope) -> None:
    ada.write_text("/f.md", "a b c d e f\n")
    calls = [call("edit_file", path="/f.md", old_string=letter, new_string=letter.upper()) for letter in "abcdef"]
    agents = [make_agent(edit_format="str_replace") for _ in calls]
    runs = [agent.run(script(one), deps=deps_of(ada)) for agent, one in zip(agents, calls, strict=True)]
    await asyncio.gather(*runs)
    assert ada.read_text("/f.md") == "A B C D E F\n"
    calls = [call("edit_file", path="/f.md", old_string=letter, new_string=letter * 2) for letter in "ABCDEF"]
    await run(make_agent, ada, calls)
    assert ada.read_text("/f.md") == "AA BB CC DD EE FF\n"
