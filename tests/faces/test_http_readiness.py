"""`/health` says that the server lives, `/ready` that the store can be written, whoever asks and however often."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from databases import connect
from fastapi.testclient import TestClient

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.http import create_app, readiness
from pydantic_hivemind.ledger.engine import postgresql, sqlite


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.05)


@contextmanager
def kept(place: str) -> Iterator[None]:
    """Somebody else writes, and does not end."""
    if "://" in place:
        with closing(connect(place)) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [postgresql.LOCK_SPACE])
            yield
    else:
        with closing(sqlite3.connect(f"{place}/{sqlite.LEDGER_FILE}", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield


def ready(client: TestClient) -> tuple[int, str]:
    """Ask when no earlier answer holds any more."""
    anyio.run(anyio.sleep, 0.1)
    answer = client.get("/ready")
    said = answer.json()
    return answer.status_code, said.get("error") or said["status"]


def test_a_server_lives_whatever_the_store_does(place, hive):
    with TestClient(create_app(hive), "http://localhost") as client:
        assert ready(client) == (200, "ready")
        with kept(place):
            assert client.get("/health").json() == {"status": "ok"}
            assert ready(client) == (503, "StoreBusy")
        assert ready(client) == (200, "ready")
        hive.close()
        assert client.get("/health").status_code == client.head("/health").status_code == 200
        assert ready(client) == (503, "StoreClosed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.mark.parametrize("left", [0, 100_000])
def test_a_full_disk_is_not_ready(small_disk, left):
    """Also where a few bytes could still be written into what SQLite has already."""
    with Hivemind.open(small_disk / "hive") as hive, TestClient(create_app(hive), "http://localhost") as client:
        assert ready(client) == (200, "ready")
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
        assert ready(client) == (503, "StoreFull")
        assert str(small_disk) not in client.get("/ready").text
        ballast.unlink()
        assert ready(client) == (200, "ready")


def test_everybody_who_asks_shares_one_write(hive, monkeypatch):
    asked = []

    def check(_hive, _seconds):
        asked.append(1)
        raise errors.StoreReadOnly("not in /srv")

    monkeypatch.setattr(readiness, "READY_SECONDS", 60)
    monkeypatch.setattr(readiness, "check_writing", check)

    async def ask() -> list[int]:
        transport, statuses = httpx.ASGITransport(create_app(hive)), []

        async def one(client: httpx.AsyncClient) -> None:
            answer = await client.get("/ready")
            assert "/srv" not in answer.text
            statuses.append(answer.status_code)

        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for _ in range(2):
                async with anyio.create_task_group() as group:
                    for _ in range(20):
                        group.start_soon(one, client)
        return statuses

    assert anyio.run(ask) == [503] * 40
    assert len(asked) == 1
