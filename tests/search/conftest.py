import pytest

from pydantic_hivemind import Hivemind


@pytest.fixture
def hive(tmp_path):
    with Hivemind.open(tmp_path / "hive") as hive:
        yield hive


@pytest.fixture
def chain(hive):
    """A project, a user of it, and the user's session."""
    project = hive.scope("project")
    user = hive.scope("user", parent=project)
    return project, user, user.spawn()
