"""The FastAPI dependencies: each user's own scope, whatever they call themselves, and errors that give nothing away."""

import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Header
from fastapi.testclient import TestClient
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

from pydantic_hivemind import HivemindCheckpointStore, errors
from pydantic_hivemind.adapters.fastapi import (
    STATUSES,
    deep_deps,
    get_hive,
    hivemind_error,
    hivemind_lifespan,
    user_conversation,
    user_scope,
)
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.messages.conversations import Conversation
from pydantic_hivemind.testing import scripted_model


def current_user(x_user: Annotated[str, Header()]) -> str:
    return x_user


async def current_project(x_project: Annotated[str, Header()] = "acme") -> str:
    return x_project


def app_with(store, scope=None) -> FastAPI:
    """An app that does the least with each dependency."""
    scope = scope or user_scope(current_user)
    app = FastAPI(lifespan=hivemind_lifespan(store))
    app.add_exception_handler(errors.HivemindError, hivemind_error)
    agent = create_deep_agent(scripted_model(), include_checkpoints=True, include_skills=False, web_search=False)

    @app.get("/name")
    def name(own: Annotated[Scope, Depends(scope)]) -> str:
        return own.name

    @app.put("/note")
    def write(text: str, own: Annotated[Scope, Depends(scope)]) -> None:
        own.write_text("/note.txt", text)

    @app.get("/note")
    def read(own: Annotated[Scope, Depends(scope)]) -> str:
        return own.read_text("/note.txt")

    @app.post("/say/{conversation_id}")
    def say(text: str, conversation: Annotated[Conversation, Depends(user_conversation(scope))]) -> int:
        conversation.append([ModelRequest([UserPromptPart(text)]), ModelResponse([TextPart("yes")])])
        return len(conversation.load())

    @app.post("/ask")
    async def ask(text: str, deps: Annotated[DeepAgentDeps, Depends(deep_deps(scope))]) -> int:
        await agent.run(text, deps=deps)
        return await deps.checkpoint_store.count()

    return app


@pytest.fixture
def client(tmp_path):
    with TestClient(app_with(tmp_path / "hive")) as client:
        yield client


def as_user(name, **more):
    return {"X-User": name.encode(), **more}


def test_each_user_has_a_scope_that_stays(tmp_path):
    for told in ("first", "second"):
        with TestClient(app_with(tmp_path / "hive")) as client:
            if told == "first":
                assert client.put("/note", params={"text": "of ada"}, headers=as_user("ada")).status_code == 200
            assert client.get("/note", headers=as_user("ada")).json() == "of ada"
            assert client.get("/note", headers=as_user("bo")).status_code == 404
            assert client.get("/name", headers=as_user("ada")).json() == "user/ada"


def test_no_two_users_share_a_scope(client):
    like = ["ada", "Ada", "ada/", "/ada", "ada/..", "..", "../bo", "ad_", "%", "_", "acme", "acme-corp", "0"]
    escaped = ["ada#run", "ada%23run", "ada%2Frun", "ada%252Frun", "\u00e9", "e\u0301"]
    names = [*like, *escaped, "user/ada", "project/acme", "project/acme/user/bo"]

    def sign(name):
        return {"X-User": name.encode("utf-8")}

    scopes = [client.get("/name", headers=sign(name)).json() for name in names]
    assert len(set(scopes)) == len(names)
    assert all(scope.startswith("user/") and scope.count("/") == 1 and "#" not in scope for scope in scopes)
    for name in names:
        assert client.put("/note", params={"text": name}, headers=sign(name)).status_code == 200
    assert [client.get("/note", headers=sign(name)).json() for name in names] == names


