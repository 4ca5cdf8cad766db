"""`HivemindHistorySearch`: what was said is found by meaning and words, by its own user alone."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from scripted_model import EVERYTHING, call, script, scripted_model

from pydantic_hivemind import Hivemind, HivemindBackend, Scope
from pydantic_hivemind.adapters.harness.history_search import HivemindHistorySearch
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent

pytestmark = [pytest.mark.anyio, pytest.mark.any_store]

SAID = [
    "My daughter is allergic to peanuts.",
    "The invoice of the plumber was 340 euros.",
    "We deploy with helm to the staging cluster.",
    "Our car needs new tyres before winter.",
]


def history(*said: str) -> list[ModelMessage]:
    made: list[ModelMessage] = []
    for text in said:
        made += [ModelRequest([UserPromptPart(text)]), ModelResponse([TextPart("Noted.")])]
    return made


@pytest.fixture
def ada(hive: Hivemind) -> Scope:
    return hive.scope("user/ada", parent=hive.scope("project/acme"))


def make_agent(*more: Any) -> Agent[DeepAgentDeps, str]:
    return create_deep_agent(
        scripted_model(),
        include_skills=False,
        include_history_archive=False,
        web_search=False,
        web_fetch=False,
        thinking=False,
        cost_tracking=False,
        capabilities=[HivemindHistorySearch(), *more],
    )


async def search(agent: Agent[DeepAgentDeps, str], scope: Scope, **arguments: Any) -> str:
    asked = script(call("search_conversation_history", **arguments), EVERYTHING)
    return (await agent.run(asked, deps=DeepAgentDeps(backend=HivemindBackend(scope)), conversation_id="asking")).output


async def test_found_by_meaning_and_by_words(ada: Scope) -> None:
    for number, text in enumerate(SAID):
        ada.conversation(f"c{number}").append(history(text))
    agent = make_agent()
    assert "peanuts" in await search(agent, ada, query="which foods must the child avoid, nuts?", limit=1)
    assert "peanuts" in await search(agent, ada, query="kid food intolerance", limit=1)
    found = await search(agent, ada, query="helm", limit=1)
    assert "staging cluster" in found
    assert "[conversation c2, message 1]" in found
    assert "helm" not in (await search(agent, ada, query="deployment", conversation="c1")).replace("helm?", "")


async def test_nobody_finds_what_others_said(hive: Hivemind, ada: Scope) -> None:
    bo = hive.scope("user/bo", parent=hive.scope("project/acme"))
    ada.conversation("taxes").append(history(*SAID))
    agent = make_agent()
    for arguments in ({}, {"conversation": "taxes"}, {"conversation": "none"}):
        assert "peanuts" not in await search(agent, bo, query="an allergy", **arguments)
    assert "peanuts" not in await search(agent, ada.spawn("run"), query="an allergy")
    ada.conversation("taxes").clear()
    assert "peanuts" not in await search(agent, ada, query="an allergy")


@pytest.mark.skipif(find_spec("pydantic_ai_harness") is None, reason="needs pydantic-ai-harness")
async def test_steps_of_runs_are_found_too(ada: Scope) -> None:
    from pydantic_ai_harness.step_persistence import StepPersistence

    from pydantic_hivemind.adapters.harness.step_store import HivemindStepStore

    agent = make_agent(StepPersistence(store=HivemindStepStore()))
    deps = DeepAgentDeps(backend=HivemindBackend(ada))
    await agent.run(script(SAID[0]), deps=deps, conversation_id="food")
    found = await search(agent, ada, query="peanuts", conversation="food")
    assert "allergic" in found
    assert found.count("allergic") == found.count("allergic to peanuts") > 0


async def test_messages_with_nothing_to_read_do_not_fail(ada: Scope) -> None:
    from pydantic_ai.messages import BinaryContent, ThinkingPart, ToolCallPart

    odd: list[ModelMessage] = [
        ModelRequest([UserPromptPart([BinaryContent(b"x", media_type="image/png"), "a picture of zebras"])]),
        ModelResponse([ThinkingPart("secret zebra thoughts"), ToolCallPart("t", '{"broken": ', tool_call_id="c")]),
        ModelRequest([]),
    ]
    ada.conversation("c").append(odd)
    found = await search(make_agent(), ada, query="zebras")
    assert "a picture of zebras" in found
    assert "secret" not in found


async def test_words_alone_find_when_the_embedder_fails(tmp_path: Any) -> None:
    def broken(_: list[str]) -> list[list[float]]:
        raise ConnectionError

    with Hivemind.open(tmp_path / "other", embedder=broken) as hive:
        scope = hive.scope("user/ada")
        scope.conversation("c").append(history(*SAID))
        assert "peanuts" in await search(make_agent(), scope, query="peanuts", limit=1)
