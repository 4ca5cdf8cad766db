"""Changes as patches, readable for people and models, and accepted by `patch -p1`."""

from __future__ import annotations

from difflib import unified_diff

from pydantic_hivemind.base.values import Change

NOTHING = "/dev/null"
"""Name of a missing file in a patch."""


def of_change(change: Change) -> str:
    """Return a change as a patch; what a patch cannot express is in a line before it, which `patch` ignores."""
    return _NOTES[change.outcome].format(printable(change.path)) + _patch(change)


_NOTES = {
    "applied": "",
    "merged": "Merged: both sides changed {}\n",
    "conflict": "Conflict: both sides changed {}; nothing is promoted until that is settled\n",
}


def _patch(change: Change) -> str:
    path = printable(change.path)
    if change.kind == "directory":
        return f"New directory {path}\n"
    before, after = _lines(change.before), _lines(change.after)
    if before is None or after is None:
        return f"Binary files {path} differ\n"
    if before == after:
        return f"Tags of {path}: {printable(', '.join(change.tags)) or 'none'}\n"
    names = (NOTHING if change.before is None else f"a{path}", NOTHING if change.after is None else f"b{path}")
    if not before and not after:
        return f"{'New' if change.before is None else 'Deleted'} empty file {path}\n"
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in unified_diff(before, after, *names)
    )


def printable(text: str) -> str:
    """Return text with control characters escaped: text of agents could move the cursor, or end a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _lines(data: bytes | None) -> list[str] | None:
    """Return the lines of a text with their ends; `None` if it is not text."""
    if data is None:
        return []
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