@pytest.mark.parametrize("project", ["acme", current_project])
def test_users_of_a_project_read_it(tmp_path, project):
    with TestClient(app_with(tmp_path / "hive", user_scope(current_user, project=project))) as client:
        hive = client.app.state.hivemind
        hive.scope("project/acme").write_text("/note.txt", "of the project")
        assert client.get("/note", headers=as_user("ada")).json() == "of the project"
        client.put("/note", params={"text": "of ada"}, headers=as_user("ada"))
        assert client.get("/note", headers=as_user("ada")).json() == "of ada"
        assert client.get("/note", headers=as_user("bo")).json() == "of the project"
        assert hive.scope("project/acme").read_text("/note.txt") == "of the project"


def test_a_user_has_another_scope_in_each_project(tmp_path):
    with TestClient(app_with(tmp_path / "hive", user_scope(current_user, project=current_project))) as client:
        pairs = [("acme", "ada"), ("acme-corp", "ada"), ("acme/user/ada", "x"), ("acme", "ada/user/x"), ("acme", "x")]
        for project, user in pairs:
            headers = as_user(user, **{"X-Project": project})
            assert client.get("/note", headers=headers).status_code == 404
            assert client.put("/note", params={"text": "x"}, headers=headers).status_code == 200


@pytest.mark.parametrize("nobody", [None, 7, b"ada"])
def test_a_user_without_an_id_gets_no_scope(tmp_path, nobody):
    app = app_with(tmp_path / "hive", user_scope(lambda: nobody))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/name").status_code == 500
        assert client.app.state.hivemind.scopes() == []


@pytest.mark.parametrize("name", ["", "x" * 600, "nul\0", "\ud800"])
def test_an_id_that_cannot_be_a_name_is_a_bad_request(tmp_path, name):
    def ada():
        return "ada"

    def nobody_knows():
        return name

    for scope in (user_scope(nobody_knows), user_scope(ada, project=nobody_knows)):
        with TestClient(app_with(tmp_path / "hive", scope)) as client:
            answer = client.get("/name")
            assert (answer.status_code, answer.json()) == (400, {"error": "InvalidScope", "detail": "Bad Request"})
            assert client.app.state.hivemind.scopes() == []


def test_conversations_are_the_users_own(client):
    def say(user):
        return client.post("/say/first", params={"text": "hello"}, headers=as_user(user)).json()

    assert [say("ada"), say("ada"), say("bo")] == [2, 4, 2]


def test_deps_run_an_agent_in_the_users_scope(client):
    answer = client.post("/ask", params={"text": "Remember: I am Ada"}, headers=as_user("ada"))
    assert (answer.status_code, answer.json()) == (200, 1)
    hive = client.app.state.hivemind
    assert "I am Ada" in hive.scope("user/ada").read_text("/.deep/memory/main/MEMORY.md")
    assert client.post("/ask", params={"text": "hello"}, headers=as_user("bo")).json() == 0


# -- the lifespan ------------------------------------------------------------------------------


def test_checkpoints_are_those_of_the_routes_conversation(tmp_path):
    app = FastAPI(lifespan=hivemind_lifespan(tmp_path))

    @app.get("/chats/{conversation_id}")
    @app.get("/chat")
    def which(deps: Annotated[DeepAgentDeps, Depends(deep_deps(user_scope(current_user)))]) -> list[str | None]:
        store = deps.checkpoint_store
        assert isinstance(store, HivemindCheckpointStore)
        return [store.scope.name, store.conversation]

    with TestClient(app, headers={"x-user": "ada"}) as client:
        assert client.get("/chats/taxes").json() == ["user/ada", "taxes"]
        assert client.get("/chat?conversation_id=user/bo").json() == ["user/ada", "user/bo"]
        assert client.get("/chat").json() == ["user/ada", None]


def test_lifespan_opens_and_closes(tmp_path):
    opened = []

    def open_hive():
        opened.append(Hivemind.open(tmp_path / "hive", durability="normal"))
        return opened[-1]

    with TestClient(app_with(open_hive)) as client:
        assert client.get("/name", headers=as_user("ada")).status_code == 200
        assert client.app.state.hivemind is opened[0]
    with pytest.raises(errors.StoreClosed):
        opened[0].scope("user/ada")


