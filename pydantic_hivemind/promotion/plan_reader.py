"""Reads what a promotion rests on and plans it, without holding a lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic_hivemind.base.values import Changes
from pydantic_hivemind.ledger import overlay, promotion_facts
from pydantic_hivemind.ledger.engine.database import Database, Transaction
from pydantic_hivemind.ledger.overlay import Chain
from pydantic_hivemind.ledger.promotion_facts import Facts
from pydantic_hivemind.promotion.contents import Contents, PlanOutdated
from pydantic_hivemind.promotion.plan import Rules, plan
from pydantic_hivemind.promotion.report import changes_of
from pydantic_hivemind.promotion.steps import Plan

ATTEMPTS = 3
"""How often a plan is made anew because what it rests on changes; then once more where nothing can change."""

Result = TypeVar("Result")


def read_plan(database: Database, chain: Chain, level: int, rules: Rules) -> tuple[Facts, Plan]:
    """Return the plan of a promotion and the facts it was made from.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    return _attempt(database, chain, lambda facts, contents: (facts, plan(facts, level, contents, rules)))


def diff(database: Database, chain: Chain, level: int, rules: Rules) -> Changes:
    """Return what promoting all of a scope would change in an ancestor, by path.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """

    def make(facts: Facts, contents: Contents) -> Changes:
        planned = plan(facts, level, contents, rules)
        return Changes(changes_of(planned, contents), planned.left_behind)

    return _attempt(database, chain, make)


def plan_within(tx: Transaction, chain: Chain, level: int, rules: Rules) -> tuple[Facts, Plan]:
    """Return a plan and its facts as they are in a transaction, in which nothing else changes.

    Raises:
        ScopeGone: The scope was destroyed or its ttl has run out.
    """
    facts = promotion_facts.load(tx, chain)
    return facts, plan(facts, level, _contents(tx), rules)


def _attempt(database: Database, chain: Chain, make: Callable[[Facts, Contents], Result]) -> Result:
    def read(versions: Sequence[int]) -> Mapping[int, bytes]:
        with database.read() as tx:
            return overlay.data_of(tx, versions)

    for _ in range(ATTEMPTS):
        with database.snapshot() as tx:
            facts = promotion_facts.load(tx, chain)
        try:
            # Versions never change, so that their bytes can be read after the snapshot, which is not kept open.
            return make(facts, Contents(read))
        except PlanOutdated:
            continue
    with database.snapshot() as tx:
        return make(promotion_facts.load(tx, chain), _contents(tx))


def _contents(tx: Transaction) -> Contents:
    return Contents(lambda versions: overlay.data_of(tx, versions))
