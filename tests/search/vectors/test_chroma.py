"""One scope's Chroma: what is stored, found, replaced and removed."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from index_workload import points

from pydantic_hivemind.search.vectors.chroma import ChromaUnavailable, Record, _translated, collection_name
from pydantic_hivemind.search.vectors.chroma_directories import CONTENT


@pytest.fixture(params=[True, False], ids=["directory", "memory"])
def chroma(request, pool):
    with pool.open(1, lasting=request.param) as chroma:
        yield chroma


def test_the_nearest_come_first_with_their_similarity(chroma, embedder, records):
    chroma.add("memory", records("/a", "abc", "abcabc", "xyz"))
    question = embedder.embed_query("xyzxyz")
    found = chroma.nearest("memory", question, 2)
    assert [id for id, _ in found] == ["/a#2", "/a#0"]
    for id, similarity in found:
        vector = embedder.embed([("abc", "abcabc", "xyz")[int(id[-1])]])[0]
        assert similarity == pytest.approx(float(vector @ question), abs=1e-5)
    assert len(chroma.nearest("memory", question, 100)) == 3
    assert chroma.nearest("memory", question, 0) == []


def test_many_are_found_as_by_comparing_with_all(chroma):
    stored = points("/a", 0, 1000)
    chroma.add("files", stored)
    vectors = np.array([record.vector / np.linalg.norm(record.vector) for record in stored])
    for question in vectors[::50]:
        nearest = np.argsort(-(vectors @ question))[:20]
        assert [id for id, _ in chroma.nearest("files", question, 20)] == [f"/a#{number}" for number in nearest]
    assert len(chroma.nearest("files", vectors[0], 5000)) == 1000


def test_mounts_are_apart(chroma, embedder, records):
    chroma.add("memory", records("/a", "abc"))
    chroma.add("plans", records("/b", "abc"))
    question = embedder.embed_query("abc")
    assert [id for id, _ in chroma.nearest("memory", question, 10)] == ["/a#0"]
    assert chroma.ids_of("plans", ["/a", "/b"]) == {"/b": ["/b#0"]}


def test_a_mount_that_holds_nothing(chroma, embedder):
    assert chroma.nearest("memory", embedder.embed_query("abc"), 10) == []
    assert chroma.ids_of("memory", ["/a"]) == {}
    chroma.remove("memory", ["/a#0"])
    chroma.add("memory", [])
    assert chroma.handle("memory").count() == 0
    assert chroma.nearest("memory", embedder.embed_query("abc"), 10) == []


def test_what_is_stored_can_be_added_again(chroma, records):
    """A sync that was interrupted begins again."""
    chroma.add("memory", records("/a", *["abc"] * 70))
    chroma.add("memory", records("/a", *["abc"] * 120))
    assert chroma.handle("memory").count() == 120


def test_metadata_is_replaced_wholly(chroma, records):
    chroma.add("memory", records("/a", *["abc"] * 70, old=True, size=1.5))
    chroma.update("memory", {f"/a#{number}": {"path": "/a", "new": "yes"} for number in range(60)})
    chroma.update("memory", {"/unknown#0": {"path": "/unknown"}})
    stored = chroma.handle("memory").get()
    told = dict(zip(stored["ids"], stored["metadatas"], strict=True))
    assert len(told) == 70
    assert told["/a#59"] == {"path": "/a", "new": "yes"}
    assert told["/a#60"] == {"path": "/a", "number": 60, "old": True, "size": 1.5}


def test_removed_records_are_not_found_again(chroma, embedder, records):
    chroma.add("memory", records("/a", *["abc"] * 150, "xyz"))
    chroma.remove("memory", [f"/a#{number}" for number in range(149)] + ["/unknown#0"])
    assert {id for id, _ in chroma.nearest("memory", embedder.embed_query("abc"), 200)} == {"/a#149", "/a#150"}
    assert chroma.ids_of("memory", ["/a"]) == {"/a": ["/a#149", "/a#150"]}


def test_any_text_is_stored_as_it_is(chroma, records):
    texts = ["", " ", "\x00", "a\x00b", "\r\n", "\U0001f642", "x" * 100_000]
    chroma.add("memory", records("/\U0001f642 %_'\"", *texts))
    stored = chroma.handle("memory").get()
    assert stored["documents"] == texts
    assert chroma.ids_of("memory", ["/\U0001f642 %_'\""]) == {"/\U0001f642 %_'\"": stored["ids"]}


def test_more_records_than_one_answer_of_chroma_can_have(pool):
    """Chroma's own `get` fails for these."""
    files = {f"/{number}": [f"/{number}#{chunk}" for chunk in range(75)] for number in range(450)}
    ids = [(id, path) for path, some in files.items() for id in some]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 2)).astype(np.float32)
    with pool.open(1, lasting=False) as chroma:
        handle = chroma.handle("files")
        for start in range(0, len(ids), 5000):
            some = ids[start : start + 5000]
            handle.add(
                ids=[id for id, _ in some],
                embeddings=vectors[start : start + 5000],
                metadatas=[{"path": path} for _, path in some],
            )
        with pytest.raises(Exception, match="too many SQL variables"):
            handle.get(where={"path": {"$in": list(files)}})
        found = chroma.ids_of("files", [*files, *(f"/others/{number}" for number in range(33_000))])
    assert {path: sorted(some) for path, some in found.items()} == {path: sorted(some) for path, some in files.items()}


