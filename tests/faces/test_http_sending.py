"""Clients that do not read what they asked for hold neither memory nor connections, and nobody else up."""

from __future__ import annotations

import inspect
import ipaddress
import json
import os
import select
import socket
import time
from contextlib import ExitStack, closing

import anyio
import httpx
import pytest
import uvicorn
from capped_server import capped_server, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pydantic_hivemind.http import addresses, connections, sending
from pydantic_hivemind.http.routes import files
from pydantic_hivemind.http.server import OPTIONS
from pydantic_hivemind.tokens import ACTIONS

MIB = 1 << 20


@pytest.fixture
def run(hive):
    return hive.scope("run")


@pytest.fixture
def token(tokens, run):
    return tokens.create(run, can=ACTIONS)


def wait_until_all_end(clients):
    """Without reading: who reads would be answered."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLRDHUP)
    waiting = {client.fileno() for client in clients}
    deadline = time.monotonic() + 120
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} connections never end"
        for ended, _ in poll.poll(1000):
            poll.unregister(ended)
            waiting.discard(ended)


def read_slowly(client, size, rate):
    """What is sent until so many bytes of a body are there, at a rate in bytes a second."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + size:
        part = client.recv(32 << 10)
        if not part:
            break
        data += part
        time.sleep(len(part) / rate)
    return data[end + 4 :]


# -- floods, of a server with limits of memory -------------------------------------------------


def mcp_calls(token):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.sqlite
@pytest.mark.parametrize(("what", "clients"), [("documents", 300), ("calls of tools", 30)])
def test_pipelined_requests_whose_answers_nobody_reads(tmp_path, hive, token, what, clients):
    request = get("/openapi.json") * 50 if what == "documents" else mcp_calls(token) * 100
    with capped_server(tmp_path / "hive", **{"connections.SEND_SECONDS": 3}) as server, ExitStack() as open_now:
        assert server.status() == 200
        before = server.memory
        attackers = []
        for _ in range(clients):
            attackers.append(open_now.enter_context(closing(server.connect(request))))
        while server.status("/metrics") == 200 and server.memory < before + clients * 1000:
            time.sleep(0.05)  # Until it holds something.
        for _ in range(5):
            assert server.status() == 200
            time.sleep(0.2)
        assert server.memory < before + clients * 600_000 + 32 * MIB
        wait_until_all_end(attackers)
        assert server.status() == 200


@pytest.mark.sqlite
def test_large_files_that_nobody_reads(tmp_path, hive, run, token):
    run.write_bytes("/big", os.urandom(12 * MIB))
    limits = {"connections.SEND_SECONDS": 6}
    with capped_server(tmp_path / "hive", **limits) as server, ExitStack() as open_now:
        headers = {"Authorization": f"Bearer {token}"}
        assert server.status("/v1/files/big", headers=headers) == 200
        before = server.memory
        request = get("/v1/files/big", token)
        attackers = [open_now.enter_context(closing(server.connect(request))) for _ in range(24)]
        for attacker in attackers:
            assert attacker.recv(12) == b"HTTP/1.1 200"
        # Together they asked for 288 MiB.
        assert server.temporary_files == 24
        # Two are read at a time, and each is there twice meanwhile: in SQLite, and as it was taken from there.
        assert server.memory < before + 96 * MIB
        assert server.status("/v1/files/big", headers=headers) == 200
        wait_until_all_end(attackers)
        deadline = time.monotonic() + 60
        while server.temporary_files:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.sqlite
def test_who_reads_slowly_but_steadily_is_served_to_the_end(tmp_path, hive, run, token):
    data = os.urandom(600_000)
    run.write_bytes("/f", data)
    with capped_server(tmp_path / "hive", **{"connections.SEND_SECONDS": 2}) as server:
        for receive_buffer in (4096, 128 << 10):
            with closing(server.connect(get("/v1/files/f", token), receive_buffer=receive_buffer)) as client:
                begun = time.monotonic()
                assert read_slowly(client, len(data), 150_000) == data
                assert time.monotonic() > begun + 3


# -- room for others ---------------------------------------------------------------------------


def connect(served, request):
    host, port = served.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect((host, int(port)))
    client.sendall(request)
    return client


def get_until(served, status, path="/health", **how):
    deadline = time.monotonic() + 60
    while (answer := httpx.get(f"{served}{path}", timeout=60, **how)).status_code != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("request_", [get("/openapi.json") * 50, b"", b"GET /health HTTP/1.1\r\n", get("/health")])
def test_a_full_server_makes_room_for_who_has_something_to_say(served, monkeypatch, request_):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    monkeypatch.setattr(connections, "EVICTION_SECONDS", 0.5)
    with ExitStack() as open_now:
        for _ in range(10):
            open_now.enter_context(closing(connect(served, request_)))
        # Nobody has been idle for long enough yet, or somebody has; later somebody has.
        get_until(served, 200)


def test_who_is_being_answered_makes_no_room(served, token, run, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "EVICTION_SECONDS", 0.0)
    head = f"PUT /v1/files/f HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n0"
    with ExitStack() as open_now:
        senders = [open_now.enter_context(closing(connect(served, head.encode()))) for _ in range(3)]
        assert get_until(served, 503).headers["connection"] == "close"
        for sender in senders:
            sender.sendall(b"1")
            assert sender.recv(12) == b"HTTP/1.1 200"
    assert run.read_bytes("/f") == b"01"


