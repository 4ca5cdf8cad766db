"""Replacing text in a file."""

from __future__ import annotations

from pydantic_hivemind.errors import EditError
from pydantic_hivemind.hive.reader import decoded, encoded
from pydantic_hivemind.ledger.files import check_size


def replaced(path: str, data: bytes, old: str, new: str, *, everywhere: bool) -> tuple[bytes, int]:
    """A file with some text in place of other text, and how often that was there.

    Raises:
        NotText: The file is none, or the new text has a lone surrogate.
        EditError: `old` is not there, or is there more than once and not to be replaced everywhere.
        FileTooLarge: The file would be, which is known before it is made.
    """
    text = decoded(path, data)
    count = text.count(old) if old else 0
    if count == 0:
        raise EditError(f"the text to replace is not in {path!r}; read the file and copy it exactly", occurrences=0)
    if count > 1 and not everywhere:
        raise EditError(
            f"the text to replace is in {path!r} {count} times; give more of it, or replace all", occurrences=count
        )
    before, after = encoded(old), encoded(new)
    check_size(path, len(data) + count * (len(after) - len(before)))
    return data.replace(before, after), count
