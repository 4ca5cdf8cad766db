"""A search by words alone is never silent."""

import inspect
import warnings

import pytest
from embedders import ANSWERS, Breaking

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import SearchDegraded


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
