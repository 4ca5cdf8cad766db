"""The page of the documentation about options and users, made from the tables.

`python -m pydantic_hivemind.adapters.pydantic_deep.isolation_page > docs/reference/isolation.md`
"""

from __future__ import annotations

import sys
from typing import get_args

from pydantic_hivemind.adapters.pydantic_deep.capability_isolation import CALLS_YOURS, KEEPS_NOTHING, REFUSED
from pydantic_hivemind.adapters.pydantic_deep.option_isolation import OPTIONS, Isolation

_HEAD = """# One agent, many users

<!-- Made by `python -m pydantic_hivemind.adapters.pydantic_deep.isolation_page`; do not edit. -->

With `create_deep_agent` of `pydantic_hivemind.deep`, one agent serves all users: what one of them does is not read,
searched, listed or shown to another, and stops nobody else. Every option of pydantic-deep's `create_deep_agent` is in
this table. The tests run each of them but `model`, `web_search` and `web_fetch`, which need a network, with two users
at once, and fail when a release of pydantic-deep has an option that is not here.

- **per user**: pydantic-deep keeps users apart.
- **made per user**: pydantic-deep shares it among users; `pydantic_hivemind.deep` does not.
- **refused**: `create_deep_agent` raises `UserError`, and says what to use instead.
- **no user data**: the same for all users.
- **as you pass it**: your object or function serves all users.

## Options
"""

_BUDGETS = """
## Budgets

`cost_budget_usd` is the budget of each scope that runs work in, with its sessions: the run that would begin above it
raises `BudgetExceededError`, and so does the next model request of a run that passes it. `tree_budgets_usd` sets
budgets that the users under a scope share, on purpose:

```python
from pydantic_hivemind.deep import create_deep_agent
from pydantic_hivemind.testing import scripted_model

agent = create_deep_agent(
    scripted_model(), web_search=False, cost_budget_usd=5.0, tree_budgets_usd={"project/acme": 100.0}
)
```

Spending is counted in the store, over processes and restarts, and also of runs that fail. `spending_of(scope)` and
`spending_of_tree(scope)` return it as `Spending`. `TreeBudgetExceededError`, a `BudgetExceededError`, names the scope
whose tree has spent its budget, and does not say how much others spent.

## Toolsets that keep state

`PerScope` makes a toolset for each scope, so that what it keeps is one user's:

```python
from pydantic_ai.toolsets import FunctionToolset

from pydantic_hivemind.deep import PerScope


def notepad() -> FunctionToolset:
    toolset, lines = FunctionToolset(), []

    @toolset.tool_plain
    def jot(line: str) -> str:
        # Keeps a line until the process ends.
        lines.append(line)
        return ", ".join(lines)

    return toolset


agent = create_deep_agent(scripted_model(), web_search=False, toolsets=[PerScope(notepad)])
```
"""


def page() -> str:
    """Return the page, in Markdown."""
    lines = [_HEAD]
    for isolation in sorted(get_args(Isolation), key=["made per user", "refused"].__contains__, reverse=True):
        lines += [f"### {isolation[0].upper()}{isolation[1:]}", "", "| option | why |", "|---|---|"]
        reasons: dict[str, list[str]] = {}
        for name, option in OPTIONS.items():
            if option.isolation == isolation:
                reasons.setdefault(option.why, []).append(f"`{name}`")
        lines += [f"| {', '.join(names)} | {why} |" for why, names in reasons.items()]
        lines.append("")
    lines += [
        "## Capabilities",
        "",
        "What is passed in `capabilities=` and `middleware=` is classified by its class. Subclasses and classes that "
        "are not here cause a warning when the agent is made.",
        "",
        "| capability | |",
        "|---|---|",
        *(f"| `{name}` | refused: {why} |" for name, why in sorted(REFUSED.items())),
        f"| {_names(CALLS_YOURS)} | calls functions of yours, which serve all users |",
        f"| {_names(KEEPS_NOTHING)} | keeps nothing between runs |",
    ]
    return "\n".join(lines) + "\n" + _BUDGETS


def _names(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


if __name__ == "__main__":
    sys.stdout.write(page())
