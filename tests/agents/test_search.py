"""What agents find and remember through their tools, on both lines of pydantic-deep."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pydantic_hivemind import Hivemind, HivemindSearch, Scope, Session
from pydantic_hivemind.deep import DeepAgentDeps

from .conftest import MakeAgent, deps_of
from .scripted import EVERYTHING, call, script

pytestmark = pytest.mark.anyio

MEMORY = "/.deep/memory/main/MEMORY.md"


@pytest.fixture
def bo(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/bo", parent=project)


def searching(query: str, **arguments: Any) -> str:
    return script(call("search_memory", query=query, **arguments), EVERYTHING)


async def test_the_second_user_finds_by_meaning_what_the_first_one_promoted(
    make_agent: MakeAgent, project: Scope, ada: Scope, bo: Scope
) -> None:
    agent = make_agent(capabilities=[HivemindSearch()])
    async with Session(ada) as session:
        learn = script(
            call("remember", content="The staging database is restored from the backup every Sunday night"),
            call("remember", content="Ada drinks tea", file="people"),
            call("remember", content="The service restarts in two steps", file="service"),
        )
        await agent.run(learn, deps=DeepAgentDeps(backend=session))
        session.promote()
    ada.promote(paths=["/.deep/memory/main/service.md", MEMORY])

    found = await agent.run(searching("When is the test data replaced?"), deps=deps_of(bo))
    assert f"{MEMORY}:1 (from project/acme)\n- The staging database is restored from the backup" in found.output
    again = await agent.run(searching("how to reboot", limit=1), deps=deps_of(bo))
    assert "service.md:1 (from project/acme)\n- The service restarts in two steps" in again.output
    assert "Ada drinks tea" not in (await agent.run(searching("beverages"), deps=deps_of(bo))).output
    assert not bo.diff()
