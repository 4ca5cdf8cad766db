"""Splitting of a text into chunks that follow its structure.

The chunks of a text join back to exactly the text. The beginning of a chunk depends only on the lines around it, and on
the fence of a code block that it is in, so that an edit changes only the chunks it touches, and an append only the
last one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from pydantic_hivemind.limits import MAX_CHUNK_CHARS

TITLE_CHARACTERS = 60
"""A shorter paragraph that does not end a sentence is a title of what follows; and a line that ends its sentence before
this column was ended by its author, not by wrapping at 72 to 100 columns."""

_CUT_ONE_IN = 4
"""Once a chunk is half full, it is split after one in so many lines, chosen by its content: an insertion then moves the
splits only up to the next such line, whereas splits by size alone would all move."""

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+\S")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_ROW = re.compile(r"\s*\|")
_FENCE = re.compile(r"\s*(?:[-*+][ \t]+)?(`{3,}|~{3,})")
_RECORD = re.compile(
    r"""(?: \[[^\]\n]{0,60}\d[^\]\n]{0,60}\][ \t]                   # [12:30:01], as in chats and logs
        | \d{4}[-/]\d\d[-/]\d\d | \d\d:\d\d:\d\d                   # a date, a time of day
        | \{"                                                      # JSON
        | (?:\*\*)? (?![a-z_])\w[\w.'\u2019-]{0,30} (?:[ ][\w.'\u2019()-]{1,30}){0,3}  # Speaker: what was said
          (?:\*\*)? (?: :(?:\*\*)?[ \t]+ | \uff1a )\S )""",
    re.VERBOSE,
)
_SENTENCE = re.compile(r"""[^\n]*?[.!?\u3002\uff01\uff1f]["')\]\u201d\u2019]*\s+ | [^\n]*\n | [^\n]+""", re.VERBOSE)
_WORD = re.compile(r"\s*\S{1,200}\s*|\s+")
_ENDS_SENTENCE = re.compile(r"""[.!?\u3002\uff01\uff1f]["')\]\u201d\u2019*_`]*$""")


@dataclass(frozen=True)
class Chunk:
    """A contiguous span of a text; lines count from 1, and `last_line` is the last line that it contains a part of."""

    text: str
    first_line: int
    last_line: int


def split(text: str) -> list[Chunk]:
    """Return the chunks of a text, in order, none empty; blank lines belong to the chunk before them."""
    chunks: list[Chunk] = []
    line = 1
    for block in _lead(_blocks(text)):
        for piece in _pack(block, _CUTS):
            ends = piece.count("\n")
            chunks.append(Chunk(piece, line, line + ends - piece.endswith("\n")))
            line += ends
    return chunks


@dataclass(frozen=True)
class Part:
    """A span of a text that is searched.

    Attributes:
        start: Its first character.
        first_line: The line that it begins with.
        text: The span.
    """

    start: int
    first_line: int
    text: str


