"""Bodies of requests: large ones stream, and who has no token, sends too much or too slowly holds nothing up."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx
import pytest
from fastapi.testclient import TestClient

from pydantic_hivemind.http import bodies, connections, create_app, route
from pydantic_hivemind.http.routes import files
from pydantic_hivemind.limits import MAX_CONTENT_BYTES, MAX_FILE_BYTES, MAX_JSON_BYTES
from pydantic_hivemind.tokens import ACTIONS, Tokens


@pytest.fixture
def run(hive):
    return hive.scope("project").spawn("run")


@pytest.fixture
def token(tokens, run):
    return tokens.create(run, can=ACTIONS)


@pytest.fixture
def client(hive, token):
    with TestClient(create_app(hive), "http://localhost", headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def begin(served, method, address, *, token=None, length=None, sent=b"", head=None):
    """A connection on which a request was begun."""
    host, port = served.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    lines = [f"{method} {address} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Accept: */*"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Transfer-Encoding: chunked"] if length is None else [f"Content-Length: {length}"]
    text = "\r\n".join([*lines, "", ""]).encode() if head is None else head
    connection.sendall(text + (b"%x\r\n%s\r\n" % (len(sent), sent) if length is None and sent else sent))
    return connection


def answer_on(connection):
    """The status and headers of what is answered, and the problem that it tells."""
    with closing(connection), connection.makefile("rb") as lines:
        status = int(lines.readline().split()[1])
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(lines.readline, b"\r\n"))
        return status, headers, json.loads(lines.read(int(headers["content-length"])))


# -- without a token ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "address"),
    [("POST", "/v1/search"), ("POST", "/v1/edit"), ("PUT", "/v1/files/f"), ("POST", "/v1/spawn"), ("POST", "/mcp")],
)
def test_who_has_no_token_is_answered_before_their_body_is_there(served, tokens, run, method, address):
    revoked = tokens.create(run)
    tokens.revoke(tokens.verify(revoked).id)
    for token in (None, revoked):
        begun = begin(served, method, address, token=token, length=1000, sent=b'{"query": "')
        status, headers, problem = answer_on(begun)
        assert (status, problem["status"], problem["error"]) == (401, 401, "InvalidToken")
        assert headers["content-type"] == "application/problem+json"


def test_nothing_of_it_is_read(hive):
    async def ask():
        sent = []

        async def receive():
            raise AssertionError("the body was asked for")

        async def send(message):
            sent.append(message)

        for method, path in (("PUT", "/v1/files/f"), ("POST", "/v1/search"), ("POST", "/v1/merge")):
            scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
            scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"}}
            await create_app(hive)({**scope, "headers": [(b"host", b"localhost")]}, receive, send)
        return [message["status"] for message in sent if message["type"] == "http.response.start"]

    assert asyncio.run(ask()) == [401, 401, 401]


# -- too much ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "address", "limit"),
    [
        ("PUT", "/v1/files/f", MAX_FILE_BYTES),
        ("POST", "/v1/edit", MAX_CONTENT_BYTES),
        ("POST", "/v1/merge", MAX_CONTENT_BYTES),
        ("POST", "/v1/search", MAX_JSON_BYTES),
        ("POST", "/v1/tag", MAX_JSON_BYTES),
        ("DELETE", "/v1/files/f", MAX_JSON_BYTES),
        ("POST", "/mcp", MAX_CONTENT_BYTES),
    ],
)
def test_too_large_a_body_is_refused_before_it_is_read(served, token, method, address, limit):
    status, headers, problem = answer_on(begin(served, method, address, token=token, length=limit + 1))
    assert (status, problem["error"]) == (413, "ContentTooLarge")
    assert headers["content-type"] == "application/problem+json"
    assert str(limit) in problem["detail"]


def test_too_large_a_body_without_a_length_is_cut_off(served, token, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_CONTENT_BYTES", 1000)
    monkeypatch.setattr(route, "MAX_JSON_BYTES", 1000)
    monkeypatch.setattr(route, "LIMITS", dict.fromkeys(route.LIMITS, 1000))
    for method, address in (("PUT", "/v1/files/f"), ("POST", "/v1/edit"), ("POST", "/v1/tag"), ("POST", "/mcp")):
        begun = begin(served, method, address, token=token, sent=b"x" * 1001)
        status, headers, problem = answer_on(begun)
        assert (address, status, problem["error"]) == (address, 413, "ContentTooLarge")
        assert headers["content-type"] == "application/problem+json"


def test_a_large_call_of_a_tool_is_taken(served, token, run):
    text = "x" * (5 << 20)
    call = {"name": "hivemind_write", "arguments": {"path": "/big", "content": text}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    httpx.post(f"{served}/mcp", json=body, headers=headers, timeout=60).raise_for_status()
    assert run.read_text("/big") == text


def test_of_too_many_at_once_the_last_is_told_to_come_again(served, token, run, monkeypatch):
    is_held = threading.Event()
    receive = bodies._Body.receive

    async def watched(body):
        message = await receive(body)
        if body.received == 150_000:
            is_held.set()
        return message

    monkeypatch.setattr(bodies, "MAX_INCOMING_BYTES", 200_000)
    monkeypatch.setattr(bodies._Body, "receive", watched)
    first = begin(served, "PUT", "/v1/files/first", token=token, length=150_001, sent=b"x" * 150_000)
    # While both came in, either might be the last.
    is_held.wait()
    put = {"content": b"y" * 100_000, "headers": {"Authorization": f"Bearer {token}"}, "timeout": 60}
    answer = httpx.put(f"{served}/v1/files/second", **put)
    assert (answer.status_code, answer.json()["error"]) == (503, "ServiceUnavailable")
    assert int(answer.headers["retry-after"]) > 0
    first.sendall(b"x")
    assert answer_on(first)[0] == 200
    assert httpx.put(f"{served}/v1/files/second", **put).status_code == 200
    assert run.read_bytes("/first") == b"x" * 150_001


# -- too slowly --------------------------------------------------------------------------------


def test_a_body_that_does_not_come_is_not_waited_for(served, token, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    for method, address in (("PUT", "/v1/files/f"), ("POST", "/v1/search"), ("POST", "/mcp")):
        begun = begin(served, method, address, token=token, length=1000, sent=b"{")
        status, headers, problem = answer_on(begun)
        assert (address, status, problem["error"]) == (address, 408, "RequestTimeout")
        assert headers["connection"] == "close"


def test_a_body_that_comes_at_some_speed_is(served, token, run, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    # A byte is worth half a minute, which no machine is late by.
    monkeypatch.setattr(bodies, "LEAST_BODY_RATE", 1 / 30)
    begun = begin(served, "PUT", "/v1/files/f", token=token, length=5, sent=b"0")
    for _ in range(4):
        time.sleep(0.1)
        begun.sendall(b"1")
    assert answer_on(begun)[0] == 200
    assert run.read_bytes("/f") == b"0" + b"1" * 4


def test_a_head_that_does_not_come_is_not_waited_for(served, token, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    for head in (b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-More: "):
        with closing(begin(served, "", "", head=head)) as connection:
            assert connection.recv(1) == b""
    # Nor the next one on a connection.
    begun = begin(served, "", "", head=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
    with closing(begun), begun.makefile("rb") as told:
        assert told.read().count(b"HTTP/1.1 200") == 1
    # Nor the rest of a body that was refused.
    begun = begin(served, "POST", "/v1/edit", length=1000, sent=b"{")
    with closing(begun), begun.makefile("rb") as told:
        assert told.read().count(b"HTTP/1.1 401") == 1


def test_a_request_takes_its_time(served, token, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    begun = begin(served, "PUT", "/v1/files/f", token=token, length=2, sent=b"0")
    time.sleep(0.7)
    begun.sendall(b"1")
    assert answer_on(begun)[0] == 200


def test_connections_beyond_what_a_server_has_room_for_are_closed(served, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "EVICTION_SECONDS", 600.0)
    open_now = [begin(served, "", "", head=b"GET /") for _ in range(3)]
    with closing(begin(served, "", "", head=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")) as one_more:
        status, headers, problem = answer_on(one_more)
        assert (status, headers["connection"], problem["error"]) == (503, "close", "ServiceUnavailable")
    for connection in open_now:
        connection.close()
    while httpx.get(f"{served}/health", timeout=60).status_code != 200:
        time.sleep(0.01)


def test_a_head_has_a_largest_size(served):
    begun = begin(served, "", "", head=b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (1 << 17))
    with closing(begun), begun.makefile("rb") as told:
        assert told.readline().split()[1] == b"400"


@pytest.mark.sqlite
def test_the_server_ends_though_somebody_is_sending(tmp_path, hive, token):
    program = (
        "import sys\n"
        "from pydantic_hivemind import Hivemind\n"
        "from pydantic_hivemind.http import server\n"
        "server.OPTIONS['timeout_graceful_shutdown'] = 1\n"
        "with Hivemind.open(sys.argv[1]) as hive: server.serve(hive, port=0)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "hive")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        while not (address := re.search(r"http://127.0.0.1:\d+", server.stderr.readline())):
            assert server.poll() is None
        begun = [
            begin(address[0], "PUT", "/v1/files/f", token=token, length=100, sent=b"0"),
            begin(address[0], "", "", head=b"GET /"),
        ]
        httpx.get(f"{address[0]}/health", timeout=60).raise_for_status()
        os.kill(server.pid, signal.SIGTERM)
        server.stderr.read()
        # As uvicorn ends when it is told to.
        assert server.wait() in (0, -signal.SIGTERM)
        for connection in begun:
            connection.close()
    assert not hive.scope("run", create=False).exists("/f")


def test_a_token_that_is_revoked_while_the_body_comes_in_is_heeded(served, tokens, run, monkeypatch):
    seen = threading.Event()
    verify = Tokens.verify

    def watched(tokens, token):
        grant = verify(tokens, token)
        seen.set()
        return grant

    monkeypatch.setattr(Tokens, "verify", watched)
    monkeypatch.setattr(route, "TRUSTED_SECONDS", 0)
    written = {"name": "hivemind_write", "arguments": {"path": "/f", "content": "x"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": written}
    for method, address, body in (
        ("PUT", "/v1/files/f", b"x"),
        ("POST", "/v1/write", b'{"path": "/f", "data": ""}'),
        ("POST", "/mcp", json.dumps(call).encode()),
    ):
        token = tokens.create(run)
        id = verify(tokens, token).id
        seen.clear()
        begun = begin(served, method, address, token=token, length=len(body))
        seen.wait()
        tokens.revoke(id)
        begun.sendall(body)
        told = answer_on(begun)
        assert "the token is not valid" in json.dumps(told), address
        assert not run.exists("/f"), address


# -- large files -------------------------------------------------------------------------------


def test_large_files_stream_both_ways(served, token):
    data = bytes(range(256)) * 40_000

    def parts():
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    with httpx.Client(base_url=served, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        assert client.put("/v1/files/big", content=parts()).json()["size"] == len(data)
        with client.stream("GET", "/v1/files/big") as answer:
            assert answer.headers["content-length"] == str(len(data))
            received = list(answer.iter_raw())
    assert b"".join(received) == data
    assert len(received) > 10


def test_what_was_sent_of_a_large_file_is_not_in_memory(served, token, monkeypatch):
    """It is in files that nobody sees; those of small files are none."""
    rolled = threading.Event()

    class Watched(files.SpooledTemporaryFile):
        def rollover(self):
            super().rollover()
            rolled.set()

    monkeypatch.setattr(files, "SpooledTemporaryFile", Watched)
    headers = {"Authorization": f"Bearer {token}"}
    httpx.put(f"{served}/v1/files/small", content=b"x" * 1000, headers=headers, timeout=60).raise_for_status()
    assert not rolled.is_set()
    begun = begin(served, "PUT", "/v1/files/f", token=token, length=files.SPOOL_BYTES + 2)
    begun.sendall(b"x" * (files.SPOOL_BYTES + 1))
    rolled.wait()
    begun.sendall(b"x")
    assert answer_on(begun)[2]["size"] == files.SPOOL_BYTES + 2


def test_who_goes_away_while_sending_leaves_nothing(served, token, run, caplog):
    begin(served, "PUT", "/v1/files/f", token=token, length=1000, sent=b"x").close()
    headers = {"Authorization": f"Bearer {token}"}
    httpx.put(f"{served}/v1/files/g", content=b"x", headers=headers, timeout=60).raise_for_status()
    assert [stat.path for stat in run.list_dir("/")] == ["/g"]
    assert not [record for record in caplog.records if record.exc_info]
