"""Scopes against what people use instead: LocalBackend, and an SQLite file for each session."""

from __future__ import annotations

import gc
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import chromadb
from chromadb.config import Settings
from pydantic_ai_backends import LocalBackend
from timing import Result, race

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend

TEXT = "".join(f"line {number}: what was decided and why, entry {number * 7}\n" for number in range(60))[:2048]
LIVE_SESSIONS = 10_000
PROMOTED_FILES = 1_000


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", dir=Path.cwd()) as name:
        yield Path(name)


def measure() -> list[Result]:
    with place() as directory, Hivemind.open(directory / "hive") as hive:
        project = hive.scope("project")
        user = hive.scope("user", parent=project)
        local = LocalBackend(root_dir=directory / "local", enable_execute=False)
        return [
            spawn(user, directory),
            write(user.spawn(), directory),
            write_local(user.spawn(), local),
            *reads(project, user, local),
            *beside_chroma(project, user, directory),
            promote(user, local),
            memory(user),
        ]


def spawn(user: Scope, directory: Path) -> Result:
    def sqlite_file(index: int) -> None:
        connection = sqlite3.connect(directory / f"session-{index}.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE files (path TEXT PRIMARY KEY, data BLOB)")
        connection.close()

    return race("make a session", lambda _: user.spawn(), sqlite_file, "an SQLite file each", rounds=150)


def write(run: Scope, directory: Path) -> Result:
    bare = sqlite3.connect(directory / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = FULL")
    bare.execute("CREATE TABLE files (path TEXT PRIMARY KEY, data BLOB)")
    data = TEXT.encode()

    def insert(index: int) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO files VALUES (?, ?)", (f"/notes/{index}.md", data))
        bare.execute("COMMIT")

    result = race(
        "write 2 KB, durable", lambda i: run.write_bytes(f"/notes/{i}.md", data), insert, "bare sqlite3 insert"
    )
    bare.close()
    return result


def write_local(run: Scope, local: LocalBackend) -> Result:
    backend = HivemindBackend(run)
    return race(
        "write 2 KB through the backend",
        lambda i: backend.write(f"/notes/{i}.md", TEXT),
        lambda i: local.write(f"notes/{i}.md", TEXT),
        "LocalBackend (not durable)",
    )


def reads(project: Scope, user: Scope, local: LocalBackend) -> Iterator[Result]:
    project.write_text("/.deep/memory/main/MEMORY.md", TEXT)
    local.write(".deep/memory/main/MEMORY.md", TEXT)
    for number in range(20):
        text = TEXT + ("the needle\n" if number == 7 else "")
        user.write_text(f"/src/module_{number}.py", text)
        local.write(f"src/module_{number}.py", text)
    backend = HivemindBackend(user.spawn())
    yield race(
        "read 2 KB through a chain of three",
        lambda _: backend.read("/.deep/memory/main/MEMORY.md"),
        lambda _: local.read(".deep/memory/main/MEMORY.md"),
        "LocalBackend",
    )
    yield race("list 20", lambda _: backend.ls_info("/src"), lambda _: local.ls_info("src"), "LocalBackend")
    yield race(
        "grep 20 files, one line in all",
        lambda _: backend.grep_raw("needle", "/src"),
        lambda _: local.grep_raw("needle", "src"),
        "LocalBackend",
    )
    yield race(
        "grep 20 files, one line each",
        lambda _: backend.grep_raw("entry 203$", "/src"),
        lambda _: local.grep_raw("entry 203$", "src"),
        "LocalBackend",
    )
    yield race(
        "grep 20 files, every line",
        lambda _: backend.grep_raw("decided", "/src"),
        lambda _: local.grep_raw("decided", "src"),
        "LocalBackend",
        rounds=100,
    )


def beside_chroma(project: Scope, user: Scope, directory: Path) -> Iterator[Result]:
    """The same in collections without anything in front, with a vector that costs nothing."""
    client = chromadb.PersistentClient(str(directory / "chroma"), Settings(anonymized_telemetry=False))
    files = client.create_collection("files", embedding_function=None)
    vector = [[1.0, *[0.0] * 255]]
    data = TEXT.encode()
    run = user.spawn()
    yield race(
        "make a session",
        lambda _: user.spawn(),
        lambda i: client.create_collection(f"session-{i}", embedding_function=None),
        "a raw Chroma collection each",
        rounds=150,
    )
    yield race(
        "write 2 KB, durable",
        lambda i: run.write_bytes(f"/notes/{i}.md", data),
        lambda i: files.upsert(ids=[f"/notes/{i}.md"], documents=[TEXT], embeddings=vector),
        "raw Chroma upsert",
    )
    project.write_bytes("/shared.md", data)
    files.upsert(ids=["/shared.md"], documents=[TEXT], embeddings=vector)
    yield race(
        "read 2 KB through a chain of three",
        lambda _: run.read_text("/shared.md"),
        lambda _: files.get(ids=["/shared.md"]),
        "raw Chroma get",
    )
    client.close()


def promote(user: Scope, local: LocalBackend) -> Result:
    runs = iter([_filled(user, turn) for turn in range(6)])

    def copy(index: int) -> None:
        for number in range(PROMOTED_FILES):
            local.write(f"promoted/{index}/{number}.md", TEXT)

    return race(
        f"promote {PROMOTED_FILES} files",
        lambda _: next(runs).promote(),
        copy,
        "write them with LocalBackend",
        rounds=5,
        warm_up=1,
    )


def _filled(user: Scope, turn: int) -> Scope:
    source = user.spawn()
    staging = source.spawn()
    for number in range(PROMOTED_FILES):
        staging.write_text(f"/promoted/{turn}/{number}.md", TEXT)
    staging.promote()
    staging.destroy()
    return source


def memory(user: Scope) -> Result:
    gc.collect()
    before = _resident()
    sessions = [HivemindBackend(user.spawn()) for _ in range(LIVE_SESSIONS)]
    for session in sessions[::100]:
        session.read("/.deep/memory/main/MEMORY.md")
    ours = _resident() - before
    databases: list[sqlite3.Connection] = []
    before = _resident()
    with place() as directory:
        for number in range(LIVE_SESSIONS // 100):
            connection = sqlite3.connect(directory / f"{number}.db")
            connection.execute("CREATE TABLE files (path TEXT PRIMARY KEY, data BLOB)")
            databases.append(connection)
        peer = (_resident() - before) * 100
        for connection in databases:
            connection.close()
    return Result(f"resident memory of {LIVE_SESSIONS:,} live sessions", ours, peer, "an open SQLite file each", "MB")


def _resident() -> float:
    """Resident memory of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
