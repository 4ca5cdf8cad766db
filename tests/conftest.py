"""A store and a scope, as most tests want them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
from hypothesis import Phase, settings

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.ledger.engine.postgresql import PostgresDriver

# Machines are slow now and then.
settings.register_profile("developer", deadline=None)
# The same examples each time: a change does not fail by the luck of a seed. They are told as they were found, since
# to make one smaller may take the five minutes that a test has.
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("ci" if "CI" in os.environ else "developer")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql", action="store_true", help="run the tests that take any store, and keep it in PostgreSQL"
    )


def pytest_configure(config: pytest.Config) -> None:
    databases.kept_in_postgresql = config.getoption("--postgresql")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if databases.kept_in_postgresql:
        kept = [item for item in items if takes_any_store(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def takes_any_store(item: pytest.Item) -> bool:
    if item.get_closest_marker("sqlite"):
        return False
    return "place" in getattr(item, "fixturenames", ()) or item.get_closest_marker("any_store") is not None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """For a store: the directory `hive`, or the URL of a database. For `hive` there is one already, an empty one."""
    is_made = "hive" in request.fixturenames
    if databases.kept_in_postgresql:
        with databases.new_store() if is_made else databases.empty_database() as url:
            yield url
    else:
        if is_made:
            databases.make_store(tmp_path / "hive")
        yield str(tmp_path / "hive")


@pytest.fixture
def hive(place: str) -> Iterator[Hivemind]:
    with databases.opened(place) as hive:
        yield hive


@pytest.fixture
def scope(hive: Hivemind) -> Scope:
    return hive.scope("user/ada")


class Clock:
    """The time of day in this process, which tests move on instead of waiting. A look at it takes a microsecond."""

    def __init__(self) -> None:
        self._now = time.time()

    def __call__(self) -> float:
        self.forward(1e-6)
        return self._now

    def forward(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    if databases.kept_in_postgresql:
        # The server's own cannot be moved.
        monkeypatch.setattr(PostgresDriver, "now", lambda _: clock())
    return clock


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a project, for workspaces on the host."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory
