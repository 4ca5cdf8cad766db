import pytest


@pytest.fixture
def project(hive):
    return hive.scope("project")


@pytest.fixture
def user(hive, project):
    return hive.scope("user", parent=project)


@pytest.fixture
def run(user):
    return user.spawn("run")
