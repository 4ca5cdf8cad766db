"""What a search finds, and what it never does."""

import time
from datetime import datetime, timezone
from functools import reduce

import pytest

from pydantic_hivemind import Hivemind, Mount
from pydantic_hivemind.errors import InvalidOption, InvalidPath, ScopeGone, StoreClosed


def found(scope, query, **options):
    return [hit.path for hit in scope.search(query, **options)]


def test_a_passage_is_found_by_meaning_and_by_words(chain):
    project, _user, run = chain
    project.write_text("/pets.md", "The dog barks at night.\n")
    project.write_text("/cars.md", "The engine needs oil.\n")
    assert found(run, "puppy")[0] == "/pets.md"
    assert run.search("barks")[0].matched == ("dense", "lexical")
    assert run.search("puppy")[0].matched == ("dense",)


def test_the_words_of_a_path_count_from_its_mount_on(hive):
    """Those of the mount are in every path."""
    scope = hive.scope("a")
    scope.write_text("/.deep/memory/main/MEMORY.md", "I like tea.\n")
    scope.write_text("/.deep/memory/coffee/beans.md", "Roast them.\n")
    scope.write_text("/plans/deploy.md", "First this, then that.\n")
    for query in ("deep", "plans"):
        assert {hit.matched for hit in scope.search(query)} == {("dense",)}
    for query, path in (("coffee", "/.deep/memory/coffee/beans.md"), ("deploy", "/plans/deploy.md")):
        assert [hit.path for hit in scope.search(query) if "lexical" in hit.matched] == [path]


def test_a_hit_says_where_it_is(hive):
    scope = hive.scope("a")
    text = "# One\r\n\r\nFirst things.\r\n\r\n# Two\r\n\r\nThe oven is hot: mind it.\r\n"
    stat = scope.write_text("/b.md", text, tags=["kitchen", "safety"])
    hit = scope.search("hot oven")[0]
    assert hit.path == "/b.md"
    assert hit.text == "# Two\n\nThe oven is hot: mind it.\n"
    assert hit.lines == (5, 7)
    assert hit.scope == "a"
    assert hit.version == stat.version
    assert hit.tags == ("kitchen", "safety")
    assert hit.modified_at == stat.modified_at
    assert 0 < hit.score <= 1


def test_a_nearer_scope_masks_what_it_changed(chain):
    project, user, run = chain
    project.write_text("/a.md", "We use Postgres for orders.\n")
    project.write_text("/dir/b.md", "We use Redis for caching.\n")
    assert {hit.scope for hit in run.search("Postgres Redis")} == {"project"}
    user.write_text("/a.md", "We use sheets of paper.\n")
    run.remove("/dir")
    assert [(hit.path, hit.scope) for hit in run.search("Postgres Redis orders caching")] == [("/a.md", "user")]
    assert "Postgres" not in run.search("Postgres")[0].text
    assert set(found(user, "Redis")) == {"/a.md", "/dir/b.md"}
    assert {hit.scope for hit in project.search("Postgres Redis")} == {"project"}


def test_a_directory_made_anew_hides_what_was_in_it(chain):
    project, user, run = chain
    project.write_text("/dir/old.md", "The password is tulip.\n")
    user.remove("/dir")
    user.write_text("/dir/new.md", "There is a garden.\n")
    assert found(run, "tulip") == ["/dir/new.md"]


def test_a_parents_later_change_shows_through(chain):
    project, _user, run = chain
    project.write_text("/a.md", "The office is in Oslo.\n")
    assert run.search("office")[0].text == "The office is in Oslo.\n"
    project.write_text("/a.md", "The office is in Rome.\n")
    assert [hit.text for hit in run.search("office Oslo")] == ["The office is in Rome.\n"]
    project.remove("/a.md")
    assert run.search("office Oslo") == []


def test_what_is_promoted_is_found_in_the_parent(chain):
    _project, user, run = chain
    run.write_text("/.deep/memory/main/MEMORY.md", "- Deploys happen on Friday.\n")
    assert user.search("deploy") == []
    run.promote()
    assert [hit.scope for hit in user.search("deploy")] == ["user"]
    assert [hit.scope for hit in run.search("deploy")] == ["user"]
    user.restore("/.deep/memory/main/MEMORY.md")
    assert run.search("deploy") == []


def test_siblings_and_children_are_never_found(hive):
    project = hive.scope("acme")
    hive.scope("acme-corp").write_text("/a.md", "The secret is a walrus.\n")
    ada, bob = hive.scope("ada", parent=project), hive.scope("bob", parent=project)
    bob.write_text("/a.md", "The secret is a walrus.\n")
    bob.spawn().write_text("/b.md", "The secret is a walrus.\n")
    for scope in (project, ada, ada.spawn()):
        assert scope.search("secret walrus") == []
        assert scope.search() == []


def test_only_the_scope_itself(chain):
    project, user, run = chain
    project.write_text("/a.md", "Apples are red.\n")
    user.write_text("/b.md", "Apples are green.\n")
    assert found(user, "apples", chain=False) == ["/b.md"]
    assert run.search("apples", chain=False) == []


def test_filters(hive):
    scope = hive.scope("a")
    scope.write_text("/.deep/memory/main/MEMORY.md", "The lamp is on.\n", tags="home")
    scope.write_text("/plans/p.md", "The lamp is to be fixed.\n", tags=["todo", "home"])
    middle = time.time()
    scope.write_text("/lamp.md", "A lamp gives light.\n")
    everything = {"/.deep/memory/main/MEMORY.md", "/plans/p.md", "/lamp.md"}
    assert set(found(scope, "lamp")) == everything
    assert found(scope, "lamp", under="/plans") == ["/plans/p.md"]
    assert found(scope, "lamp", under="/plans/p.md") == ["/plans/p.md"]
    assert found(scope, "lamp", under="/plan") == []
    assert set(found(scope, "lamp", tags="home")) == everything - {"/lamp.md"}
    assert found(scope, "lamp", tags=["todo", "other"]) == ["/plans/p.md"]
    assert found(scope, "lamp", tags=[]) == []
    assert found(scope, "lamp", since=middle) == ["/lamp.md"]
    assert found(scope, "lamp", since=datetime.fromtimestamp(middle, timezone.utc)) == ["/lamp.md"]
    wheres = [
        ({"collection": "plans"}, {"/plans/p.md"}),
        ({"collection": {"$ne": "plans"}}, everything - {"/plans/p.md"}),
        ({"tag:home": True, "tag:todo": False}, {"/.deep/memory/main/MEMORY.md"}),
        ({"modified_at": {"$gt": middle}}, {"/lamp.md"}),
        ({"path": {"$in": ["/lamp.md", "/nowhere"]}}, {"/lamp.md"}),
        ({"path": {"$nin": ["/lamp.md"]}}, everything - {"/lamp.md"}),
        ({"$or": [{"path": "/lamp.md"}, {"collection": "memory"}]}, everything - {"/plans/p.md"}),
        ({"$and": [{"size": {"$lt": 20}}, {"tag:home": True}]}, {"/.deep/memory/main/MEMORY.md"}),
        ({"modified_at": {"$lte": middle}}, everything - {"/lamp.md"}),
        ({}, everything),
    ]
    for where, expected in wheres:
        assert set(found(scope, "lamp", where=where)) == expected, where
        assert set(found(scope, None, where=where)) == expected, where


def test_without_a_query_what_changed_last_comes_first(chain):
    project, user, run = chain
    for name, scope in (("a", user), ("b", project), ("c", run), ("d", user)):
        scope.write_text(f"/{name}.md", f"# {name}\n\nOne.\n\n# Two\n\nTwo.\n", tags=[name])
    hits = run.search()
    assert [hit.path for hit in hits] == [f"/{name}.md" for name in "ddccbbaa"]
    assert [hit.lines for hit in hits[:2]] == [(1, 4), (5, 7)]
    assert {(hit.score, hit.matched) for hit in hits} == {(0.0, ())}
    assert found(run, None, limit=3) == ["/d.md", "/d.md", "/c.md"]
    assert found(run, "  \n", tags="b") == ["/b.md", "/b.md"]


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": True},
        {"limit": "many"},
        {"where": {"color": "red"}},
        {"where": {"path": {"$like": "x"}}},
        {"where": {"path": {"$gt": "x"}}},
        {"where": {"path": ["x"]}},
        {"where": {"path": {"$in": "x"}}},
        {"where": {"$or": []}},
        {"where": ["path"]},
        {"where": {3: 4}},
        {"where": reduce(lambda inner, _: {"$and": [inner]}, range(100), {"size": 1})},
        {"since": "yesterday"},
        {"tags": 5},
        {"since": float("nan")},
        {"since": 10**400},
        {"since": datetime.min},  # noqa: DTZ901 - in no time zone is there such a moment
        {"query": b"bytes"},
    ],
)
def test_options_that_make_no_sense(hive, options):
    scope = hive.scope("a")
    scope.write_text("/a.md", "Something.\n")
    with pytest.raises(InvalidOption):
        scope.search(**{"query": "something", **options})


