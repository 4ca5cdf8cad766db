import pytest


@pytest.fixture
def chain(hive):
    """A project, a user of it, and the user's session."""
    project = hive.scope("project")
    user = hive.scope("user", parent=project)
    return project, user, user.spawn()
