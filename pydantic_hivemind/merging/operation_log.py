"""The operation log that the memory of pydantic-ai-harness keeps beside its files."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic_hivemind.base.paths import name_of

JOURNAL_NAME = ".memory-operations.json"
"""Name of the log file of the harness's `FileStore`, in each memory directory."""

MAX_ENTRIES = 1024
"""Maximum number of entries, the latest ones: as many as `FileStore` keeps."""

_Entries = dict[str, dict[str, Any]]


def is_journal(path: str) -> bool:
    """Return whether a file is such a log: a JSON array of objects that each have an `id`."""
    return name_of(path) == JOURNAL_NAME


def merge_journals(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    """Return the entries of both, without those that one side removed and the other left unchanged.

    If both changed an entry, that of `theirs` is the later one.
    """
    before, here, there = _entries(base), _entries(ours), _entries(theirs)
    merged: list[dict[str, Any]] = []
    for id in here | there:
        mine, yours, old = here.get(id), there.get(id), before.get(id)
        entry = mine if yours == old else yours if mine == old else yours or mine
        if entry is not None:
            merged.append(entry)
    return json.dumps(merged[-MAX_ENTRIES:]).encode()


def _entries(data: bytes | None) -> _Entries:
    """Return the entries by id; none if the log is damaged, because `FileStore` then starts a new one too."""
    try:
        entries = cast("list[dict[str, Any]]", json.loads(data or b"[]"))
        return {entry["id"]: entry for entry in entries}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
