"""What agent runs leave in a scope beside its files: what they spent, and their open todos."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.internals import owner_and_sessions
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import overlay, record_rows
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.record_rows import RecordRow
from pydantic_hivemind.limits import TODO_SECONDS

_SPENDING, _TODOS = "spending", "todos"
"""Kinds of records."""


@dataclass(frozen=True)
class Spending:
    """What agent runs have spent.

    Attributes:
        usd: Price of the runs whose model has a known price, in US dollars.
        input_tokens: Tokens that models have read.
        output_tokens: Tokens that models have written.
        runs: Number of runs.
    """

    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    runs: int = 0

    def __add__(self, other: Spending) -> Spending:
        """Return the sum."""
        return Spending(
            self.usd + other.usd,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.runs + other.runs,
        )


def add_spending(scope: Scope, spending: Spending) -> Spending:
    """Count spending for a scope and for the trees that it is in, and return that of the scope so far.

    What a session spends counts for the scope that it was spawned from, and stays counted when the session ends.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    owner = row_of(owner_and_sessions(scope)[-1])
    key, now = str(owner.id), time.time()
    total = spending
    with database_of(scope).write(row_of(scope).chain) as tx:
        overlay.check_alive(tx, row_of(scope).chain)
        # In each tree a record for each scope: a record changes only while its scope is written to, so nothing is lost.
        for scope_id in owner.chain:
            so_far = _spending(_get(tx, scope_id, _SPENDING, key)) + spending
            data = json.dumps(asdict(so_far)).encode()
            record_rows.put(tx, scope_id, _SPENDING, RecordRow(key, None, None, now, None, data))
            if scope_id == owner.id:
                total = so_far
    return total


def spending_of(scope: Scope) -> Spending:
    """Return what the runs of a scope and of its sessions have spent.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    owner = row_of(owner_and_sessions(scope)[-1])
    with database_of(scope).snapshot() as tx:
        overlay.check_alive(tx, owner.chain)
        return _spending(_get(tx, owner.id, _SPENDING, str(owner.id)))


def spending_of_tree(scope: Scope) -> Spending:
    """Return what the runs of a scope and of all scopes that read through to it have spent, also of those now gone.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    row = row_of(scope)
    with database_of(scope).snapshot() as tx:
        overlay.check_alive(tx, row.chain)
        found = record_rows.listing(tx, row.id, _SPENDING, None, time.time())
    return sum((_spending(record.data) for record in found), Spending())


def todos_of(scope: Scope, conversation: str) -> bytes | None:
    """Return the todos of a conversation as they were saved, or `None`.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    row = row_of(scope)
    with database_of(scope).snapshot() as tx:
        overlay.check_alive(tx, row.chain)
        return _get(tx, row.id, _TODOS, conversation)


def save_todos(scope: Scope, conversation: str, todos: bytes | None) -> None:
    """Save the todos of a conversation for `TODO_SECONDS`, or remove them.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    row = row_of(scope)
    with database_of(scope).write(row.chain) as tx:
        overlay.check_alive(tx, row.chain)
        now = time.time()
        record_rows.remove_expired(tx, row.id, _TODOS, now)
        if todos is None:
            record_rows.remove(tx, row.id, _TODOS, conversation)
        else:
            record = RecordRow(conversation, None, None, now, now + TODO_SECONDS, todos)
            record_rows.put(tx, row.id, _TODOS, record)


def _get(tx: Transaction, scope_id: int, kind: str, key: str) -> bytes | None:
    found = record_rows.find(tx, scope_id, kind, [key], time.time()).get(key)
    return None if found is None else found.data


def _spending(data: bytes | None) -> Spending:
    return Spending() if data is None else Spending(**json.loads(data))
