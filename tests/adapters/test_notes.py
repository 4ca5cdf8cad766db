"""Names, line ends and empty arguments of the tools `remember` and `search_memory`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from scripted_model import call, script, scripted_model

from pydantic_hivemind import HivemindToolset, Scope

pytestmark = pytest.mark.anyio

NOTES = "/.deep/memory/main/MEMORY.md"


async def use(toolset: HivemindToolset, *calls: Any) -> list[str]:
    """What the model is told after each call."""
    result = await Agent(scripted_model(), toolsets=[toolset]).run(script(*calls))
    parts = [part for message in result.all_messages() for part in message.parts]
    return [str(part.content) for part in parts if part.part_kind in {"tool-return", "retry-prompt"}]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Größe", "Größe.md"),
        ("u\u0308ber.md", "über.md"),
        ("メモ", "メモ.md"),
        ("हिन्दी", "हिन्दी.md"),
        ("заметки-2.md", "заметки-2.md"),
        ("", "MEMORY.md"),
        ("/.deep/memory/main/postgres.md", "postgres.md"),
        (".deep/memory/main/postgres.md", "postgres.md"),
    ],
)
async def test_a_name_may_have_letters_of_any_script(scope: Scope, file: str, name: str) -> None:
    (told,) = await use(HivemindToolset(scope), call("remember", content="tea", file=file))
    assert told == f"Remembered in {name}."
    assert scope.read_text(f"/.deep/memory/main/{name}") == "- tea\n"


async def test_arguments_that_are_empty_are_left_out(scope: Scope) -> None:
    toolset = HivemindToolset(scope)
    (told,) = await use(toolset, call("remember", content="tea", file=None, tags='["a", "b"]'))
    assert told == "Remembered in MEMORY.md."
    assert scope.stat(NOTES).tags == ("a", "b")
    (told,) = await use(toolset, call("search_memory", query="tea", limit=None, under="", tags=[]))
    assert "- tea" in told
    (told,) = await use(toolset, call("search_memory", query="tea", limit="3", under=None, tags="[]"))
    assert "- tea" in told


async def test_a_note_has_the_line_ends_of_its_file(scope: Scope) -> None:
    scope.write_bytes(NOTES, b"\xef\xbb\xbf- one\r\n- two")
    await use(HivemindToolset(scope), call("remember", content="two"), call("remember", content="three\r\nfour"))
    assert scope.read_bytes(NOTES) == b"\xef\xbb\xbf- one\r\n- two\r\n\r\nthree\r\nfour\r\n"
