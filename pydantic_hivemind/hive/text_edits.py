"""Replacing text in a file, which keeps its line ends."""

from __future__ import annotations

from pydantic_hivemind.base.line_ends import find_all, fitted, unified
from pydantic_hivemind.errors import EditError
from pydantic_hivemind.hive.utf8 import check_editable, encoded
from pydantic_hivemind.ledger.files import check_size


def replaced(path: str, data: bytes, old: str, new: str, *, everywhere: bool) -> tuple[bytes, int]:
    """Replace text in the content of a file, and return the new content and the number of replacements.

    Text that does not occur as it is, is looked for with the file's line ends. What takes its place gets those line
    ends, unless the edit changes nothing else than line ends. An empty text occurs once in an empty file.

    Raises:
        NotText: The file is not UTF-8 text, or the new text contains a lone surrogate.
        EditError: `old` does not occur, or occurs more than once and `everywhere` is false.
        FileTooLarge: The result would exceed `MAX_FILE_BYTES`.
    """
    check_editable(path, data)
    before, after = _sought(old), encoded(new)
    places = [(0, 0)] if not before and not data else find_all(data, before) if before else []
    if not places:
        raise EditError(
            f"the text to replace does not occur in {path!r}; read the file and copy the text exactly", occurrences=0
        )
    if len(places) > 1 and not everywhere:
        raise EditError(
            f"the text to replace occurs {len(places)} times in {path!r}; include more context, or replace all",
            occurrences=len(places),
        )
    is_about_line_ends = before != after and unified(before) == unified(after)
    check_size(path, len(data) + sum(len(after) - (end - start) for start, end in places))
    parts: list[bytes] = []
    at = 0
    for start, end in places:
        parts += [data[at:start], after if is_about_line_ends else fitted(after, data, (start, end))]
        at = end
    changed = b"".join([*parts, data[at:]])
    check_size(path, len(changed))
    return changed, len(places)


def _sought(text: str) -> bytes:
    """Return a text as it would be in a file; what UTF-8 cannot encode is in none."""
    return text.encode(errors="surrogatepass")
