"""Adding a note to a file of notes, so that of many that are added at once none is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic_hivemind.errors import InvalidPath, PathNotFound, VersionConflict
from pydantic_hivemind.hive.reader import decoded, encoded
from pydantic_hivemind.hive.scope import Scope

if TYPE_CHECKING:
    from pydantic_hivemind.adapters.pydantic_deep.run_scope import Branch

_FILE = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

_MARKDOWN = re.compile(r"[-*+#>|`]|\d+[.)]\s")
"""How lines begin that are something else than plain text in Markdown."""


def file_name(file: str) -> str:
    """The name of a file of notes, from what a model calls it.

    Raises:
        InvalidPath: It cannot be one.
    """
    name = file.strip()
    name = name if name.endswith(".md") else f"{name}.md"
    if not _FILE.fullmatch(name):
        raise InvalidPath(
            f"{file!r} cannot be the name of a file of notes. Use a short name of letters, digits, dots and dashes, "
            "such as `postgres.md`."
        )
    return name


def add(scope: Scope, path: str, note: str, tags: Sequence[str] = ()) -> bool:
    """Add a note to a file, which is made if need be, and tags to those it has; whether there was anything to add."""
    while True:
        try:
            before = scope.read(path)
        except PathNotFound:
            before = None
        had, version = (before.stat.tags, before.stat.version) if before else ((), 0)
        text = decoded(path, before.data) if before else ""
        longer = extended(text, note)
        if longer == text and set(tags) <= set(had):
            return False
        try:
            scope.write_text(path, longer, tags=sorted({*had, *tags}), expected_version=version)
        except VersionConflict:
            # Somebody else was first: their note stays.
            continue
        return True


async def add_in_branch(branch: Branch, path: str, note: str) -> bool:
    """As `add`, in the files of a branch. One at a time: a branch cannot tell whether a file has changed.

    Raises:
        OSError: The file cannot be read or written.
    """
    try:
        text = decoded(path, await branch.read(path))
    except FileNotFoundError:
        text = ""
    longer = extended(text, note)
    if longer == text:
        return False
    error = getattr(await branch.write(path, encoded(longer)), "error", None)
    if error:
        raise OSError(error)
    return True


def extended(text: str, note: str) -> str:
    """A text with a note at its end, or as it is if it has the note.

    A line becomes an item of a list, more lines a paragraph of their own.
    """
    note = note.strip()
    one_line = "\n" not in note
    if one_line and not _MARKDOWN.match(note):
        note = f"- {note}"
    if f"\n{note}\n" in f"\n{text}\n":
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    gap = "" if one_line or not text or text.endswith("\n\n") else "\n"
    return f"{text}{gap}{note}\n"
