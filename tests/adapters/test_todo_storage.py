"""`HivemindTodoStorage` beside pydantic-ai-todo's own, and two users' on one agent, on both lines."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai_todo import AsyncMemoryStorage, Todo, TodoCapability
from scripted_model import EVERYTHING, call, script, scripted_model

from pydantic_hivemind import Hivemind, HivemindBackend, Scope
from pydantic_hivemind.adapters.harness.plan_store import HivemindTodoStorage
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.errors import ScopeGone

pytestmark = [pytest.mark.anyio, pytest.mark.any_store]


def todo(id: str, **fields: Any) -> Todo:
    return Todo(**{"id": id, "content": id, "status": "pending", "active_form": id, **fields})


async def test_todos_are_what_the_storage_in_memory_keeps(scope: Scope) -> None:
    stores: list[Any] = [HivemindTodoStorage(scope), AsyncMemoryStorage()]
    answers = []
    for store in stores:
        await store.set_todos([todo("b"), todo("a", depends_on=["b"])])
        answers.append(
            [
                await store.add_todo(todo("c")),
                await store.update_todo("a", status="completed"),
                await store.update_todo("none", status="completed"),
                await store.get_todo("a"),
                await store.get_todo("none"),
                await store.remove_todo("b"),
                await store.remove_todo("b"),
                await store.get_todos(),
            ]
        )
    assert answers[0] == answers[1]
    assert [kept.id for kept in await HivemindTodoStorage(scope).get_todos()] == ["a", "c"]
    with pytest.raises(ValueError, match="already in this plan"):
        await stores[0].add_todo(todo("a"))


async def test_each_user_and_conversation_has_todos_that_outlive_the_request(hive: Hivemind) -> None:
    ada, bo = (hive.scope(name, parent=hive.scope("project")) for name in ("user/ada", "user/bo"))
    agent = create_deep_agent(
        scripted_model(),
        include_todo=False,
        include_skills=False,
        include_history_archive=False,
        web_search=False,
        web_fetch=False,
        thinking=False,
        cost_tracking=False,
        capabilities=[TodoCapability(async_storage=HivemindTodoStorage())],
    )

    async def run(scope: Scope, conversation: str, *calls: Any) -> str:
        deps = DeepAgentDeps(backend=HivemindBackend(scope))
        return (await agent.run(script(*calls, EVERYTHING), deps=deps, conversation_id=conversation)).output

    secret = call("add_todo", content="hide the present", active_form="hiding")
    await run(ada, "c", secret)
    assert "hide the present" in await run(ada, "c", call("read_todos"))
    assert "hide the present" not in await run(ada, "d", call("read_todos"))
    assert "hide the present" not in await run(bo, "c", call("read_todos"))
    assert [kept.content for kept in await HivemindTodoStorage(ada, conversation="c").get_todos()] == [
        "hide the present"
    ]


async def test_todos_go_with_their_scope_and_stay_where_they_are(hive: Hivemind) -> None:
    project = hive.scope("project")
    ada = hive.scope("user/ada", parent=project)
    await HivemindTodoStorage(ada).set_todos([todo("a")])
    for other in (project, ada.spawn("run"), hive.scope("user/ada/b", parent=ada)):
        assert await HivemindTodoStorage(other).get_todos() == []
    ada.write_text("/a.txt", "x")
    ada.promote()
    assert await HivemindTodoStorage(project).get_todos() == []
    assert [kept.id for kept in await HivemindTodoStorage(ada).get_todos()] == ["a"]
    ada.destroy(cascade=True)
    with pytest.raises(ScopeGone):
        await HivemindTodoStorage(ada).get_todos()
    assert await HivemindTodoStorage(hive.scope("user/ada", parent=project)).get_todos() == []


async def test_ids_may_be_any_text(scope: Scope) -> None:
    """They come from models: none is too long, nor can it reach another conversation's."""
    ids = ["a\0b", "x" * 100_000, "", "1:c:a", "\N{SNOWMAN}"]
    store = HivemindTodoStorage(scope, conversation="c")
    await store.set_todos([todo(id) for id in ids])
    assert [kept.id for kept in await store.get_todos()] == ids
    assert await HivemindTodoStorage(scope, conversation="1:c").get_todo("a") is None