def test_an_invalid_path(hive):
    with pytest.raises(InvalidPath):
        hive.scope("a").search("x", under="\0")


@pytest.mark.parametrize(
    "query", ["", " ", "?", "\x00\x1b[31m", "\ud800", "the of and", "x" * 100_000, "walrus " * 20_000]
)
def test_odd_queries(hive, query):
    scope = hive.scope("a")
    assert scope.search(query) == []
    scope.write_text("/a.md", "A walrus.\n")
    assert [hit.text for hit in scope.search(query)] == ["A walrus.\n"]


def test_as_many_as_there_are(hive):
    scope = hive.scope("a")
    for number in range(300):
        scope.write_text(f"/{number}.md", f"Note {number} is about birds.\n")
    assert len(scope.search("birds", limit=1)) == 1
    assert len(set(found(scope, "birds", limit=250))) == 250
    assert len(set(found(scope, "feathers", limit=1_000_000))) == 300
    assert len(set(found(scope, "feathers", limit=10**30))) == 300
    assert len(set(found(scope, None, limit=10**30))) == 300


def test_what_is_not_indexed(tmp_path):
    with Hivemind.open(
        tmp_path, mounts=[Mount("/big", "big", indexed_bytes=100), Mount("/log", "log", indexed_bytes=0)]
    ) as hive:
        scope = hive.scope("a")
        scope.write_text("/big/1.md", "zebra " * 10)
        scope.write_text("/log/3.md", "zebra")
        scope.write_bytes("/4.bin", b"zebra\0zebra")
        scope.write_bytes("/5.bin", b"zebra\0\xff")
        scope.write_text("/6.md", "")
        assert found(scope, "zebra") == ["/big/1.md"]


def test_evicted_results_are_not_indexed(hive):
    scope = hive.scope("a")
    scope.write_text("/large_tool_results/1", "zebra")
    scope.write_text("/.deep/large_tool_results/1", "zebra")
    assert scope.search("zebra") == []


def test_a_scope_that_is_gone_and_a_closed_hive(tmp_path):
    hive = Hivemind.open(tmp_path)
    scope = hive.scope("a")
    scope.write_text("/a.md", "zebra")
    assert found(scope, "zebra") == ["/a.md"]
    scope.destroy()
    with pytest.raises(ScopeGone):
        scope.search("zebra")
    assert hive.scope("a").search("zebra") == []
    hive.close()
    with pytest.raises(StoreClosed):
        scope.search("zebra")


def test_a_file_of_blank_lines_is_no_passage(tmp_path):
    """Embedders refuse it, or make zeros of it, and then every other passage would go without a vector."""

    def embed(texts):
        return [[1.0, len(text.strip())] if text.strip() else [0.0, 0.0] for text in texts]

    with Hivemind.open(tmp_path, embedder=embed) as hive:
        scope = hive.scope("a")
        scope.write_text("/blank.md", " \n\r\n\t\n")
        scope.write_text("/long.md", "\n" * 3000 + "The cat sleeps.\n")
        found = scope.search("dog", limit=10)
        assert found.degraded is None
        assert [(hit.text, hit.lines) for hit in found] == [("The cat sleeps.\n", (3001, 3001))]
        assert [hit.path for hit in scope.search()] == ["/long.md"]
        assert scope.collection("/").count() == 1


def test_one_character_is_a_word(tmp_path):
    """In scripts without spaces, also where meaning is not looked for."""
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "\u79c1\u306e\u732b\u304c\u597d\u304d\n")
        assert scope.search("\u732b")[0].matched == ("dense", "lexical")
