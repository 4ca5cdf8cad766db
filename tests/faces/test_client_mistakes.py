"""Addresses where no Hivemind is, proxies that answer for it, and what cannot be sent."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from pydantic_hivemind import errors
from pydantic_hivemind.client import AsyncHivemindClient, HivemindClient


def told(call, *answer, **more):
    """The error that both clients raise where something else answers."""
    transport = httpx.MockTransport(lambda _: httpx.Response(*answer, **more))
    with httpx.Client(transport=transport) as http, pytest.raises(errors.RemoteError) as blocking:
        call(HivemindClient("http://localhost", "x", http=http))

    async def ask():
        async with httpx.AsyncClient(transport=transport) as http:
            await call(AsyncHivemindClient("http://localhost", "x", http=http))

    with pytest.raises(errors.RemoteError) as waited:
        asyncio.run(ask())
    assert str(blocking.value) == str(waited.value)
    return str(blocking.value)


@pytest.mark.parametrize("answer", [{"text": "<html>"}, {"json": None}])
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.remove("/f"),
        lambda client: client.make_dir("/d"),
        lambda client: client.destroy(),
        lambda client: client.renew(60),
        lambda client: client.delete_workspace("x"),
        lambda client: client.revoke_token("x"),
    ],
)
def test_nothing_is_taken_for_done_that_something_else_answered(answer, call):
    assert "not one of a Hivemind server; check the address" in told(call, 200, **answer)


@pytest.mark.parametrize("status", [307, 401, 413, 502, 503])
def test_an_error_of_what_is_in_between_is_told_with_its_status(status):
    message = told(lambda client: client.list_dir(), status, text="<html>")
    assert f"with status {status}" in message
    assert "<html>" not in message


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_a_token_may_come_from_a_file(served, hive, tokens, end):
    with HivemindClient(served, tokens.create(hive.scope("project")) + end) as client:
        assert client.info().name == "project"


@pytest.mark.parametrize("token", ["", " ", "secret\nsecret", "sécret", "secret secret"])
def test_what_is_no_token_is_refused_and_not_shown(served, token):
    with HivemindClient(served, token) as client, pytest.raises(errors.InvalidToken) as refused:
        client.info()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda of: of.stat("/\ud800"),
        lambda of: of.exists("/\ud800"),
        lambda of: of.list_dir("/\ud800"),
        lambda of: of.diff("\ud800"),
        lambda of: of.edit("/f", "x", "\ud800"),
        lambda of: of.write_text("/f", "y", tags=["\ud800"]),
        lambda of: of.write_text("/f", "y", operation_id="\ud800"),
        lambda of: of.promote("\ud800"),
        lambda of: of.renew(float("inf")),
        lambda of: of.search("x", since=float("nan")),
        lambda of: of.search("x", where={"size": object()}),
    ],
)
def test_what_cannot_be_sent_is_an_error_as_in_a_scope(served, hive, tokens, call):
    scope = hive.scope("project").spawn("run")
    scope.write_text("/f", "x")
    with HivemindClient(served, tokens.create(scope, can=["read", "write", "promote", "admin"])) as client:
        for of in (scope, client):
            with pytest.raises(errors.HivemindError):
                call(of)
    assert scope.read_text("/f") == "x"


def test_a_server_that_always_names_another_page(monkeypatch):
    monkeypatch.setattr("pydantic_hivemind.client.exchange.MAX_PAGES", 3)
    page = {"items": [], "next": "x"}
    assert "3 pages" in told(lambda client: client.list_dir("/"), 200, json=page)


def test_a_file_that_changes_each_time_it_is_read():
    def answer(request):
        stat = {"path": "/f", "is_dir": False, "size": 1, "version": "v0123456789ab", "created_at": 0, "modified_at": 0}
        stat |= {"tags": [], "scope": "a"}
        if request.url.path.endswith("/stat"):
            return httpx.Response(200, json=stat)
        return httpx.Response(200, content=b"x", headers={"ETag": '"6"'})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http, pytest.raises(errors.StoreBusy, match="changed"):
        HivemindClient("http://localhost", "x", http=http).read("/f")
