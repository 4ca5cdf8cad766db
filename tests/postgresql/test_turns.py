"""Who waits for whom: writes to one tree of scopes take turns, and nobody else waits."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import connect, opened
from forked_processes import fork, join

from pydantic_hivemind import errors
from pydantic_hivemind.ledger.engine import postgresql


@pytest.fixture
def writer(hive, url):
    """In the middle of a write to the tree of `held`, which does not end by itself."""
    root = hive.scope("held")
    root.write_text("/f", "x")
    with connect(url, autocommit=True) as writer:
        writer.execute("SET search_path = hivemind")
        postgresql.PostgresDriver(url).begin_write(writer.cursor(), root._row.chain, postgresql.BUSY_SECONDS)
        writer.execute("UPDATE versions SET data = 'half'")
        yield writer


@pytest.fixture
def held(hive, writer):
    return hive.scope("held")


def test_reading_does_not_wait(hive, held):
    assert held.read_text("/f") == "x"
    assert len(held.grep("x")) == len(held.history("/f")) == len(held.search("x")) == 1
    assert hive.scope("held") == held
    assert [info.name for info in hive.scopes()] == ["held"]


def test_other_trees_do_not_wait(hive, held):
    other = hive.scope("other")
    run = other.spawn()
    run.write_text("/f", "y")
    assert run.promote().applied == ("/f",)
    run.destroy()
    assert other.read_text("/f") == "y"


def test_the_same_tree_waits_its_turn(held, writer):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(held.write_text, "/g", "y")
        assert not waiting.done()
        assert not held.exists("/g")
        writer.execute("ROLLBACK")
        waiting.result()
    assert held.read_text("/g") == "y"


def test_who_waits_too_long_is_told(url, held, monkeypatch):
    monkeypatch.setattr(postgresql, "BUSY_SECONDS", 1)
    with opened(url) as impatient, pytest.raises(errors.StoreBusy, match="try again"):
        impatient.scope("held").write_text("/g", "y")
    assert not held.exists("/g")


def test_who_stops_in_the_middle_loses_the_turn(hive, url, monkeypatch):
    """As a process that is paused, or whose host is gone."""
    scope = hive.scope("a")
    monkeypatch.setattr(postgresql, "BUSY_SECONDS", 1)
    with opened(url) as paused, pytest.raises(errors.StoreUnreachable), paused._database.write(scope._row.chain):
        scope.write_text("/f", "x")
    assert scope.read_text("/f") == "x"


def write_until_killed(url, pipe):
    with opened(url) as hive:
        run = hive.scope("project").spawn("run", attach=True)
        number = 0
        while True:
            number += 1
            for name in ("/a", "/b"):
                run.write_text(name, str(number))
            run.promote(on_conflict="take_source")
            os.write(pipe, f"{number}\n".encode())


def test_a_killed_writer_leaves_no_lock_and_no_half(url):
    opened(url).close()
    for round in range(8):
        reader, writer = os.pipe()
        process = fork(write_until_killed, url, writer)
        os.close(writer)
        with open(reader, encoding="utf-8") as pipe:
            acknowledged = [int(pipe.readline()) for _ in range(round + 1)][-1]
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        with opened(url) as hive:
            project = hive.scope("project")
            first, second = project.read_text("/a"), project.read_text("/b")
            assert first == second
            assert int(first) >= acknowledged
            project.write_text("/after", "x")
            hive.scope("project").destroy(cascade=True)


def make_the_same(url, gate):
    os.read(gate, 1)
    with opened(url) as hive:
        for number in range(20):
            hive.scope(f"scope-{number}", parent=hive.scope(f"root-{number}")).write_text(f"/{os.getpid()}", "x")


def test_processes_that_make_the_same_scopes(url):
    gate, opener = os.pipe()
    processes = [fork(make_the_same, url, gate) for _ in range(6)]
    os.write(opener, b"x" * 6)
    assert join(processes)
    os.close(gate)
    os.close(opener)
    with opened(url) as hive:
        assert len(hive.scopes()) == 40
        assert all(len(hive.scope(f"scope-{number}").list_dir()) == 6 for number in range(20))


def test_sessions_end_while_others_make_them(hive):
    """Purging crosses trees, and nobody waits for each other in a circle."""
    roots = [hive.scope(f"root-{number}") for number in range(4)]
    stop = threading.Event()

    def work(root):
        count = 0
        while not stop.is_set():
            run = root.spawn(ttl=0.02)
            try:
                run.write_text("/f", "x")
                run.promote()
            except errors.ScopeGone:
                pass
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, root) for root in roots]
        threading.Timer(2, stop.set).start()
        assert all(worker.result() for worker in workers)
    hive.gc(compact=False)


def test_the_name_of_another_tree(hive):
    hive.scope("one").spawn("taken")
    with pytest.raises(errors.ScopeExists):
        hive.scope("two").spawn("taken")
