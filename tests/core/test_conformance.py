"""The contract of a scope on SQLite."""

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.testing.conformance import ScopeSuite


class TestSqlite(ScopeSuite):
    @pytest.fixture
    def hive(self, tmp_path):
        with Hivemind.open(tmp_path / "hive", durability="normal") as opened:
            yield opened
