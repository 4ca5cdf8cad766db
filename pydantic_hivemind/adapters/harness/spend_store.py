"""`HivemindSpendStore`: what agents spent, in a scope, for `SpendLimits` of the harness."""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

# The types of pydantic-ai-harness are unknown where it is not installed.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from pydantic_hivemind.adapters.harness.run_bound import RunBound
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, ScopeRecords, record_key
from pydantic_hivemind.limits import SPEND_TOKEN_SECONDS

if TYPE_CHECKING:
    from pydantic_ai_harness.spend import SpendEntry, Spent

    from pydantic_hivemind.hive.scope import Scope

_DIGITS = 40
"""Significant digits of sums of money, as in the harness's own stores: the application's context may have fewer."""


class HivemindSpendStore(RunBound):
    """Spending in a scope: `SpendLimits(budgets=[Budget(...)], store=HivemindSpendStore())`.

    Each user has a budget of their own: what one spends stops nobody else. Counters outlive the process, and several
    processes count together. A response counts once, also if it is presented again within `SPEND_TOKEN_SECONDS`.

    Args:
        scope: The scope, for use outside of runs, or of a budget that several users share, such as their project's; by
            default, in each run, that of the run's `deps.backend`.

    Raises:
        ImportError: pydantic-ai-harness is not installed.
    """

    needs = "spend"

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Spent]:
        """Return what each key has accumulated; one that was never written has nothing.

        Raises:
            UserError: There is no scope.
        """
        wanted = list(keys)
        return await self._do(
            lambda scope: _records(scope).read(lambda held: {key: _spent(held, key) for key in wanted})
        )

    async def add_many(self, entries: Sequence[SpendEntry]) -> Mapping[str, Spent]:
        """Add all entries in one transaction, and return each key's new total.

        Raises:
            UserError: There is no scope.
        """
        added = list(entries)
        return await self._do(lambda scope: _records(scope).change(lambda held: _add(held, added)))


def _records(scope: Scope) -> ScopeRecords:
    return ScopeRecords(scope, "spend")


def _add(held: RecordsInTransaction, entries: Sequence[SpendEntry]) -> dict[str, Spent]:
    held.remove_expired()
    totals: dict[str, Spent] = {}
    for entry in entries:
        spent = _spent(held, entry.key)
        mark = None if entry.token is None else record_key("token", entry.key, entry.token)
        if mark is not None and held.get(mark) is not None:
            totals[entry.key] = spent
            continue
        ttl = None if entry.ttl is None else entry.ttl.total_seconds()
        with localcontext() as context:
            context.prec = _DIGITS
            usd = spent.usd + entry.usd
        totals[entry.key] = type(spent)(
            usd=usd,
            tokens=spent.tokens + entry.tokens,
            requests=spent.requests + entry.requests,
            unpriced_requests=spent.unpriced_requests + entry.unpriced,
        )
        held.put(record_key("spent", entry.key), _encoded(totals[entry.key]), ttl=ttl)
        if mark is not None:
            # Not longer than the counter: after it has begun anew, the response would be missing from it.
            held.put(mark, b"", ttl=SPEND_TOKEN_SECONDS if ttl is None else min(SPEND_TOKEN_SECONDS, ttl))
    return totals


def _spent(held: RecordsInTransaction, key: str) -> Spent:
    from pydantic_ai_harness.spend import Spent

    data = held.get(record_key("spent", key))
    if data is None:
        return Spent()
    fields: dict[str, Any] = json.loads(data)
    fields["usd"] = Decimal(fields["usd"])
    return Spent(**fields)


def _encoded(spent: Spent) -> bytes:
    return json.dumps({**vars(spent), "usd": str(spent.usd)}).encode()
