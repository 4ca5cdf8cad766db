"""What is wrong with what was sent is told in few words, and costs no more than it is worth."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from fastapi.testclient import TestClient
from mcp import Client

from pydantic_hivemind.base.validation import MAX_PLACE_CHARS, MAX_REASON_CHARS, StrictModel, TextList, reasons
from pydantic_hivemind.http import create_app
from pydantic_hivemind.limits import MAX_JSON_BYTES
from pydantic_hivemind.mcp import create_server
from pydantic_hivemind.tokens import ACTIONS, Tokens

MANY = MAX_JSON_BYTES // 2 - 100
WRONG = {
    "wrong texts": ("tag", b'{"path":"/f","tags":[' + b",".join([b"1"] * MANY) + b"]}"),
    "wrong actions": ("spawn", b'{"can":[' + b",".join([b"1"] * MANY) + b"]}"),
    "fields that nobody knows": (
        "make_dir",
        b'{"path":"/f",' + b",".join(b'"%x":1' % number for number in range(MANY // 6)) + b"}",
    ),
    "a long name of a field": ("make_dir", json.dumps({"path": "/f", "x" * MANY: 1}).encode()),
    "a long word": ("promote", json.dumps({"on_conflict": "x" * MANY, "strategy": "x" * MANY}).encode()),
}


@pytest.fixture
def client(hive):
    token = Tokens(hive).create(hive.scope("run"), can=ACTIONS)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with TestClient(create_app(hive), "http://localhost", headers=headers) as client:
        yield client


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_not_multiplied(client, what):
    """A megabyte of it was answered with 25 MB, and took 545 MB of memory."""
    address, body = WRONG[what]
    client.get("/health")
    tracemalloc.start()
    answer = client.post(f"/v1/{address}", content=body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 422
    assert len(answer.content) < 2000
    assert peak < 40 * len(body)


def test_a_few_mistakes_are_told_together(client):
    detail = client.post("/v1/edit", json={"path": 1, "old": 2, "nwe": "x"}).json()["detail"]
    assert detail.split("; ") == [
        "body.path: Input should be a valid string",
        "body.old: Input should be a valid string",
        "body.new: Field required",
        "body.nwe: Extra inputs are not permitted",
    ]


class Order(StrictModel):
    tags: TextList = []


def test_reasons():
    errors = [{"loc": ("body", "x" * 1000), "msg": "y" * 1000}] * 1000
    told = reasons(errors).split("; ")
    assert len(told) == 6
    assert told[-1] == "and more"
    assert len(told[0]) == MAX_PLACE_CHARS + 2 + MAX_REASON_CHARS
    assert Order(tags=["x"]).tags == ["x"]
    with pytest.raises(ValueError, match="no fields but tags"):
        Order(**{f"x{number}": 1 for number in range(1000)})
    with pytest.raises(ValueError, match="1 validation error"):
        Order(tags=[1] * 1000)


@pytest.mark.anyio
async def test_mistakes_in_calls_of_tools(hive):
    async with Client(create_server(hive.scope("run"))) as client:
        for wrong in ({"tags": [1] * 10_000}, {f"x{number}": 1 for number in range(10_000)}, {"x" * 10_000: 1}):
            result = await client.call_tool("hivemind_write", {"path": "/f", "content": "", **wrong})
            assert result.is_error
            assert len(result.content[0].text) < 1000
