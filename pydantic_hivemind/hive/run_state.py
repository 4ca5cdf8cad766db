"""What agent runs leave in a scope beside its files: what they spent, and their open todos."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pydantic_hivemind.hive.handle import database_of, row_of
from pydantic_hivemind.hive.internals import owner_and_sessions
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, ScopeRecords, record_key
from pydantic_hivemind.ledger import overlay
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
    key = str(owner.id)
    total = spending
    with database_of(scope).write(row_of(scope).chain) as tx:
        overlay.check_alive(tx, row_of(scope).chain)
        # In each tree a record for each scope: a record changes only while its scope is written to, so nothing is lost.
        for scope_id in owner.chain:
            spent = RecordsInTransaction(tx, scope_id, _SPENDING)
            so_far = _spending(spent.get(key)) + spending
            spent.put(key, json.dumps(asdict(so_far)).encode())
            if scope_id == owner.id:
                total = so_far
    return total


def spending_of(scope: Scope) -> Spending:
    """Return what the runs of a scope and of its sessions have spent.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    owner = owner_and_sessions(scope)[-1]
    key = str(row_of(owner).id)
    return _spending(ScopeRecords(owner, _SPENDING).read(lambda spent: spent.get(key)))


def spending_of_tree(scope: Scope) -> Spending:
    """Return what the runs of a scope and of all scopes that read through to it have spent, also of those now gone.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    found = ScopeRecords(scope, _SPENDING).read(lambda spent: spent.items())
    return sum((_spending(data) for _, data in found), Spending())


def todos_of(scope: Scope, conversation: str) -> bytes | None:
    """Return the todos of a conversation as they were saved, or `None`.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """
    return ScopeRecords(scope, _TODOS).read(lambda todos: todos.get(record_key(conversation)))


def save_todos(scope: Scope, conversation: str, todos: bytes | None) -> None:
    """Save the todos of a conversation for `TODO_SECONDS`, or remove them.

    Raises:
        ScopeGone: The scope was destroyed, or its ttl has passed.
    """

    def save(kept: RecordsInTransaction) -> None:
        kept.remove_expired()
        if todos is None:
            kept.remove(record_key(conversation))
        else:
            kept.put(record_key(conversation), todos, ttl=TODO_SECONDS)

    ScopeRecords(scope, _TODOS).change(save)


def _spending(data: bytes | None) -> Spending:
    return Spending() if data is None else Spending(**json.loads(data))
