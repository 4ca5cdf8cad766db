"""What other processes do in tests. They do not inherit this one's Chroma, which no forked process can use."""

import multiprocessing
import os
import threading

from pydantic_hivemind import Hivemind
from pydantic_hivemind.search import indexer

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pydantic_hivemind.search.ranking", "wordllama", "chromadb", "fresh_processes"])

SMALL = 12 << 10
"""Bytes of vectors from which a scope is large, in tests: a dozen vectors."""


def start(work, *arguments):
    """Begin `work` in another process."""
    process = _processes.Process(target=work, args=arguments)
    process.start()
    return process


def run(work, *arguments):
    """Do `work` in another process; whether it went well."""
    process = start(work, *arguments)
    process.join()
    return process.exitcode == 0


def add_and_collect(directory, expected):
    """Write a file, and find so many in the collection."""
    with Hivemind.open(directory) as hive:
        scope = hive.scope("a")
        scope.write_text("/elsewhere.md", "Written elsewhere.\n")
        assert scope.collection("/").count() == expected


def search_for(directory, queries):
    """Find in each case a passage that has the query in it."""
    indexer.MAX_EXACT_BYTES = SMALL
    with Hivemind.open(directory) as hive:
        scope = hive.scope("a")
        for query in queries:
            assert query in scope.search(query)[0].text


def index_on(directory):
    """Check what the process before has left, and go on until killed."""
    indexer.MAX_EXACT_BYTES = SMALL
    with Hivemind.open(directory) as hive:
        scope = hive.scope("a")
        files = {stat.path for stat in scope.glob("**")}
        assert {hit.path for hit in scope.search("remark on", limit=100_000)} == files
        newest = scope.search(limit=1)[0]
        assert scope.search(newest.text)[0].path == newest.path
        if os.urandom(1)[0] < 64:
            assert {metadata["path"] for metadata in scope.collection("/").get()["metadatas"]} == files
        while True:
            scope.write_text(f"/{os.urandom(1).hex()}.md", f"Remark on {os.urandom(4).hex()}.\n")
            scope.search("remark")
            if os.urandom(1)[0] < 16:
                scope.collection("/")


def fork_while_searching(directory, queries):
    """Fork again and again while others search, in collections."""
    indexer.MAX_EXACT_BYTES = SMALL
    with Hivemind.open(directory) as hive:
        scope = hive.scope("a")
        scope.search("x")
        assert hive._search_service._indexer._indexes[scope._row.chain[0]].released
        done = threading.Event()

        def search():
            while not done.is_set():
                for query in queries:
                    scope.search(query)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
        done.set()
        for thread in threads:
            thread.join()


def fork_while_writing(directory):
    """Fork again and again while others write and search; the children do so too."""
    with Hivemind.open(directory, durability="normal") as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "A note about birds.\n")
        scope.search("birds")
        done = threading.Event()

        def work(number):
            while not done.is_set():
                scope.write_text(f"/{number}.md", f"A new note, {os.urandom(2).hex()}.\n")
                scope.search("birds")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(60):
            child = os.fork()
            if not child:
                scope.write_text("/child.md", "A note of a child.\n")
                os._exit(not scope.search("birds"))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        done.set()
        for thread in threads:
            thread.join()
