"""Which vectors the ledger keeps, while several processes write the same passages."""

from contextlib import ExitStack

import pytest
from databases import opened

from pydantic_hivemind.ledger import chunk_vectors
from pydantic_hivemind.search.indexer import Indexer

TEXT = "The cat sleeps.\n"


@pytest.fixture
def two(place, monkeypatch):
    """A scope as two processes have it, both of which know a passage; nothing is done in the background."""
    monkeypatch.setattr(Indexer, "touched", lambda indexer, chain: None)
    with ExitStack() as ending:
        one, other = (ending.enter_context(opened(place)).scope("a") for _ in range(2))
        for scope in (one, other):
            scope.write_text("/a.md", TEXT)
            scope.search("kitten")
        yield one, other


def kept(scope):
    indexer = scope._search_service._indexer
    with indexer._database.read() as tx:
        return len(chunk_vectors.hashes(tx, scope._row.chain[0], indexer.embedder.fingerprint))


def test_a_passage_that_is_no_more(two):
    one, _ = two
    one.remove("/a.md")
    one.search("kitten")
    one._search_service._indexer._keep_up(one._row.chain)
    assert kept(one) == 0


def test_a_passage_that_another_process_wrote_again(two):
    """What it found there is still needed."""
    one, other = two
    one.remove("/a.md")
    one.search()
    other.search()
    other.write_text("/b.md", TEXT)
    other.search("kitten")
    indexer = one._search_service._indexer
    index = indexer._indexes[one._row.chain[0]]
    indexer.embed(index, one._row.chain)
    assert kept(one) == 1
    other.remove("/b.md")
    one.search()
    indexer.embed(index, one._row.chain)
    assert kept(one) == 0


def test_a_passage_that_is_written_again_while_vectors_are_made_anew(two, monkeypatch):
    one, other = two
    one.remove("/a.md")
    other.search()
    one.search()
    hashes = chunk_vectors.hashes

    def then_written(*arguments):
        monkeypatch.setattr(chunk_vectors, "hashes", hashes)
        found = hashes(*arguments)
        other.write_text("/b.md", TEXT)
        other.search("kitten")
        return found

    monkeypatch.setattr(chunk_vectors, "hashes", then_written)
    one._search_service.reindex(None, drop_others=True)
    assert kept(one) == 1
    other.remove("/b.md")
    one._search_service.reindex(None, drop_others=True)
    assert kept(one) == 0
