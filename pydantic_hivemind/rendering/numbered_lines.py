"""Some lines of a text with their numbers, no more of it than a model should read at once."""

from __future__ import annotations

from pydantic_hivemind.base.text_content import Readable
from pydantic_hivemind.limits import MAX_READ_CHARS


def numbered(text: Readable, offset: int, limit: int) -> str:
    """Return some lines of a file with their numbers as pydantic-ai-backends has them, and where to read on.

    Args:
        text: The text of the file.
        offset: Number of lines to skip.
        limit: Maximum number of lines.
    """
    lines = text.text.split("\n")
    if offset >= len(lines):
        return f"Error: Offset {offset} exceeds file length ({len(lines)} lines)"
    end = min(offset + limit, len(lines))
    return "\n\n".join(bounded(lines, [f"{number:>6}\t" for number in range(offset + 1, end + 1)], offset, text.note))


def bounded(lines: list[str], marks: list[str], offset: int, note: str | None) -> list[str]:
    """Return some marked lines as one text, followed by what a reader has to know.

    Args:
        lines: All lines of the file.
        marks: What is put before each line that is wanted.
        offset: The first line that is wanted, from 0.
        note: What has to be known of the file.
    """
    shown: list[str] = []
    room = MAX_READ_CHARS
    cut = 0
    for index, mark in enumerate(marks, offset):
        line = mark + lines[index]
        if len(line) >= room:
            if not shown:
                shown.append(line[:room])
                cut = len(line) - room
            break
        shown.append(line)
        room -= len(line) + 1
    told = ["\n".join(shown)]
    if cut > 0:
        told.append(f"... (line {offset + 1} has {cut} more characters, which are not shown; look for some with grep)")
    rest = len(lines) - offset - len(shown)
    if rest:
        next_line = "" if len(shown) == len(marks) else f"; read on with offset={offset + len(shown)}"
        told.append(f"... ({rest} more lines{next_line})")
    return [*told, note] if note else told
