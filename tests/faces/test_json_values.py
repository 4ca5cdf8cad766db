"""Values have one JSON: that of `to_json_value`, of pydantic, of FastAPI handlers, and of `hivemind serve`."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from typing import Any, get_origin

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from pydantic_hivemind import Hit, Hits, Hivemind
from pydantic_hivemind.base import values
from pydantic_hivemind.base.json_values import from_json, to_json_value
from pydantic_hivemind.http import create_app
from pydantic_hivemind.tokens import ACTIONS, Tokens

VALUES = [kind for kind in vars(values).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
BINARY = b"\xff\x00\xfa"


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Every value of a type; JSON has no other floats than the finite ones."""
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is str:
        return st.text(st.characters(exclude_categories=["Cs"]))
    if hint is int:
        return st.integers(0, 2**53)
    if get_origin(hint) is tuple:
        first, *others = typing.get_args(hint)
        each = strategy(first)
        return st.lists(each, max_size=2).map(tuple) if others == [...] else st.tuples(*map(strategy, (first, *others)))
    if get_origin(hint) in (typing.Union, type(int | None)):
        return st.one_of(*map(strategy, typing.get_args(hint)))
    if dataclasses.is_dataclass(hint):
        return st.builds(hint, **{name: strategy(each) for name, each in typing.get_type_hints(hint).items()})
    return st.from_type(hint)


def test_values_are_frozen_dataclasses():
    """Or a list of them, as there is something to say of all that a search found, or a promotion would change."""
    defined = [kind for kind in vars(values).values() if getattr(kind, "__module__", "") == values.__name__]
    assert [kind for kind in defined if isinstance(kind, type) and kind not in VALUES] == [values.Hits, values.Changes]
    assert {kind.__name__ for kind in VALUES} >= {
        "Stat",
        "File",
        "Match",
        "Hit",
        "Version",
        "Change",
        "PromotionReport",
    }
    for kind in VALUES:
        assert kind.__dataclass_params__.frozen
        assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_both_ways_to_json_are_the_same_and_lead_back(kind: type) -> None:
    @given(strategy(kind))
    def check(value: object) -> None:
        document = to_json_value(value)
        assert document == TypeAdapter(kind).dump_python(value, mode="json")
        assert from_json(kind, json.dumps(document)) == value

    check()


def test_bytes_can_be_read_by_people():
    change = values.Change("/f", "modified", "älter".encode(), BINARY)
    document = to_json_value(change, readable_bytes=True)
    assert (document["before"], document["after"]) == ("älter", {"base64": "/wD6"})
    assert to_json_value(change)["after"] == "/wD6"
    assert to_json_value({"x": math.nan, 1: [math.inf]}) == {"x": None, "1": [None]}


@pytest.mark.parametrize("text", ["-_-_", "eA=", "eA", "e A==", "eA==\n", "é", "=", "eA==eA=="])
def test_what_is_no_base64_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        from_json(values.Conflict, json.dumps({"path": "/f", "base": text, "ours": None, "theirs": None}))


@pytest.fixture
def run(tmp_path):
    """A scope that has one of everything, in conflict with its parent."""
    with Hivemind.open(tmp_path / "hive", durability="normal") as hive:
        project = hive.scope("project")
        run = hive.scope("run", project)
        run.write_text("/notes.md", "We deploy with Argo.", tags=["ops"])
        run.write_bytes("/conflict", BINARY)
        project.write_bytes("/conflict", BINARY[::-1])
        yield run


def test_a_fastapi_app_returns_values_as_the_server_does(run, tmp_path):
    """Each handler only says what it returns."""
    app = FastAPI()
    report = run.promote(dry_run=True)

    @app.get("/stat")
    def stat() -> values.Stat:
        return run.stat("/notes.md")

    @app.get("/file")
    def file() -> values.File:
        return run.read("/conflict")

    @app.get("/list_dir")
    def list_dir() -> list[values.Stat]:
        return run.list_dir("/")

    @app.get("/grep")
    def grep() -> list[values.Match]:
        return run.grep("Argo")

    @app.get("/search")
    def search() -> Hits:
        return run.search("deploy")

    @app.get("/hits")
    def hits() -> list[Hit]:
        return run.search("deploy")

    @app.get("/history")
    def history() -> list[values.Version]:
        return run.history("/notes.md")

    @app.get("/diff")
    def diff() -> list[values.Change]:
        return run.diff()

    @app.get("/promote")
    def promote() -> values.PromotionReport:
        return report

    app.mount("/served", create_app(hive := Hivemind.open(tmp_path / "hive"), hosts=["testserver"]))
    token = Tokens(hive).create(hive.scope("run"), can=ACTIONS)
    with hive, TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:

        def ours(what: str) -> Any:
            return client.get(f"/{what}").raise_for_status().json()

        def theirs(method: str, what: str, **asked: Any) -> Any:
            return client.request(method, f"/served/v1/{what}", **asked).raise_for_status().json()

        assert ours("stat") == theirs("GET", "stat", params={"path": "/notes.md"})
        assert ours("list_dir") == theirs("GET", "list_dir")["items"]
        assert ours("grep") == theirs("GET", "grep", params={"pattern": "Argo"})["items"]
        assert ours("history") == theirs("GET", "history", params={"path": "/notes.md"})["items"]
        assert ours("diff") == theirs("GET", "diff")["items"]
        assert ours("search") == theirs("POST", "search", json={"query": "deploy"})
        assert ours("hits") == to_json_value(list(run.search("deploy")))
        assert ours("promote") == theirs("POST", "promote", json={"dry_run": True}) | {"id": report.id}
        assert ours("file") == to_json_value(run.read("/conflict"))
        assert ours("file")["data"] == "/wD6"
        assert ours("diff")[0]["before"] == "+gD/"
        served, own = app.openapi()["components"]["schemas"], theirs("GET", "../openapi.json")["components"]["schemas"]
        for name in ("Stat", "Hit", "Version", "Change", "PromotionReport"):
            assert served[name] == own[name]
