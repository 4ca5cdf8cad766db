"""What runs cost, counted for the scope of each, and budgets for scopes and trees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai.exceptions import UserError
from pydantic_ai.models.function import FunctionModel
from pydantic_ai_shields import BudgetExceededError, CostInfo

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.backends.session_manager import Session
from pydantic_hivemind.adapters.pydantic_deep.run_costs import TreeBudgetExceededError
from pydantic_hivemind.deep import DeepAgentDeps, spending_of, spending_of_tree

from .conftest import MakeAgent, deps_of
from .scripted_model import call, script, scripted_model

pytestmark = pytest.mark.anyio


class PricedModel(FunctionModel):
    """The scripted model under the name of one whose price is known."""

    @property
    def model_id(self) -> str:
        return "openai:gpt-4o"


def priced(**options: Any) -> dict[str, Any]:
    function = scripted_model().function
    assert function is not None
    return {"model": PricedModel(function), "cost_tracking": True, **options}


@pytest.fixture
def bo(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/bo", parent=project)


async def test_the_spending_of_one_user_stops_nobody_else(make_agent: MakeAgent, ada: Scope, bo: Scope):
    costs: list[CostInfo] = []
    agent = make_agent(**priced(cost_budget_usd=0.0001, on_cost_update=costs.append))
    await agent.run(script("hm"), deps=deps_of(ada))
    assert 0.0001 < spending_of(ada).usd == costs[0].total_cost_usd
    with pytest.raises(BudgetExceededError):
        await agent.run(script("hm"), deps=deps_of(ada))
    await agent.run(script("hm"), deps=deps_of(bo))
    assert costs[-1].run_count == 1
    assert spending_of(bo).runs == 1
    assert spending_of(bo).usd == costs[-1].run_cost_usd


async def test_a_run_stops_when_it_has_spent_the_budget(make_agent: MakeAgent, ada: Scope):
    agent = make_agent(**priced(cost_budget_usd=0.0001))
    with pytest.raises(BudgetExceededError):
        await agent.run(script(call("ls", path="/"), call("ls", path="/"), "done"), deps=deps_of(ada))
    assert spending_of(ada).usd > 0.0001


async def test_trees_have_budgets(make_agent: MakeAgent, hive: Hivemind, ada: Scope, bo: Scope, project: Scope):
    agent = make_agent(**priced(tree_budgets_usd={"project/acme": 0.0001}))
    other = hive.scope("user/cy", parent=hive.scope("project/other"))
    await agent.run(script("hm"), deps=deps_of(ada))
    with pytest.raises(TreeBudgetExceededError, match="'project/acme' is spent"):
        await agent.run(script("hm"), deps=deps_of(bo))
    await agent.run(script("hm"), deps=deps_of(other))
    assert spending_of_tree(project) == spending_of(ada)
    assert spending_of(project).runs == 0
    ada.destroy()
    assert spending_of_tree(project).runs == 1


async def test_sessions_spend_what_their_user_has(make_agent: MakeAgent, ada: Scope):
    agent = make_agent(**priced())
    async with Session(ada) as session:
        await agent.run(script("hm"), deps=DeepAgentDeps(backend=session))
    await asyncio.gather(*[agent.run(script("hm"), deps=deps_of(ada)) for _ in range(5)])
    assert spending_of(ada).runs == 6


def test_a_budget_that_nothing_would_count_is_refused(make_agent: MakeAgent):
    with pytest.raises(UserError, match="cost_tracking"):
        make_agent(cost_tracking=False, cost_budget_usd=1.0)
