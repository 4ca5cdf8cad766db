"""Permissions of a store's files, which other users of the machine should not read, and the signing secret."""

from __future__ import annotations

import os
import secrets
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic_hivemind.base.values import Finding
from pydantic_hivemind.errors import StoreReadOnly, StoreUnsafe

SECRET_FILE = "token-secret"  # noqa: S105 (its name)
"""Name of the file in the store's directory with the signing secret of tokens."""

MIN_SECRET_BYTES = 32
"""Minimum length of the secret, in bytes: the output length of HS256 (RFC 7518, section 3.2)."""


def make_directory(place: Path) -> None:
    """Create a directory for its owner only, unless it exists; parents get default permissions."""
    above = next(parent for parent in place.parents if parent.exists())
    place.mkdir(_rights_in(above), parents=True, exist_ok=True)


def make_file(place: Path, content: bytes = b"") -> None:
    """Create a file for its owner only; an existing one is left unchanged, and of concurrent calls one wins."""
    # It appears whole or not at all, and never with other rights.
    draft = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
    rights = _rights_in(place.parent) & 0o666
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights), "wb") as file:  # noqa: PTH123
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(draft, place)
    finally:
        draft.unlink()


def check_directory(place: Path) -> None:
    """Check that others cannot replace the files of a store in this directory.

    Raises:
        StoreUnsafe: Every user of this machine can write it, and it has no sticky bit.
    """
    if os.name == "nt":
        return  # These bits tell nothing there.
    mode = place.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise StoreUnsafe(
            "every user of this machine can replace the files in the store's directory; run `chmod o-w` on it, or use a"
            " new directory"
        )


def check_is_no_link(file: Path) -> None:
    """Check that a file of the store is not a symbolic link.

    Raises:
        StoreUnsafe: It is one.
    """
    if file.is_symlink():
        raise StoreUnsafe(
            f"the file {file.name} of the store is a symbolic link, which is not followed; put the file itself there"
        )


def _rights_in(directory: Path) -> int:
    """Return the mode of new files in a directory: for the owner, and for a group that shares it."""
    mode = directory.stat().st_mode
    return 0o770 if mode & stat.S_IWGRP and not mode & stat.S_IWOTH else 0o700


def new_secret() -> bytes:
    """Return a new random secret."""
    return secrets.token_hex(MIN_SECRET_BYTES).encode()


def secret_in(directory: Path) -> bytes:
    """Return the signing secret, creating it if needed.

    Raises:
        StoreReadOnly: It cannot be read or created.
        StoreUnsafe: It is a symbolic link.
    """
    place = directory / SECRET_FILE
    check_is_no_link(place)
    try:
        with suppress(FileNotFoundError):
            return place.read_bytes()
        make_file(place, new_secret())
        return place.read_bytes()
    except OSError:
        raise StoreReadOnly(
            "the secret of the tokens cannot be read or created; check the permissions of the store's directory"
        ) from None


def check(directory: Path, ledger: str) -> Iterator[Finding]:
    """Yield problems of the permissions of a store's files, and of its secret."""
    for name, what in ((ledger, "the ledger"), (SECRET_FILE, "the secret of the tokens")):
        if _is_open(directory / name):
            problem = f"every user of this machine can read {what}"
            yield Finding("access", problem, "chmod 700 the directory of the store")
    with suppress(OSError):
        if (directory / SECRET_FILE).stat().st_size < MIN_SECRET_BYTES:
            problem = f"the secret of the tokens has less than {MIN_SECRET_BYTES} bytes, so no token is valid"
            yield Finding("access", problem, f"delete the file {SECRET_FILE}, and create the tokens again")


def _is_open(file: Path) -> bool:
    """Return whether every user can read a file; of files of Windows these bits do not tell."""
    if os.name == "nt":
        return False
    with suppress(OSError):
        return bool(file.stat().st_mode & stat.S_IROTH) and _can_be_reached(file)
    return False


def _can_be_reached(file: Path) -> bool:
    """Return whether every user can traverse the directories above a file."""
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in file.resolve().parents)
