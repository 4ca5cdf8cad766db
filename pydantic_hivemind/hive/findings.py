"""What is wrong with a store, as far as its ledger and its directory show."""

from __future__ import annotations

from pathlib import Path

from pydantic_hivemind.base import store_permissions
from pydantic_hivemind.base.values import Finding
from pydantic_hivemind.ledger import integrity, message_rows
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE
from pydantic_hivemind.messages import encoding

PATIENCE = 5.0
"""Seconds to wait for the write lock; a write takes a millisecond."""


def findings(database: Database, directory: Path | None) -> list[Finding]:
    """Return the problems of a store, without those of its collections. This reads the whole ledger."""
    with database.snapshot() as tx:
        problems = integrity.problems(tx)
        unreadable = sum(not encoding.is_readable(data) for data in message_rows.every_message(tx))
    remedy = "restore the store from a backup"
    found = [Finding("ledger", problem, remedy) for problem in (*database.damage(), *problems)]
    if unreadable:
        problem = f"{unreadable} stored messages cannot be read with the installed pydantic-ai"
        advice = "upgrade pydantic-ai; until then, load the others with `conversation.load(skip_unreadable=True)`"
        found.append(Finding("messages", problem, advice))
    if not database.can_write_within(PATIENCE):
        problem = f"another process has kept the store from being written for {PATIENCE:.0f} seconds"
        found.append(Finding("locks", problem, "find it and wait for it or end it; nothing is lost by that"))
    if directory is not None:
        found += store_permissions.check(directory, LEDGER_FILE)
    return found
