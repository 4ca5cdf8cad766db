"""A search by words alone is never silent."""

import copy
import inspect
import pickle
import warnings

import pytest
from embedders import ANSWERS, Breaking
from fastapi.testclient import TestClient
from mcp import Client

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base.values import Hits
from pydantic_hivemind.client import HivemindClient
from pydantic_hivemind.errors import SearchDegraded
from pydantic_hivemind.http import create_app
from pydantic_hivemind.mcp import create_server
from pydantic_hivemind.rendering.hits import WORDS_ONLY
from pydantic_hivemind.tokens import Tokens


@pytest.fixture
def breaking():
    return Breaking()


@pytest.fixture
def scope(tmp_path, breaking):
    with Hivemind.open(tmp_path, embedder=breaking) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The cat sleeps.\n")
        scope.search("x")
        yield scope


class OnlyQueries(Breaking):
    """Embeds queries, and texts until it is told otherwise."""

    def embed_query(self, input):
        return self._function(input)


@pytest.mark.parametrize("kind", [Breaking, OnlyQueries])
def test_every_caller_is_warned(tmp_path, kind):
    """Python shows a warning once for each line; each is told where it is."""
    breaking = kind()
    with Hivemind.open(tmp_path, embedder=breaking) as hive, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        scope = hive.scope("a")
        scope.search("x")
        # Broken before there is anything to embed, which could happen in the background at once.
        breaking.answer = ANSWERS["raises"]
        scope.write_text("/a.md", "The cat sleeps.\n")
        scope.search("cat")
        line = inspect.currentframe().f_lineno - 1
        scope.search("cat")
    assert [(one.category, one.filename, one.lineno) for one in warned] == [
        (SearchDegraded, __file__, line),
        (SearchDegraded, __file__, line + 2),
    ]


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
def test_an_outage_is_logged_once(scope, breaking, caplog):
    caplog.set_level("INFO", "pydantic_hivemind")
    for _ in range(2):
        breaking.answer = ANSWERS["raises"]
        scope.search("cat")
        scope.search("dog")
        breaking.answer = None
        scope.search("cat")
    assert [record.message for record in caplog.records if record.name == "pydantic_hivemind"] == [
        "searches use the lexical ranking only: the embedder failed (ConnectionError)",
        "searches go by meaning again",
    ] * 2


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
def test_hits_say_so(scope, breaking):
    assert scope.search("cat").degraded is None
    breaking.answer = ANSWERS["raises"]
    assert scope.search("cat").degraded == "the embedder failed (ConnectionError)"
    assert scope.search("nothing of it") == []
    assert scope.search("nothing of it").degraded
    assert scope.search().degraded is None


def test_some_of_the_hits_tell_it_too():
    hits = Hits(range(5), "the embedder failed")
    for some in (hits[:2], hits[::-1], hits[1:][:1], hits.copy(), copy.copy(hits), pickle.loads(pickle.dumps(hits))):
        assert (type(some), some.degraded) == (Hits, "the embedder failed")
    assert (hits[:2], hits[-1], Hits()[:1].degraded) == ([0, 1], 4, None)


@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
def test_it_is_told_over_http(scope, breaking, tmp_path):
    with Hivemind.open(tmp_path, embedder=breaking) as hive:
        token = Tokens(hive).create("a")
        with TestClient(create_app(hive), "http://localhost") as http:
            client = HivemindClient("http://localhost", token, http=http)
            assert client.search("cat").degraded is None
            breaking.answer = ANSWERS["raises"]
            with pytest.warns(SearchDegraded, match="the embedder failed"):
                found = client.search("cat")
            assert found[:1].degraded == "the embedder failed (ConnectionError)"


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pydantic_hivemind.errors.SearchDegraded")
async def test_it_is_told_over_mcp(scope, breaking):
    async with Client(create_server(scope)) as client:
        breaking.answer = ANSWERS["raises"]
        result = await client.call_tool("hivemind_search", {"query": "cat"})
        assert WORDS_ONLY in result.content[0].text
