"""`RunCosts`: what runs cost, counted in the store for the scope of each run, and budgets for scopes and trees."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import AgentRunResult, RunContext
from pydantic_ai.capabilities import AbstractCapability, WrapRunHandler
from pydantic_ai_shields import BudgetExceededError, CostInfo

from pydantic_hivemind.adapters.pydantic_deep.run_scope import found_scope
from pydantic_hivemind.hive.async_scope import read_few
from pydantic_hivemind.hive.async_seam import complete, perform
from pydantic_hivemind.hive.run_state import Spending, add_spending, spending_of, spending_of_tree
from pydantic_hivemind.hive.scope import Scope

logger = logging.getLogger(__name__)


class TreeBudgetExceededError(BudgetExceededError):
    """Raised when the runs of all scopes under one have spent the budget of their tree.

    It does not tell how much that is: this would tell a user what others do.

    Args:
        scope: Name of the scope whose tree has the budget.
        budget: The budget, in US dollars.
    """

    def __init__(self, scope: str, budget: float) -> None:
        super().__init__(budget, budget)
        self.scope = scope
        self.args = (f"the budget of ${budget:.2f} for the scopes under {scope!r} is spent",)


@dataclass
class RunCosts(AbstractCapability[Any]):
    """Counts what runs cost, for the scope of each run, in place of pydantic-deep's one count for all users.

    A run that fails counts too. Runs outside of scopes, with backends of others, are not counted.

    Args:
        budget_usd: How much the runs of each scope, with its sessions, may spend, in US dollars.
        tree_budgets_usd: Names of scopes, and how much the runs of all scopes under each may spend together.
        on_cost_update: Called after each run with pydantic-deep's `CostInfo`, whose totals are those of the scope.
        model_name: Name of the model whose price counts where the run's own model has none.
    """

    budget_usd: float | None = None
    tree_budgets_usd: Mapping[str, float] = field(default_factory=dict[str, float])
    on_cost_update: Callable[[CostInfo], Any] | None = None
    model_name: str | None = None

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Run, and count what the run used, also if it fails.

        Raises:
            BudgetExceededError: The scope, or a tree that it is in, has spent its budget.
        """
        scope = await found_scope(ctx)
        if scope is None:
            return await handler()
        await self._check(scope, 0.0)
        try:
            return await handler()
        finally:
            await self._count(ctx, scope)

    async def before_model_request(self, ctx: RunContext[Any], request_context: Any) -> Any:
        """Check the budgets, with what this run has used so far.

        Raises:
            BudgetExceededError: The scope, or a tree that it is in, has spent its budget.
        """
        limited = self.budget_usd is not None or self.tree_budgets_usd
        scope = await found_scope(ctx) if limited else None
        if scope is not None:
            await self._check(scope, self._price(ctx) or 0.0)
        return request_context

    async def _check(self, scope: Scope, usd: float) -> None:
        if self.budget_usd is not None:
            spent = (await read_few(scope, lambda: spending_of(scope))).usd + usd
            if spent >= self.budget_usd:
                raise BudgetExceededError(spent, self.budget_usd)
        above: Scope | None = scope
        while above is not None and self.tree_budgets_usd:
            budget = self.tree_budgets_usd.get(above.name)
            tree = above
            if budget is not None and (await perform(lambda: spending_of_tree(tree))).usd + usd >= budget:  # noqa: B023
                raise TreeBudgetExceededError(tree.name, budget)
            above = await perform(lambda: tree.parent)  # noqa: B023

    async def _count(self, ctx: RunContext[Any], scope: Scope) -> None:
        price = self._price(ctx)
        mine = Spending(price or 0.0, ctx.usage.input_tokens or 0, ctx.usage.output_tokens or 0, 1)
        [total] = await complete(lambda: add_spending(scope, mine))
        if self.on_cost_update is None:
            return
        answer = self.on_cost_update(
            CostInfo(
                run_cost_usd=price,
                total_cost_usd=None if price is None else total.usd,
                run_request_tokens=mine.input_tokens,
                run_response_tokens=mine.output_tokens,
                total_request_tokens=total.input_tokens,
                total_response_tokens=total.output_tokens,
                run_count=total.runs,
            )
        )
        if inspect.isawaitable(answer):
            await answer

    def _price(self, ctx: RunContext[Any]) -> float | None:
        name = str(getattr(ctx.model, "model_id", None) or self.model_name or "")
        provider, _, model = name.rpartition(":")
        try:
            from genai_prices import calc_price
            from genai_prices.types import Usage

            usage = Usage(input_tokens=ctx.usage.input_tokens, output_tokens=ctx.usage.output_tokens)
            return float(calc_price(usage=usage, model_ref=model, provider_id=provider or None).total_price)
        except Exception:  # noqa: BLE001 - a model without a price, in whatever way that is reported
            logger.debug("no price for the model %r", name)
            return None
