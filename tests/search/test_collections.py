"""The collections of a scope are what it has, in Chroma."""

import pytest
from collection_records import records_of
from fresh_processes import add_and_collect, run

from pydantic_hivemind import Hivemind
from pydantic_hivemind.errors import InvalidOption


def test_a_collection_is_the_real_thing_and_up_to_date(hive):
    import chromadb

    scope = hive.scope("a")
    scope.write_text("/.deep/memory/main/MEMORY.md", "- The cat sleeps.\n- The dog barks.\n", tags=["pets"])
    scope.write_text("/plans/p.md", "Buy a boat.\n")
    scope.write_text("/n.md", "Nothing.\n")
    memory = scope.collection("/.deep/memory/main")
    assert isinstance(memory, chromadb.Collection)
    assert records_of(memory) == [
        ("/.deep/memory/main/MEMORY.md", 1, 1, "- The cat sleeps.\n"),
        ("/.deep/memory/main/MEMORY.md", 2, 2, "- The dog barks.\n"),
    ]
    assert memory.query(query_texts=["kitten"], n_results=1)["documents"] == [["- The cat sleeps.\n"]]
    assert memory.get(where={"tag:pets": True}, include=[])["ids"] == memory.get(include=[])["ids"]
    assert records_of(scope.collection("/plans")) == [("/plans/p.md", 1, 1, "Buy a boat.\n")]
    assert records_of(scope.collection("/")) == [("/n.md", 1, 1, "Nothing.\n")]

    stat = scope.write_text("/.deep/memory/main/MEMORY.md", "- A first line.\n- The cat sleeps.\n", tags=["x"])
    scope.remove("/plans/p.md")
    memory = scope.collection("/.deep/memory")
    assert records_of(memory) == [
        ("/.deep/memory/main/MEMORY.md", 1, 1, "- A first line.\n"),
        ("/.deep/memory/main/MEMORY.md", 2, 2, "- The cat sleeps.\n"),
    ]
    for metadata in memory.get(include=["metadatas"])["metadatas"]:
        assert metadata["version"] == stat.version
        assert metadata["modified_at"] == pytest.approx(stat.modified_at, abs=1e-3)
        assert {key for key in metadata if key.startswith("tag:")} == {"tag:x"}
    assert records_of(scope.collection("/plans")) == []


def test_the_same_passage_several_times(hive):
    scope = hive.scope("a")
    scope.write_text("/1.md", "- Same.\n- Same.\n- Other.\n")
    scope.write_text("/2.md", "- Same.\n")
    scope.write_text("/odd#name.1", "- Same.\n")
    assert len(records_of(scope.collection("/"))) == 5
    scope.write_text("/1.md", "- Same.\n- Other.\n")
    assert records_of(scope.collection("/")) == [
        ("/1.md", 1, 1, "- Same.\n"),
        ("/1.md", 2, 2, "- Other.\n"),
        ("/2.md", 1, 1, "- Same.\n"),
        ("/odd#name.1", 1, 1, "- Same.\n"),
    ]


def test_a_collection_has_what_the_scope_itself_has(chain):
    project, user, run = chain
    project.write_text("/a.md", "Project.\n")
    user.write_text("/b.md", "User.\n")
    run.write_text("/c.md", "Run.\n")
    assert [text for *_, text in records_of(run.collection("/"))] == ["Run.\n"]
    assert [text for *_, text in records_of(user.collection("/"))] == ["User.\n"]
    run.promote()
    assert records_of(run.collection("/")) == []
    assert [text for *_, text in records_of(user.collection("/"))] == ["User.\n", "Run.\n"]


def test_a_mount_that_is_not_indexed_has_no_collection(hive):
    with pytest.raises(InvalidOption, match="evicted"):
        hive.scope("a").collection("/large_tool_results")


def test_it_is_there_again_after_a_restart(tmp_path):
    for text in ("One.\n", "Two.\n", "Three.\n"):
        with Hivemind.open(tmp_path) as hive:
            scope = hive.scope("a")
            scope.write_text("/a.md", text)
            assert [text for *_, text in records_of(scope.collection("/"))] == [text]


def test_a_destroyed_scope_leaves_nothing(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        child = hive.scope("child", parent=scope)
        for each in (scope, child):
            each.write_text("/a.md", "One.\n")
            each.collection("/")
        assert len(list((tmp_path / "collections").iterdir())) == 2
        scope.destroy(cascade=True)
    left = [path for path in (tmp_path / "collections").rglob("*") if path.stat().st_size and path.is_file()]
    assert left == []


def test_two_processes_each_have_it(tmp_path):
    with Hivemind.open(tmp_path) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "One.\n")
        mine = scope.collection("/")

        assert run(add_and_collect, tmp_path, 2)
        assert len(records_of(mine)) == 1
        assert len(records_of(scope.collection("/"))) == 2
