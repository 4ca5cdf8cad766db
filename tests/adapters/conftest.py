"""A store and a scope for tests of adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind, Scope


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Hivemind]:
    with Hivemind.open(tmp_path / "hive", durability="normal") as hive:
        yield hive


@pytest.fixture
def scope(hive: Hivemind) -> Scope:
    return hive.scope("user/ada")
