"""The bytes of file versions, fetched a batch at a time while a promotion is planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic_hivemind.ledger.promotion_facts import FileVersion

Read = Callable[[Sequence[int]], Mapping[int, bytes]]
"""Fetches the bytes of some versions; those that are gone are left out."""


class PlanOutdated(Exception):
    """What a plan rests on has changed since it was read."""


class Contents:
    """Fetches what is needed, and holds it until it is told to forget."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._kept: dict[int, bytes] = {}

    def fetch(self, versions: Iterable[int]) -> None:
        """Fetch several versions at once.

        Raises:
            PlanOutdated: One of them was pruned meanwhile.
        """
        missing = sorted({version for version in versions if version > 0} - self._kept.keys())
        if missing:
            self._kept.update(self._read(missing))
            if any(version not in self._kept for version in missing):
                raise PlanOutdated

    def of(self, version: int) -> bytes:
        """Return the bytes of a version.

        Raises:
            PlanOutdated: It was pruned meanwhile.
        """
        self.fetch((version,))
        return self._kept[version]

    def same(self, one: FileVersion, other: FileVersion) -> bool:
        """Return whether two versions have the same bytes.

        Raises:
            PlanOutdated: One of them was pruned meanwhile.
        """
        if one.version == other.version:
            return True
        if one.size != other.size:
            return False
        self.fetch((one.version, other.version))
        return self._kept[one.version] == self._kept[other.version]

    def forget(self) -> None:
        """Let go of everything, so that memory holds one batch at a time."""
        self._kept.clear()
