"""Replacing text in a file."""

from __future__ import annotations

from pydantic_hivemind.errors import EditError
from pydantic_hivemind.hive.utf8 import decoded, encoded
from pydantic_hivemind.ledger.files import check_size


def replaced(path: str, data: bytes, old: str, new: str, *, everywhere: bool) -> tuple[bytes, int]:
    """Replace text in the content of a file, and return the new content and the number of replacements.

    Raises:
        NotText: The file is not UTF-8 text, or the new text contains a lone surrogate.
        EditError: `old` does not occur, or occurs more than once and `everywhere` is false.
        FileTooLarge: The result would exceed `MAX_FILE_BYTES`.
    """
    text = decoded(path, data)
    count = text.count(old) if old else 0
    if count == 0:
        raise EditError(
            f"the text to replace does not occur in {path!r}; read the file and copy the text exactly", occurrences=0
        )
    if count > 1 and not everywhere:
        raise EditError(
            f"the text to replace occurs {count} times in {path!r}; include more context, or replace all",
            occurrences=count,
        )
    before, after = encoded(old), encoded(new)
    check_size(path, len(data) + count * (len(after) - len(before)))
    return data.replace(before, after), count
