"""Forks of processes that search."""

import os
import signal
from contextlib import ExitStack
from threading import Event, Thread

import pytest
from fresh_processes import fork_while_writing, start

from pydantic_hivemind import Session
from pydantic_hivemind.adapters.backends.run_reads import RunReads


def test_forks_while_others_write_and_search(tmp_path):
    process = start(fork_while_writing, tmp_path)
    process.join(120)  # it never ended, once
    process.kill()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("what", ["search", "session", "files", "workspace"])
def test_locks_that_another_thread_holds(scope, what):
    """They are open in a child, where that thread is not."""
    session, files, workspace = Session(scope), RunReads(scope), scope.workspace()
    lock, use = {
        "search": (scope._search_service._starting, lambda: scope.search("x")),
        "session": (session._starting, session.start),
        "files": (files._lock, files._lock.__enter__),
        "workspace": (workspace._opening, workspace.open),
    }[what]
    held, done = Event(), Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    with ExitStack() as ending:
        thread = Thread(target=hold)
        thread.start()
        ending.callback(thread.join)
        ending.callback(done.set)
        held.wait()
        child = os.fork()
        if not child:
            signal.alarm(60)  # it waited for good, once
            with ExitStack() as child_ending:
                child_ending.callback(os._exit, 0)
                use()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