def test_lifespan_composes(tmp_path):
    @asynccontextmanager
    async def lifespan(app):
        async with hivemind_lifespan(tmp_path / "hive")(app):
            yield {"mine": "too"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(hive: Annotated[Hivemind, Depends(get_hive)]) -> int:
        return len(hive.scopes())

    with TestClient(app) as client:
        assert client.get("/").json() == 0
        assert client.app_state["mine"] == "too"


def test_an_app_without_a_lifespan_is_told():
    app = FastAPI()

    @app.get("/")
    def read(hive: Annotated[Hivemind, Depends(get_hive)]) -> None: ...

    with pytest.raises(TypeError, match="hivemind_lifespan"):
        TestClient(app).get("/")


# -- errors ------------------------------------------------------------------------------------


def every_error(base=errors.HivemindError):
    """Those of faces have a say of their own."""
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from every_error(kind)


def made(kind):
    secret = "user/bo at /srv/hive"
    if kind is errors.VersionConflict:
        return kind(secret, expected=1, actual=2)
    if kind is errors.EditError:
        return kind("'/a.txt' has it twice", occurrences=2)
    if kind is errors.PromotionConflict:
        return kind(secret, PromotionReport("1", "user/bo", "user/ada", False, (), (), (), (), ()))
    explained = (
        errors.PathError,
        errors.InvalidPattern,
        errors.InvalidTag,
        errors.InvalidOption,
        errors.VersionNotFound,
        errors.ProposalNotFound,
    )
    about_input = issubclass(kind, explained)
    return kind("'/a.txt' is what you sent" if about_input else secret)


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_every_error_has_a_status_and_keeps_secrets(tmp_path, kind):
    app = app_with(tmp_path / "hive")

    @app.get("/fail")
    def fail() -> None:
        raise made(kind)

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/fail")
    assert answer.json()["error"] == kind.__name__
    assert "bo" not in answer.text
    assert "/srv" not in answer.text
    if answer.status_code == 500:
        assert issubclass(kind, (errors.StoreError, errors.ScopeError))
    assert answer.status_code == STATUSES[kind]


def test_what_is_not_the_callers_fault_is_logged_with_its_cause(tmp_path, caplog):
    app = app_with(tmp_path / "hive")

    @app.get("/fail")
    def fail() -> None:
        try:
            raise OSError("/srv/hive is on a broken disk")
        except OSError as cause:
            raise errors.StoreError("the store failed") from cause

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/fail")
    assert answer.json() == {"error": "StoreError", "detail": "the server failed; see its log"}
    assert "/srv/hive is on a broken disk" in caplog.text


# -- the real thing ----------------------------------------------------------------------------


def test_many_users_at_once_on_a_real_server(tmp_path):
    server = uvicorn.Server(uvicorn.Config(app_with(tmp_path / "hive"), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        users = [f"user {number}" for number in range(12)]
        statuses = {}

        def talk(user):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-User": user}, timeout=60) as client:
                statuses[user] = [
                    client.post("/ask", params={"text": f"Remember: I am {user}!"}).status_code,
                    client.put("/note", params={"text": user}).status_code,
                    client.get("/note").json(),
                ]

        talking = [threading.Thread(target=talk, args=(user,)) for user in users]
        for one in talking:
            one.start()
        for one in talking:
            one.join()
    finally:
        server.should_exit = True
        thread.join()
    assert statuses == {user: [200, 200, user] for user in users}
    with Hivemind.open(tmp_path / "hive") as hive:
        for user in users:
            memory = hive.scope(f"user/{user}").read_text("/.deep/memory/main/MEMORY.md")
            assert [other for other in users if f"I am {other}!" in memory] == [user]


def test_only_this_adapter_imports_fastapi():
    code = (
        "import sys, pydantic_hivemind.hive.hivemind, pydantic_hivemind.deep;"
        "import pydantic_hivemind.adapters.backends.session_manager;"
        "sys.exit('fastapi' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
