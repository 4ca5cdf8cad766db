"""Tests of a store in PostgreSQL: they need its programs, and on a machine of CI they are not skipped."""

import pytest
from databases import empty_database, opened, skip_if_not_installed


@pytest.fixture
def url():
    """Of an empty database."""
    skip_if_not_installed()
    with empty_database() as url:
        yield url


@pytest.fixture
def hive(url):
    with opened(url) as hive:
        yield hive
