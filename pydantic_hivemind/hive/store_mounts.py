"""The mounts of a store, which it records: whoever opens it without naming any has those it was last opened with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from pydantic_hivemind.base.mounts import DEFAULT_MOUNTS, Mount, MountTable
from pydantic_hivemind.errors import StoreReadOnly
from pydantic_hivemind.ledger import store_settings
from pydantic_hivemind.ledger.engine.database import Database

_FIELDS = {field.name for field in fields(Mount)}


def checked(mounts: Sequence[Mount] | None) -> MountTable | None:
    """Return the mounts that somebody declares, if they do, before anything is opened.

    Raises:
        InvalidPath: The prefix of a mount is not a valid path.
    """
    return None if mounts is None else MountTable((*DEFAULT_MOUNTS, *mounts))


def of_store(database: Database, declared: MountTable | None) -> MountTable:
    """Return the mounts that a store is opened with: those declared, which are recorded, or else those recorded."""
    with database.read() as tx:
        found = store_settings.find(tx, store_settings.MOUNTS) or "[]"
    if declared is None:
        return MountTable((*DEFAULT_MOUNTS, *map(_mount, json.loads(found))))
    # The others are the defaults of whichever version opens it.
    wanted = json.dumps([asdict(mount) for mount in declared if mount not in DEFAULT_MOUNTS])
    if wanted != found:
        with suppress(StoreReadOnly), database.write() as tx:  # It can be read as well.
            store_settings.store(tx, store_settings.MOUNTS, wanted)
    return declared


def _mount(stored: dict[str, Any]) -> Mount:
    """Return a recorded mount, without what a later version of the package knows of it."""
    return Mount(**{name: value for name, value in stored.items() if name in _FIELDS})