# -- metadata that Chroma cannot be trusted with -----------------------------------------------


def test_what_chroma_does_with_lists(chromadb, tmp_path):
    client = chromadb.PersistentClient(tmp_path / "raw")
    client.create_collection("theirs", embedding_function=None).add(
        ids=["x"], embeddings=[[1.0, 0.0]], metadatas=[{"tags": ["secret"]}]
    )
    client.delete_collection("theirs")
    ours = client.create_collection("ours", embedding_function=None)
    ours.add(ids=["y"], embeddings=[[1.0, 0.0]], metadatas=[{"path": "/a"}])
    assert ours.get()["metadatas"] == [{"path": "/a", "tags": ["secret"]}]
    client.close()


@pytest.mark.parametrize("value", [["a"], [], None, {"a": 1}, ("a",), math.nan, math.inf])
def test_metadata_that_is_no_scalar_is_refused(chroma, records, value):
    chroma.add("memory", records("/a", "abc"))
    with pytest.raises(TypeError, match="metadata 'tags' must be"):
        chroma.add("memory", [*records("/b", "abc"), *records("/c", "abc", tags=value)])
    with pytest.raises(TypeError, match="metadata 'tags' must be"):
        chroma.update("memory", {"/a#0": {"path": "/a", "tags": value}})
    assert chroma.handle("memory").get()["metadatas"] == [{"path": "/a", "number": 0}]


# -- names -------------------------------------------------------------------------------------

NAMES = [
    *("memory", "files", "my-notes", "my_notes", "My_notes"),
    *("", "a", "ab", "-ab", "ab-", "a b", "a/b", "a.b", "a..b", "127.0.0.1", "ä", "\U0001f642", "a\nb", "memory\n"),
    *("x" * 512, "x" * 513, "x" * 5000, "mount-memory", collection_name("a b")),
]


def test_mounts_of_any_name_have_collections_of_their_own(chroma, records):
    for number, name in enumerate(NAMES):
        chroma.add(name, records(f"/{number}", "abc"))
    for number, name in enumerate(NAMES):
        assert chroma.handle(name).get()["ids"] == [f"/{number}#0"]
    assert chroma.handle("memory").name == "memory"
    assert chroma.handle("my-notes").name == "my-notes"


# -- collections that are handed out -----------------------------------------------------------


def test_a_handle_is_the_collection_with_our_embedder(chroma, records):
    chroma.add("memory", records("/a", "abc", "xyz"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handle = chroma.handle("memory")
        answer = handle.query(query_texts=["zyx"], n_results=1, where={"path": "/a"})
        assert handle.configuration["hnsw"]["space"] == "cosine"
        handle.add(ids=["mine"], documents=["klm"])
    assert answer["documents"] == [["xyz"]]
    assert answer["metadatas"] == [[{"path": "/a", "number": 1}]]
    assert chroma.nearest("memory", records("/b", "klm")[0].vector, 1)[0][0] == "mine"


def test_other_chroma_tools_can_read_a_closed_scope(chromadb, pool, records, root):
    with pool.open(1, lasting=True) as chroma:
        chroma.add("memory", records("/a", "abc"))
    pool.close()
    client = chromadb.PersistentClient(root / "1" / CONTENT)
    stored = client.get_collection("memory").get(include=["documents", "metadatas", "embeddings"])
    assert stored["documents"] == ["abc"]
    assert stored["metadatas"] == [{"path": "/a", "number": 0}]
    client.close()


def test_settings_around_are_not_ours(pool, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("IS_PERSISTENT=maybe\nANONYMIZED_TELEMETRY=true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "true")
    monkeypatch.setenv("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://127.0.0.1:1")
    with pool.open(1, lasting=True) as chroma:
        settings = chroma.handle("memory")._client._system.settings
    assert settings.anonymized_telemetry is False
    assert not settings.chroma_otel_collection_endpoint
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "chroma"]


# -- failures ----------------------------------------------------------------------------------


def test_errors_of_chroma_do_not_come_out(chroma, embedder, records):
    chroma.add("memory", records("/a", "abc"))
    with pytest.raises(ChromaUnavailable, match=r"^Chroma failed"):
        chroma.add("memory", [Record("/b#0", "abc", np.ones(3, np.float32), {"path": "/b"})])
    with pytest.raises(ChromaUnavailable, match="closed or has failed"):
        chroma.nearest("memory", embedder.embed_query("abc"), 1)


def test_a_panic_is_an_error_and_an_interrupt_is_not(chromadb, tmp_path):
    client = chromadb.PersistentClient(tmp_path / "raw")
    with pytest.raises(ChromaUnavailable, match="panic"), _translated():
        client.create_collection("list", metadata={"a": [1]}, embedding_function=None)
    with pytest.raises(KeyboardInterrupt), _translated():
        raise KeyboardInterrupt
