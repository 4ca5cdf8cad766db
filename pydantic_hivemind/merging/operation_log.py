"""The journal that the memory of pydantic-ai's harness keeps beside its files: which operations were done."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic_hivemind.base.paths import name_of

JOURNAL_NAME = ".memory-operations.json"
"""The name that `FileStore` of pydantic-ai-harness gives it, in each directory of memory."""

MAX_ENTRIES = 1024
"""The latest entries are kept: as many as `FileStore` keeps."""

_Entries = dict[str, dict[str, Any]]


def is_journal(path: str) -> bool:
    """Whether a file is such a journal: a JSON array of objects that each have an `id`."""
    return name_of(path) == JOURNAL_NAME


def merge_journals(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    """The entries of both, without those that one took away and the other left alone.

    Where both changed an entry, theirs is the later one.
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
    """The entries by id; none if the journal is damaged, for then `FileStore` starts a new one too."""
    try:
        entries = cast("list[dict[str, Any]]", json.loads(data or b"[]"))
        return {entry["id"]: entry for entry in entries}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
