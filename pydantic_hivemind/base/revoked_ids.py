"""The ids of revoked tokens in a file beside the ledger, which a ledger put back from a backup does not change."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic_hivemind.base.store_permissions import check_is_no_link, make_file
from pydantic_hivemind.errors import StoreFull, StoreReadOnly

REVOKED_FILE = "revoked-tokens"


class RevokedIds:
    """The ids of revoked tokens, one a line of a file that only grows. It is read again when its size has changed.

    Args:
        directory: Directory of the store.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / REVOKED_FILE
        self._known: tuple[int, frozenset[str]] = (0, frozenset())

    def __contains__(self, id: str) -> bool:
        check_is_no_link(self._file)
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return False
        if size != self._known[0]:
            text = self._file.read_text("ascii", "replace")
            self._known = (len(text), frozenset(text.split()))
        return id in self._known[1]

    def add(self, ids: Iterable[str]) -> None:
        """Add ids, and return once they are on disk.

        Raises:
            StoreFull: There is no room for them.
            StoreReadOnly: The file cannot be written.
            StoreUnsafe: The file is a symbolic link.
        """
        check_is_no_link(self._file)
        lines = "".join(f"{id}\n" for id in ids).encode("ascii")
        try:
            if not self._file.exists():
                make_file(self._file)
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(file, lines)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFull("there is no room to record that the token was revoked; nothing was revoked") from None
            raise StoreReadOnly(
                f"the file {REVOKED_FILE} of the store cannot be written, so nothing was revoked; check its permissions"
            ) from None
