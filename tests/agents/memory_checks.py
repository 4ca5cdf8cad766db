"""Checks of agents that write to one memory at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib.util import find_spec

from pydantic_ai import Agent

from pydantic_hivemind import Scope
from pydantic_hivemind.deep import DeepAgentDeps

from .conftest import deps_of
from .scripted_model import call, script

NAMED = {"file": "MEMORY.md"} if find_spec("pydantic_deep.features.memory.store") else {}
"""How the file is named where memory has several: pydantic-deep 0.3.48 and later."""

MEMORY = "/.deep/memory/main/MEMORY.md"


async def check_runs_at_once(make: Callable[[], Agent[DeepAgentDeps, str]], scope: Scope) -> None:
    """Runs of several agents at the same time remember what each was told."""
    agents = [make() for _ in range(4)]
    facts = [f"- fact {number}" for number in range(12)]
    runs = [
        agents[number % 4].run(script(call("write_memory", content=fact)), deps=deps_of(scope))
        for number, fact in enumerate(facts)
    ]
    await asyncio.gather(*runs)
    assert set(facts) <= set(scope.read_text(MEMORY).splitlines())
    for journal in scope.glob("**/*.json"):
        assert isinstance(json.loads(scope.read_text(journal.path)), list)