def parts(text: str, most: int) -> list[Part]:
    """Return what is searched of a text: all of it, or the beginning and the end of one that is longer than `most`.

    Where the end begins moves in steps, so that appending a line leaves most chunks as they are.
    """
    if len(text) <= most:
        return [Part(0, 1, text)]
    half = most // 2
    step = half // 4 + 1
    begin = -(-(len(text) - half) // step) * step
    line_end = text.find("\n", begin, begin + step)
    begin = begin if line_end == -1 else line_end + 1
    stop = text.rfind("\n", half - step, half) + 1 or half
    return [Part(0, 1, text[:stop]), Part(begin, 1 + text.count("\n", 0, begin), text[begin:])]


def headings(chunks: Sequence[Chunk]) -> list[str]:
    """Return, for each chunk of a Markdown text, the headings above its end, outermost first, one a line."""
    above: list[tuple[int, str]] = []
    found: list[str] = []
    for chunk in chunks:
        fence = ""
        for line in chunk.text.split("\n"):
            fence = _fence_after(line, fence)
            heading = None if fence else _HEADING.match(line)
            if heading:
                level = len(heading[1])
                above = [*(pair for pair in above if pair[0] < level), (level, line.strip(" \t\r#"))]
        found.append("\n".join(title for _, title in above))
    return found


# -- blocks ------------------------------------------------------------------------------------


def _blocks(text: str) -> Iterator[str]:
    """Yield runs of lines that belong together, each with the blank lines after it."""
    block: list[str] = []
    before = ""  # the last line that is not blank
    gap = False  # whether blank lines followed it
    fence = ""  # what opened the code block that the line is in
    for line in _lines(text):
        blank = not line.strip()
        inside = fence
        fence = _fence_after(line, fence)
        if before and not blank and not inside and _begins(line, before, gap=gap):
            yield "".join(block)
            block = []
        block.append(line)
        if not blank:
            # What follows a code block begins anew, as after a gap.
            before, gap = line, bool(inside) and not fence
        else:
            gap = True
    if block:
        yield "".join(block)


def _lines(text: str) -> list[str]:
    """Return the lines with their ends: only a line feed ends a line, as everywhere in this package."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after a line."""
    mark = _FENCE.match(line)
    if mark is None:
        return fence
    if not fence:
        return "" if mark[1][0] == "`" and "`" in line[mark.end() :] else mark[1]
    closes = mark[1].startswith(fence) and not line[mark.end() :].strip()
    return "" if closes else fence


def _begins(line: str, before: str, *, gap: bool) -> bool:
    """Return whether a line begins a block; `before` is the line before it, or before the gap."""
    if any(kind.match(line) for kind in (_HEADING, _ITEM, _RECORD, _FENCE)):
        return True
    if not any(map(str.isalnum, line)):
        return False  # rules, brackets and underlines close what stands above them
    row = _ROW.match(line)
    if row or _ROW.match(before):
        return gap or not (row and _ROW.match(before))
    if line[0] in " \t":
        return False  # what is indented belongs to what it is indented under, blank lines or not
    return gap or bool(_HEADING.match(before)) or _ended_early(before, line)


def _ended_early(before: str, line: str) -> bool:
    """Return whether a sentence ended its line although the next word would have fitted."""
    before = before.rstrip()
    return len(before) < TITLE_CHARACTERS and line[0].isupper() and bool(_ENDS_SENTENCE.search(before))


# -- chunks ------------------------------------------------------------------------------------


def _lead(blocks: Iterator[str]) -> Iterator[str]:
    """Join blocks that only introduce the next one, such as titles, with it."""
    lead = ""
    for block in blocks:
        lead += block
        if not _introduces(block):
            yield lead
            lead = ""
    if lead:
        yield lead


def _introduces(block: str) -> bool:
    text = block.rstrip()
    last = text[text.rfind("\n") + 1 :]
    if _HEADING.match(last):
        return True
    if len(text) > MAX_CHUNK_CHARS or _RECORD.match(text) or not any(map(str.isalnum, last)):
        return False
    if text.endswith(":"):
        return True
    return len(text) < TITLE_CHARACTERS and not (_ITEM.match(text) or _ROW.match(text) or _ENDS_SENTENCE.search(text))


def _pack(text: str, cuts: Sequence[Callable[[str], list[str]]]) -> Iterator[str]:
    """Return chunks of whole parts, by the first kind of split; the next kind splits a part that is too long itself.

    Nothing depends on later text, because otherwise an append could move earlier splits.
    """
    chunk = ""
    for part in cuts[0](text):
        if chunk and len(chunk) + len(part) > MAX_CHUNK_CHARS:
            yield chunk
            chunk = ""
        if len(part) > MAX_CHUNK_CHARS:
            yield from _pack(part, cuts[1:])
            continue
        chunk += part
        if len(chunk) >= MAX_CHUNK_CHARS // 2 and crc32(part.encode("utf-8", "replace")) % _CUT_ONE_IN == 0:
            yield chunk
            chunk = ""
    if chunk:
        yield chunk


def _slices(text: str) -> list[str]:
    return [text[start : start + MAX_CHUNK_CHARS] for start in range(0, len(text), MAX_CHUNK_CHARS)]


_CUTS = (_lines, _SENTENCE.findall, _WORD.findall, _slices)
