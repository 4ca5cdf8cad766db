"""Every example is started as its reader would start it, and used."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from ports import free_port

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"live_chat.py", "multi_user_chat.py"}


@contextmanager
def serving(command, port, store):
    """A server that answers on a port, and is killed when the block ends."""
    environment = {**os.environ, "CHAT_STORE": str(store), "PORT": str(port)}
    environment.pop("CHAT_MODEL", None)
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while True:
                assert process.poll() is None
                try:
                    client.get("/openapi.json")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield client
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def port():
    return free_port()


@pytest.mark.parametrize(
    "command", [["examples/multi_user_chat.py"], ["-m", "uvicorn", "examples.multi_user_chat:app", "--port", "PORT"]]
)
def test_multi_user_chat(tmp_path, port, command):
    command = [str(port) if part == "PORT" else part for part in command]
    facts = {"ada": "I deploy from main", "bo": "I deploy from a branch"}

    def read(client, user, path):
        answer = client.get(path, headers={"X-User": user})
        assert answer.status_code == 200
        return answer.json()

    with serving(command, port, tmp_path / "store") as client:
        assert client.get("/memory").status_code == 422
        for user, fact in facts.items():
            said = {"text": f"Remember: {fact}\nPlan: what {user} does next"}
            answer = client.post("/chat/first", json=said, headers={"X-User": user})
            assert answer.status_code == 200
            assert read(client, user, "/chat/first") == [said["text"], answer.json()]
        kept = {
            (user, path): read(client, user, path)
            for user in facts
            for path in ("/chat/first", "/memory", "/plans", "/chat/first/checkpoints")
        }

    for (user, path), value in kept.items():
        other = next(one for one in facts if one != user)
        assert value, f"{path} of {user} has something"
        assert facts[other] not in str(value)
        assert f"what {other} does" not in str(value)

    with serving(command, port, tmp_path / "store") as client:
        for (user, path), value in kept.items():
            assert read(client, user, path) == value
        answer = client.post("/chat/first", json={"text": "Recall"}, headers={"X-User": "ada"})
        assert facts["ada"] in answer.json()
        assert len(read(client, "ada", "/chat/first")) == 4
        assert read(client, "ada", "/chat/another") == []
        assert client.delete("/me", headers={"X-User": "ada"}).status_code == 204
        assert read(client, "ada", "/memory") == {}
        assert read(client, "ada", "/chat/first") == []
        assert read(client, "bo", "/memory") == kept["bo", "/memory"]


def test_multi_user_chat_takes_any_model():
    code = "from examples.multi_user_chat import agent; print(getattr(agent.model, 'model_name', agent.model))"
    environment = {**os.environ, "CHAT_MODEL": "test"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "test"


def test_live_chat(tmp_path, monkeypatch):
    """Server-sent events and a WebSocket for each user, rewind and fork; in this process, which can speak WebSocket."""
    from fastapi.testclient import TestClient

    monkeypatch.setenv("CHAT_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("CHAT_MODEL", raising=False)
    monkeypatch.syspath_prepend(str(ROOT))
    sys.modules.pop("examples.live_chat", None)
    app = importlib.import_module("examples.live_chat").app
    ada, bo = {"X-User": "ada"}, {"X-User": "bo"}
    with TestClient(app) as client:

        def show(user, chat="first"):
            return client.get(f"/chat/{chat}", headers=user).json()

        events = client.post("/chat/first", json={"text": "Remember: tea"}, headers=ada).text
        assert events.startswith("event: begin\n")
        first = json.loads(events.split("data: ")[-1])["checkpoint"]
        before = show(ada)
        assert client.put("/chat/first/uploads/plan.txt", content=b"x", headers=ada).status_code == 200
        with client.websocket_connect("/chat/first/live", headers=ada) as socket:
            for text in ("Plan: tea", "Hello"):
                socket.send_text(text)
                assert json.loads(socket.receive_text())["checkpoint"]
        after = show(ada)
        assert "/uploads/plan.txt" in after["files"]
        assert after["messages"] > before["messages"]
        assert show(bo) == {"messages": 0, "checkpoints": {}, "files": []}
        assert client.post(f"/chat/first/rewind/{first}", headers=bo).status_code == 400
        assert client.post(f"/chat/first/fork/second?at={first}", headers=ada).json() == "second"
        undo = client.post(f"/chat/first/rewind/{first}", headers=ada).json()
        for chat in ("first", "second"):
            assert show(ada, chat)["messages"] == before["messages"]
            assert "/uploads/plan.txt" not in show(ada, chat)["files"]
        client.post(f"/chat/first/rewind/{undo}", headers=ada)
        assert (show(ada)["messages"], show(ada)["files"]) == (after["messages"], after["files"])
