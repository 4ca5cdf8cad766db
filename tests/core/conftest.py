import pytest

from pydantic_hivemind import Hivemind


@pytest.fixture
def hive(tmp_path):
    with Hivemind.open(tmp_path / "hive", durability="normal") as opened:
        yield opened