def test_connections_of_one_address_are_limited(served, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS_PER_ADDRESS", 3)
    monkeypatch.setattr(connections, "EVICTION_SECONDS", 600.0)
    health = get("/health")
    with ExitStack() as open_now:
        # This machine's are not counted: a proxy on it has everybody's.
        for _ in range(5):
            client = open_now.enter_context(closing(connect(served, health)))
            assert client.recv(12) == b"HTTP/1.1 200"
        monkeypatch.setattr(connections._Server, "_is_counted", lambda *_: True)
        assert open_now.enter_context(closing(connect(served, health))).recv(12) == b"HTTP/1.1 503"
        transport = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=transport, timeout=60) as other:
            assert other.get(f"{served}/health").status_code == 200


def test_an_answer_for_which_there_is_no_room_is_put_off(served, token, run, monkeypatch):
    monkeypatch.setattr(sending, "MAX_OUTGOING_BYTES", 3 * MIB)
    monkeypatch.setattr(sending, "EVICTION_SECONDS", 600.0)
    run.write_bytes("/f", bytes(2 * MIB))
    asked = {"headers": {"Authorization": f"Bearer {token}"}}
    with closing(connect(served, get("/v1/files/f", token))) as reader:
        assert reader.recv(12) == b"HTTP/1.1 200"
        answer = get_until(served, 503, "/v1/files/f", **asked)
        assert answer.json()["error"] == "ServiceUnavailable"
        assert int(answer.headers["retry-after"]) > 0
        # Small ones have room.
        run.write_bytes("/small", bytes(1000))
        assert get_until(served, 200, "/v1/files/small", **asked).content == bytes(1000)
        # Who does not read has none any more when somebody else needs it.
        monkeypatch.setattr(sending, "EVICTION_SECONDS", 0.5)
        assert get_until(served, 200, "/v1/files/f", **asked).content == bytes(2 * MIB)
        wait_until_all_end([reader])


# -- what is not sent --------------------------------------------------------------------------


def test_a_stream_that_has_nothing_to_say_lives(serve_app, monkeypatch):
    monkeypatch.setattr(connections, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)

    async def events(_):
        async def stream():
            for number in range(2):
                yield b"data: %d\n\n" % number
                await anyio.sleep(1)

        return StreamingResponse(stream(), media_type="text/event-stream")

    with serve_app({"/events": Starlette(routes=[Route("/", events)])}) as served:
        assert httpx.get(f"{served}/events/", timeout=60).content == b"data: 0\n\ndata: 1\n\n"


def test_an_answer_waits_for_those_before_it(served):
    """An app is asked nothing more by who does not read what it has answered."""
    with closing(connect(served, get("/openapi.json") * 50)) as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        for _ in range(5):
            time.sleep(0.1)
            counts = httpx.get(f"{served}/metrics", timeout=60).text
        answered = [line for line in counts.splitlines() if "requests_total{" in line and 'operation=""' in line]
        assert sum(float(line.split()[-1]) for line in answered) <= 5


def test_a_large_file_needs_room_for_a_copy(served, token, run, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "TemporaryFile", full)
    run.write_bytes("/f", bytes(MIB))
    answer = httpx.get(f"{served}/v1/files/f", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (507, "StoreFull")


# -- what it stands on -------------------------------------------------------------------------


def test_uvicorn_has_its_protocol_where_it_is_looked_for():
    """What is used of it: a class of protocols, its four arguments, and what an app is told of the lifespan's state."""
    protocol = connections._h11_protocol()
    assert protocol.__name__ == "H11Protocol"
    arguments = inspect.signature(protocol).parameters
    assert list(arguments) == ["config", "server_state", "app_state", "_loop"]
    assert "127.0.0.1" in uvicorn.Config(lambda: None, **OPTIONS).forwarded_allow_ips


def test_an_app_knows_its_connection(serve_app):
    async def tell(request):
        connection = request.scope["state"][connections.CONNECTION]
        return PlainTextResponse(f"{type(connection).__name__} {connection.idle_seconds()}")

    with serve_app({"/tell": Starlette(routes=[Route("/", tell)])}) as served:
        assert httpx.get(f"{served}/tell/", timeout=60).text == "BoundedConnection 0.0"


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("10.0.0.7", 80), "10.0.0.7/32"),
        (("::ffff:10.0.0.7", 80, 0, 0), "10.0.0.7/32"),
        (("2001:db8:1:2:3:4:5:6", 80, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 80, 0, 2), "fe80::/64"),
        (("::1", 80, 0, 0), "::1/128"),
        ("", None),
        (None, None),
        (("a name", 1), None),
    ],
)
def test_addresses_of_one_customer(peer, network):
    assert addresses.network_of(peer) == (network and ipaddress.ip_network(network))


def test_proxies_are_not_counted():
    assert addresses.networks("*") is None
    assert addresses.networks(["10.0.0.0/8", "unix:"]) == [ipaddress.ip_network("10.0.0.0/8")]

    loop = None  # It waits for nothing.

    def is_counted(trusted, peer):
        config = uvicorn.Config(lambda: None, forwarded_allow_ips=trusted)
        return connections._Server(config, loop)._is_counted(addresses.network_of((peer, 1)))

    assert not is_counted("127.0.0.1", "127.0.0.9")
    assert not is_counted("127.0.0.1, 10.0.0.0/8", "10.1.2.3")
    assert is_counted("127.0.0.1, 10.0.0.0/8", "11.1.2.3")
    assert is_counted("127.0.0.1", "2001:db8::1")
    assert not is_counted("*", "11.1.2.3")
