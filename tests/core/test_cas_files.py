"""`CasFiles`: compare-and-set, operations that are done once, and what is said of a write."""

from __future__ import annotations

import threading

import pytest

from pydantic_hivemind import Scope
from pydantic_hivemind.base.values import Mutation
from pydantic_hivemind.errors import IsADirectory, NotADirectory, OperationConflict, ScopeGone, VersionConflict
from pydantic_hivemind.hive.cas_files import CasFiles, Operation
from pydantic_hivemind.ledger.version_metadata import Annotation
from pydantic_hivemind.limits import KEPT_VERSIONS


@pytest.fixture
def cas_files(scope: Scope) -> CasFiles:
    return CasFiles(scope)


@pytest.mark.sqlite  # PostgreSQL keeps no NUL characters in text.
def test_an_operation_is_done_once_whatever_it_would_write_now(cas_files: CasFiles) -> None:
    operation = Operation("id \0 of any kind", "fingerprint")
    first = cas_files.write("/n.md", b"one", expected_version=0, operation=operation)
    assert cas_files.done(operation) == Mutation(first.version, existed=False, replayed=True)
    assert cas_files.write("/n.md", b"two", expected_version=99, operation=operation) == cas_files.done(operation)
    assert cas_files.remove("/other.md", expected_version=0, operation=operation) == cas_files.done(operation)
    page = cas_files.read("/n.md")
    assert page
    assert page.data == b"one"
    with pytest.raises(OperationConflict):
        cas_files.done(Operation(operation.id, "another"))
    assert cas_files.done(Operation("another", "fingerprint")) is None


def test_an_operation_that_failed_was_not_done(cas_files: CasFiles) -> None:
    operation = Operation("id", "fingerprint")
    with pytest.raises(VersionConflict):
        cas_files.write("/n.md", b"one", expected_version=1, operation=operation)
    assert cas_files.done(operation) is None
    assert not cas_files.write("/n.md", b"one", expected_version=0, operation=operation).replayed


def test_an_annotation_is_of_one_version(scope: Scope, cas_files: CasFiles) -> None:
    said = cas_files.write("/n.md", b"one", expected_version=0, metadata="by Ada", operation=Operation("id", ""))
    page = cas_files.read("/n.md")
    assert page
    assert page.annotation == Annotation("id", "by Ada")
    assert page.version == said.version
    for write in (
        lambda: cas_files.write("/n.md", b"two", expected_version=scope.stat("/n.md").version),
        lambda: scope.write_text("/n.md", "three"),
    ):
        write()
        page = cas_files.read("/n.md")
        assert page
        assert page.annotation == Annotation()


def test_annotations_go_with_their_versions(scope: Scope, cas_files: CasFiles) -> None:
    version = 0
    for number in range(KEPT_VERSIONS + 5):
        version = cas_files.write("/n.md", b"", expected_version=version, metadata=str(number)).version or 0
    database = scope._database
    with database.read() as tx:
        cursor = tx._cursor
        cursor.execute("SELECT count(*) FROM annotations")
        assert cursor.fetchall() == [(KEPT_VERSIONS,)]
    scope.destroy()
    with database.read() as tx:
        tx._cursor.execute("SELECT count(*) FROM annotations")
        assert tx._cursor.fetchall() == [(0,)]
    with pytest.raises(ScopeGone):
        cas_files.read("/n.md")
    with pytest.raises(ScopeGone):
        cas_files.done(Operation("", ""))


def test_a_child_reads_through_and_writes_for_itself(scope: Scope, cas_files: CasFiles) -> None:
    operation = Operation("id", "")
    first = cas_files.write("/n.md", b"one", expected_version=0, metadata="by Ada", operation=operation)
    child = CasFiles(scope.spawn())
    assert child.read("/n.md") == cas_files.read("/n.md")
    assert child.done(operation) is None
    child.write("/n.md", b"two", expected_version=first.version or 0, operation=operation)
    page = cas_files.read("/n.md")
    assert page
    assert page.data == b"one"
    child.remove("/n.md", expected_version=getattr(child.read("/n.md"), "version", 0))
    assert child.read("/n.md") is None
    assert cas_files.read("/n.md")


def test_what_is_no_file_is_not_there(scope: Scope, cas_files: CasFiles) -> None:
    scope.write_text("/d/f", "")
    assert cas_files.read("/d") is None
    assert cas_files.read("/d/f/g") is None
    assert cas_files.remove("/d", expected_version=0) == Mutation(None, existed=False)
    assert scope.exists("/d/f")
    with pytest.raises(IsADirectory):
        cas_files.write("/d", b"", expected_version=0)
    with pytest.raises(NotADirectory):
        cas_files.write("/d/f/g", b"", expected_version=0)


def test_of_writers_of_one_version_one_wins(cas_files: CasFiles) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        try:
            cas_files.write("/n.md", str(number).encode(), expected_version=0)
        except VersionConflict:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = cas_files.read("/n.md")
    assert page
    assert [page.data] == [str(number).encode() for number in won]
