"""Pages of scopes and tokens: made in SQL, and as dear as the scopes that are asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_hivemind import errors
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.scope_listing import _after_all
from pydantic_hivemind.tokens import Tokens

OTHERS = 1_000


@pytest.fixture
def family(hive):
    """A scope with others under it, at several depths, among many that are not."""
    top = hive.scope("b/top")
    for number in range(5):
        child = hive.scope(f"c/{number}", parent=top)
        hive.scope(f"a/{number}", parent=child).spawn(f"d/{number}", ttl=3600)
    other = hive.scope("other")
    for number in range(OTHERS):
        hive.scope(f"b/other/{number}", parent=other if number % 2 else None)
    return top


@pytest.fixture
def fetched(monkeypatch):
    """How many rows each query returned."""
    counts = []
    rows = Transaction.rows

    def counting(self, *args, **named):
        found = rows(self, *args, **named)
        counts.append(len(found))
        return found

    monkeypatch.setattr(Transaction, "rows", counting)
    return counts


def names(infos):
    return [info.name for info in infos]


def test_those_under_one(hive, family):
    expected = [f"{letter}/{number}" for letter in "acd" for number in range(5)]
    assert names(hive.scopes(under=family)) == names(hive.scopes(under="b/top")) == expected
    assert hive.scopes(under="a/3") == [hive.scope("d/3").info()]
    assert hive.scopes(under="d/3") == []


def test_pages_join_to_the_whole(hive, family):
    whole = hive.scopes()
    assert len(whole) == OTHERS + 17
    for wanted in ({}, {"under": family}, {"prefix": "b/"}, {"under": family, "prefix": "c/"}):
        pages, after = [], ""
        while page := hive.scopes(**wanted, after=after, limit=7):
            assert len(page) <= 7
            pages += page
            after = page[-1].name
        assert pages == hive.scopes(**wanted)
        assert set(pages) <= set(whole)


def test_a_page_fetches_what_it_shows(hive, family, fetched):
    hive.scopes(under=family, limit=4)
    assert sum(fetched) <= 5
    assert len(fetched) <= 2
    fetched.clear()
    hive.scopes(prefix="b/other/9", limit=3)
    hive.scope("a/3").info()
    assert sum(fetched) < 10


@pytest.mark.sqlite
def test_a_page_looks_at_no_others(hive, family):
    """Neither does SQLite itself, which counts its steps."""
    steps = {}
    for name in ("b/top", "other"):
        scope = hive.scope(name)
        with hive._database.read() as tx:
            counted = [0]

            def count(counted=counted):
                counted[0] += 1

            tx._cursor.connection.set_progress_handler(count, 10)
        hive.scopes(under=scope, limit=3)
        steps[name] = counted[0]
        with hive._database.read() as tx:
            tx._cursor.connection.set_progress_handler(None, 0)
    assert steps["b/top"] * 10 < steps["other"]


def test_what_is_past_its_ttl_is_not_shown(hive, clock):
    top = hive.scope("top")
    run = top.spawn("run", ttl=5)
    clock.forward(6)
    assert hive.scopes(under=top) == []
    with pytest.raises(errors.ScopeGone):
        run.info()


def test_arguments(hive, tmp_path):
    with pytest.raises(errors.InvalidOption, match="empty page"):
        hive.scopes(limit=0)
    with pytest.raises(errors.ScopeNotFound):
        hive.scopes(under="nobody")
    with type(hive).open(tmp_path / "another") as another, pytest.raises(errors.InvalidScope, match="another hive"):
        hive.scopes(under=another.scope("x"))


@pytest.mark.parametrize("prefix", ["", "b", "b/", "\ud7ff", "\U0010ffff", "x\U0010ffff", "é"])
def test_prefixes(hive, prefix):
    made = [
        "a",
        "b",
        "b/",
        "b/1",
        "b0",
        "c",
        "\ud7ff!",
        "\ue000",
        "\U0010ffff",
        "\U0010ffff?",
        "x\U0010ffff!",
        "y",
        "éa",
    ]
    for name in made:
        hive.scope(name)
    assert names(hive.scopes(prefix=prefix)) == sorted(name for name in made if name.startswith(prefix))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_end_of_a_prefix(prefix, other):
    end = _after_all(prefix)
    assert prefix + other >= prefix
    assert end is None or prefix + other < end
    if end is not None and other >= prefix and not other.startswith(prefix):
        assert other >= end


def test_pages_of_tokens(hive, family, fetched):
    tokens = Tokens(hive, secret=bytes(32))
    ours = [tokens.create(name) for name in ("c/1", "b/top", "c/1", "a/2", "d/2")]
    foreign = [tokens.create(f"b/other/{number}") for number in range(20)]
    whole = tokens.list(within=family)
    assert [grant.workspace for grant in whole] == ["a/2", "b/top", "c/1", "c/1", "d/2"]
    fetched.clear()
    pages, after = [], None
    while page := tokens.list(within=family, after=after, limit=2):
        pages += page
        after = (page[-1].workspace, page[-1].created_at, page[-1].id)
    assert pages == whole
    assert sum(fetched) == len(whole)
    assert len(tokens.list()) == len(ours) + len(foreign)
    assert not tokens.revoke(tokens.verify(foreign[0]).id, within=family)
    assert tokens.revoke(tokens.verify(ours[0]).id, within=family)
    assert tokens.revoke(tokens.verify(ours[1]).id, within=family)
    assert len(tokens.list()) == 23
