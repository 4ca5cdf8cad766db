"""What callers see of the numbers of versions: names that are compared for equality, and tell nothing else.

The numbers are one sequence for the whole store, so they would tell how much others write. See decision 26.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Expected = str | int
"""A version that a caller expects: its name; 0 for "no file"; or a number, recorded before versions had names."""

VersionName = str | Literal[0]
"""The name of a version; 0 where there is no file."""

KEY_BYTES = 32
"""Length of the key."""

_NUMBER_BYTES = 8


class VersionNames:
    """The names of a store's versions: a keyed hash of the number.

    Args:
        key: A secret of the store.
        numbered: The largest number that was shown to callers, before versions had names.
    """

    __slots__ = ("_hash", "_numbered")

    def __init__(self, key: bytes, numbered: int) -> None:
        self._hash = hashlib.blake2b(key=key, digest_size=6)
        self._numbered = numbered

    @classmethod
    def unpacked(cls, stored: bytes) -> VersionNames:
        """Return the names of a store, as `packed` stored them."""
        return cls(stored[:KEY_BYTES], int.from_bytes(stored[KEY_BYTES:], "big"))

    def name(self, number: int) -> str:
        """Return the name of a version, such as `v5c09a1f2e37b`."""
        hash = self._hash.copy()
        hash.update(number.to_bytes(_NUMBER_BYTES, "big"))
        return f"v{hash.hexdigest()}"

    def shown(self, number: int) -> VersionName:
        """Return the name of a version, and 0 for 0, which is no file."""
        return self.name(number) if number else 0

    def are_same(self, expected: Expected, number: int) -> bool:
        """Return whether a caller means the version of that number; 0 is no file.

        A number means a version only up to the largest that was ever shown: guessing would tell the newer ones.
        """
        if isinstance(expected, str) and not (expected.isascii() and expected.isdecimal()):
            return number != 0 and expected == self.name(number)
        return number <= self._numbered and str(number) == str(expected)


def packed(key: bytes, numbered: int) -> bytes:
    """Return a key and the largest number that callers know as the store keeps them."""
    return key + numbered.to_bytes(_NUMBER_BYTES, "big")


NO_NAMES = VersionNames(bytes(KEY_BYTES), 0)
"""Stands for the names of a store that has none yet."""
