"""A store and a scope, as most tests want them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind, Scope


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Hivemind]:
    """Waits for no disk: nothing cuts the power of a test."""
    with Hivemind.open(tmp_path / "hive", durability="normal") as hive:
        yield hive


@pytest.fixture
def scope(hive: Hivemind) -> Scope:
    return hive.scope("user/ada")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a project, for workspaces on the host."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory
