"""A store and its tokens, for tests of the faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.auth import Tokens


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Hivemind]:
    with Hivemind.open(tmp_path / "hive", durability="normal") as hive:
        yield hive


@pytest.fixture
def tokens(hive: Hivemind) -> Tokens:
    return Tokens(hive)
