"""What happens to conflicts is said in the same words on every face, and the words before them are refused by name."""

from __future__ import annotations

import anyio
import pytest
from mcp import Client
from starlette.testclient import TestClient

from pydantic_hivemind import AsyncHivemind, Hivemind, Scope, SessionManager, errors
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.http import create_app
from pydantic_hivemind.mcp import create_server
from pydantic_hivemind.tokens import ACTIONS, Tokens

NOW = {"merge": "fail", "ours": "keep_target", "theirs": "take_source"}
SETTLED = {"keep_target": "target", "take_source": "source"}


@pytest.fixture
def child(hive: Hivemind) -> Scope:
    """A scope in conflict with its parent."""
    project = hive.scope("project")
    project.write_text("/f", "base")
    child = project.spawn("child")
    child.write_text("/f", "source")
    project.write_text("/f", "target")
    return child


@pytest.fixture
def http(hive: Hivemind, child: Scope) -> TestClient:
    token = Tokens(hive).create(child, can=ACTIONS)
    app = create_app(hive, hosts=["testserver"])
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def remote(http: TestClient) -> HivemindClient:
    return HivemindClient("http://testserver", http.headers["Authorization"].removeprefix("Bearer "), http=http)


def told(child: Scope, **arguments: object) -> tuple[bool, str]:
    async def ask() -> tuple[bool, str]:
        async with Client(create_server(child, can=ACTIONS)) as client:
            answer = await client.call_tool("hivemind_promote", arguments)
            return answer.is_error, answer.content[0].text

    return anyio.run(ask)


@pytest.mark.parametrize("word", ["keep_target", "take_source"])
@pytest.mark.parametrize("face", ["scope", "http", "client", "mcp"])
def test_each_word_on_each_face(child: Scope, http: TestClient, face: str, word: str) -> None:
    if face == "scope":
        child.promote(on_conflict=word)
    elif face == "http":
        assert http.post("/v1/promote", json={"on_conflict": word}).status_code == 200
    elif face == "client":
        remote(http).promote(on_conflict=word)
    else:
        assert not told(child, on_conflict=word)[0]
    assert child.parent.read_text("/f") == SETTLED[word]


@pytest.mark.parametrize("word", ["fail", "keep_target", "take_source"])
def test_the_command_takes_them_too(run, word: str) -> None:
    run("workspace", "create", "project")
    run("workspace", "create", "child", "--inherit", "project")
    run("write", "/f", "-w", "child", stdin=b"source")
    run("write", "/f", "-w", "project", stdin=b"target")
    promoted = run("promote", "--from", "child", "--on-conflict", word)
    assert promoted.code == (4 if word == "fail" else 0)
    assert run("cat", "/f", "-w", "project").out == SETTLED.get(word, "target")
    before = run("promote", "--from", "child", "--on-conflict", "ours")
    assert (before.code, "keep_target" in before.err) == (2, True)
    assert run("promote", "--from", "child", "--strategy", "ours").code == 2


@pytest.mark.parametrize("before", [*NOW, "something"])
def test_strategy_is_refused_and_the_new_words_are_named(
    hive: Hivemind, child: Scope, http: TestClient, before: str
) -> None:
    new = f"on_conflict='{NOW[before]}'" if before in NOW else "'keep_target'"

    async def in_a_session() -> None:
        manager = SessionManager(hive, parent=child.parent)
        await manager.get_or_create("a")
        try:
            await manager.promote("a", strategy=before)
        finally:
            await manager.shutdown()

    async def awaited() -> None:
        scope = await AsyncHivemind(hive).get("child")
        await scope.promote(strategy=before)

    for call in (
        lambda: child.promote(strategy=before),
        lambda: remote(http).promote(strategy=before),
        lambda: anyio.run(in_a_session),
        lambda: anyio.run(awaited),
    ):
        with pytest.raises(errors.InvalidOption, match=new):
            call()
    answer = http.post("/v1/promote", json={"strategy": before})
    assert (answer.status_code, new in answer.json()["detail"]) == (422, True)
    is_error, text = told(child, strategy=before)
    assert is_error
    assert new in text
    assert child.parent.read_text("/f") == "target"


def test_an_old_word_is_told_what_it_is_now(child: Scope) -> None:
    with pytest.raises(errors.InvalidOption, match="on_conflict='keep_target'"):
        child.promote(on_conflict="ours")
    with pytest.raises(errors.InvalidOption, match="choose one of 'fail', 'keep_target', 'take_source'"):
        child.promote(on_conflict="xxx")


def test_what_is_sent_is_not_repeated_at_length(child: Scope, http: TestClient) -> None:
    answer = http.post("/v1/promote", json={"strategy": "s3cret" * 1000})
    assert (answer.status_code, "s3cret" in answer.text) == (422, False)
    with pytest.raises(errors.InvalidOption) as refused:
        child.promote(on_conflict="x" * 5000)
    assert len(str(refused.value)) < 200
