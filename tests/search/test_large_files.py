"""Files that are too large to be searched as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind, HivemindToolset, Mount, Scope
from pydantic_hivemind.limits import MAX_INDEXED_BYTES
from pydantic_hivemind.rendering.hits import annotated, as_text
from pydantic_hivemind.search.text.chunking import parts, split

LINES = [f"Line {number} is about nothing in particular.\n" for number in range(2000)]


def test_a_file_that_grows_stays_in_search(tmp_path: Path) -> None:
    """A log of more than a megabyte was found no more, and nothing said so."""
    with Hivemind.open(tmp_path, mounts=[Mount("/", "files", indexed_bytes=20_000)]) as hive:
        scope = hive.scope("a").spawn()
        scope.write_text("/log", "The walrus came first.\n" + "".join(LINES[:100]))
        hits = scope.search("walrus", limit=3)
        assert "walrus" in hits[0].text
        assert hits.partial == ()
        scope.write_text("/log", "The walrus came first.\n" + "".join(LINES) + "The zebra came last.\n")
        scope.write_text("/small", "A walrus and a zebra.\n")
        assert any(hit.path == "/log" and "walrus" in hit.text for hit in scope.search("walrus"))
        hits = scope.search("zebra", limit=20)
        (last,) = [hit for hit in hits if hit.path == "/log" and "zebra" in hit.text]
        assert last.lines[1] == 2002
        assert hits.partial == hits[:1].partial == ("/log",)
        assert "Only the beginning and the end were searched of /log" in annotated(as_text(hits, "a"), hits)
        for line, text in ((1, "walrus"), (2002, "zebra")):
            (hit,) = [hit for hit in scope.search(text, limit=20) if hit.path == "/log" and text in hit.text]
            assert hit.lines[0] <= line <= hit.lines[1]
        assert scope.search("walrus", under="/small").partial == ()
        assert scope.search(None).partial == ("/log",)
        scope.write_text("/log", "The walrus came alone.\n")
        assert scope.search("walrus").partial == ()
        scope.remove("/log")
        assert scope.search("walrus").partial == ()


def test_no_limit_is_set(scope: Scope) -> None:
    scope.write_text("/log", "The walrus.\n" + "x" * MAX_INDEXED_BYTES + "\nThe zebra.\n")
    for word in ("walrus", "zebra"):
        assert any(f"The {word}." in hit.text for hit in scope.search(word, limit=50))


@pytest.mark.parametrize("most", [2, 3, 10, 100, 1000, 10_000])
def test_the_beginning_and_the_end(most: int) -> None:
    for text in ("".join(LINES), "x" * 20_000, "x\n" * 6000 + "y" * 900):
        found = parts(text, most)
        assert len(found) == 2
        first, last = found
        assert text.startswith(first.text)
        assert text.endswith(last.text)
        assert text[last.start :] == last.text
        assert last.first_line == text.count("\n", 0, last.start) + 1
        assert len(first.text) <= most // 2 + 1
        assert len(last.text) <= most // 2 + 1
        assert last.start >= len(first.text)
    assert [part.text for part in parts("short", 5)] == ["short"]


def test_appending_leaves_most_chunks_as_they_are() -> None:
    text = "".join(LINES)
    before = {chunk.text for part in parts(text, 40_000) for chunk in split(part.text)}
    after = {chunk.text for part in parts(text + "One more line.\n", 40_000) for chunk in split(part.text)}
    assert len(after - before) <= 2


@pytest.mark.anyio
async def test_tools_say_so(tmp_path: Path) -> None:
    with Hivemind.open(tmp_path, mounts=[Mount("/", "files", indexed_bytes=20_000)]) as hive:
        hive.scope("a").write_text("/log", "The walrus.\n" + "".join(LINES))
        toolset = HivemindToolset(hive.scope("a"))
        told = await toolset.search_memory(None, "walrus")  # type: ignore[arg-type]
        assert "Only the beginning and the end were searched of /log" in told
