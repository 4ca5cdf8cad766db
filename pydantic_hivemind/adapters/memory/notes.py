"""Appending notes to files, so that concurrent additions are all kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic_hivemind.errors import InvalidPath, PathNotFound, StoreBusy, VersionConflict
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.utf8 import decoded, encoded
from pydantic_hivemind.limits import MAX_NOTE_NAME_CHARS

if TYPE_CHECKING:
    from pydantic_hivemind.adapters.pydantic_deep.run_scope import Branch

MAX_ATTEMPTS = 100
"""Maximum number of attempts to append a note: each fails only because another write succeeded in between."""

_MARKS = frozenset("._-\u200c\u200d")
"""What a name may have besides letters and digits; two of them join letters of Persian and of scripts of India."""

_MARKDOWN = re.compile(r"[-*+#>|`]|\d+[.)]\s")
"""Beginnings of Markdown lines that are not plain text."""


def file_name(file: str, directory: str) -> str:
    """Return the file name for notes, from the name or the path that a model gave.

    Args:
        file: A name, or the path of a file of notes.
        directory: The directory of the notes.

    Raises:
        InvalidPath: The name is not valid, or the path is of another directory.
    """
    name = unicodedata.normalize("NFC", file.strip())
    for start in (f"{directory}/", f"{directory}/".lstrip("/")):
        name = name.removeprefix(start)
    name = name if name.endswith(".md") else f"{name}.md"
    # Marks are parts of letters.
    is_plain = all(character in _MARKS or unicodedata.category(character)[0] in "LMN" for character in name)
    if not is_plain or name[0] in _MARKS or ".." in name or len(name) > MAX_NOTE_NAME_CHARS:
        raise InvalidPath(
            f"{file!r} is not a valid file name for notes. Use a short name of letters, digits, dots and dashes, "
            "such as `postgres.md`."
        )
    return name


def add(scope: Scope, path: str, note: str, tags: Sequence[str] = ()) -> bool:
    """Append a note to a file, creating it if needed, add tags to the file, and return whether anything was new.

    Raises:
        StoreBusy: Others changed the file at each of many attempts.
    """
    for _ in range(MAX_ATTEMPTS):
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
    raise StoreBusy(f"others changed {path!r} at each of {MAX_ATTEMPTS} attempts; try again")


async def add_in_branch(branch: Branch, path: str, note: str) -> bool:
    """Append a note to a file of a branch, as `add` does. Call it sequentially: a branch has no compare-and-set.

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
    """Return a text with a note appended, with the line ends of the text, or unchanged if it contains the note.

    A single line becomes a list item, several lines a separate paragraph.
    """
    note = note.replace("\r\n", "\n").strip()
    one_line = "\n" not in note
    if one_line and not _MARKDOWN.match(note):
        note = f"- {note}"
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if f"\n{note}\n" in f"\n{plain}\n":
        return text
    end = "\n" if plain and not plain.endswith("\n") else ""
    gap = "" if one_line or not plain or plain.endswith("\n\n") else "\n"
    added = f"{end}{gap}{note}\n"
    last = text.rfind("\n")
    return text + (added.replace("\n", "\r\n") if last > 0 and text[last - 1] == "\r" else added)
