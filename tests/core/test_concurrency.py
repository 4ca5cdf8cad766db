"""Many processes and threads on one store: every acknowledged change is in the result."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from databases import opened
from forked_processes import fork, join
from ledger_integrity import check_layers

from pydantic_hivemind.errors import VersionConflict
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE

MEMORY = "/.deep/memory/main/MEMORY.md"
PROCESSES, THREADS, READERS, ROUNDS = 8, 16, 3, 8


def work(hive, worker):
    """Edit one file that all edit, write files, and promote runs into memory that all promote into."""
    project = hive.scope("project")
    for number in range(ROUNDS):
        project.edit("/log.txt", "END", f"{worker}.{number}\nEND")
        project.write_text(f"/files/{worker}/{number}", str(number))
        run = project.spawn()
        run.edit(MEMORY, "# Memory\n", f"# Memory\n- {worker}.{number}\n")
        run.write_text(f"/runs/{worker}", str(number))
        assert run.promote().conflicts == ()
        run.destroy()


def work_in_a_process(place, worker):
    with opened(place) as hive:
        work(hive, worker)


def test_processes_and_threads_lose_nothing(place):
    with opened(place) as hive:
        project = hive.scope("project")
        project.write_text("/log.txt", "END")
        project.write_text(MEMORY, "# Memory\n")
    processes = [fork(work_in_a_process, place, f"process-{number}") for number in range(PROCESSES)]
    workers = [f"thread-{number}" for number in range(THREADS)]
    with opened(place) as hive:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda worker: work(hive, worker), workers))
        assert join(processes)
        workers += [f"process-{number}" for number in range(PROCESSES)]
        expected = sorted(f"{worker}.{number}" for worker in workers for number in range(ROUNDS))
        project = hive.scope("project")
        assert sorted(project.read_text("/log.txt").split()[:-1]) == expected
        assert sorted(line[2:] for line in project.read_text(MEMORY).splitlines()[1:]) == expected
        assert len(project.glob("files/**")) == len(expected)
        assert {project.read_text(f"/runs/{worker}") for worker in workers} == {str(ROUNDS - 1)}
        assert project.children == ()
        check_layers(hive)


def test_compare_and_set_counts_right(place):
    """A counter that threads raise by reading, adding and writing with the version they read."""
    with opened(place) as hive:
        scope = hive.scope("a")
        scope.write_text("/count", "0")

        def add(_):
            while True:
                file = scope.read("/count")
                try:
                    scope.write_text("/count", str(int(file.text) + 1), expected_version=file.stat.version)
                    return
                except VersionConflict:
                    continue

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add, range(80)))
        assert scope.read_text("/count") == "80"


def test_one_operation_id_in_many_threads_is_done_once(place):
    with opened(place) as hive:
        scope = hive.scope("a")
        scope.write_text("/f", "a")
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: scope.edit("/f", "a", "aa", operation_id="once"), range(24)))
        assert scope.read_text("/f") == "aa"
        assert len(set(outcomes)) == 1


def test_readers_see_whole_states(place):
    """Two files that are always promoted together are never seen apart by one grep."""
    with opened(place) as hive:
        project = hive.scope("project")
        begun, stop = threading.Semaphore(0), threading.Event()

        def promote():
            for _ in range(READERS):
                begun.acquire()
            run = project.spawn()
            for number in range(60):
                run.write_text("/x", f"n {number}")
                run.write_text("/y", f"n {number}")
                run.promote()
            stop.set()

        def read():
            begun.release()
            while not stop.is_set():
                lines = {match.line for match in project.grep("^n ")}
                assert len(lines) <= 1

        with ThreadPoolExecutor(READERS + 1) as pool:
            for done in [pool.submit(promote), *(pool.submit(read) for _ in range(READERS))]:
                done.result()


@pytest.mark.sqlite
def test_reading_does_not_wait_for_a_write(place):
    """Reads that waited would raise `StoreBusy`, as the write never ends."""
    with opened(place) as hive, closing(sqlite3.connect(Path(place, LEDGER_FILE), isolation_level=None)) as writer:
        project = hive.scope("project")
        run = project.spawn()
        run.write_text("/f", "x")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM scopes")
        assert hive.scope("project").children == (run,)
        assert [scope.name for scope in hive.scopes()] == ["project", run.name]
        assert run.read_text("/f") == "x"
        assert len(run.list_dir()) == len(run.glob("**")) == len(run.grep("x")) == len(run.history("/f")) == 1
        assert [change.path for change in run.diff()] == ["/f"]
        assert run.conversations() == run.conversation("c").load() == run.checkpoints().list_all() == []


def open_first(place, gate, number):
    os.read(gate, 1)
    with opened(place) as hive:
        scope = hive.scope("shared", parent=hive.scope("root"))
        scope.write_text(f"/{number}", "x")


def test_eight_processes_open_a_new_store_at_once(place):
    """One makes it, the others wait; all get the same scope."""
    gate, opener = os.pipe()
    processes = [fork(open_first, place, gate, number) for number in range(PROCESSES)]
    os.write(opener, b"x" * PROCESSES)
    assert join(processes)
    os.close(gate)
    os.close(opener)
    with opened(place) as hive:
        assert [info.name for info in hive.scopes()] == ["root", "shared"]
        assert len(hive.scope("shared").list_dir()) == PROCESSES


def test_threads_that_make_one_scope(place):
    with opened(place) as hive, ThreadPoolExecutor(8) as pool:
        scopes = list(pool.map(lambda _: hive.scope("shared"), range(32)))
        assert len(set(scopes)) == 1


def test_a_forked_child_goes_on_with_an_open_hive(place):
    """In both, and what the child wrote stays although the parent closes the store meanwhile."""
    hive = opened(place)
    scope = hive.scope("a")
    with ThreadPoolExecutor(4) as pool:  # Leaves connections in the pool.
        list(pool.map(lambda number: scope.write_text(f"/before/{number}", "x"), range(40)))
    gate, opener = os.pipe()

    def child():
        scope.write_text("/child/first", "x")
        os.read(gate, 1)
        for number in range(50):
            scope.write_text(f"/child/{number}", "x")

    process = fork(child)
    for number in range(50):
        scope.write_text(f"/parent/{number}", "x")
    hive.close()
    with opened(place) as other:
        other.scope("a").write_text("/other", "x")
    os.write(opener, b"x")
    assert join([process])
    os.close(gate)
    os.close(opener)
    with opened(place) as again:
        scope = again.scope("a")
        counts = [len(scope.list_dir(path)) for path in ("/before", "/parent", "/child")]
        assert (*counts, scope.exists("/other")) == (40, 50, 51, True)


def test_a_fork_of_many_threads(place):
    """Forked while other threads write: the child does not inherit their locks."""
    with opened(place) as hive:
        scope = hive.scope("a")
        stop = threading.Event()

        def write(worker):
            number = 0
            while not stop.is_set():
                number += 1
                scope.write_text(f"/{worker}", str(number))
            return number

        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(write, worker) for worker in "xyz"]
            processes = [fork(scope.write_text, f"/child-{number}", "x") for number in range(10)]
            assert join(processes)
            stop.set()
            counts = [writer.result() for writer in writers]
        assert all(counts)
        assert [scope.read_text(f"/{worker}") for worker in "xyz"] == [str(count) for count in counts]
        assert len(scope.glob("child-*")) == 10
