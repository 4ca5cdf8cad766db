"""Tests of a store in PostgreSQL: they need its programs, and on a machine of CI they are not skipped."""

import os

import pytest
from databases import empty_database, is_installed, opened


@pytest.fixture
def url():
    """Of an empty database."""
    if not is_installed() and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    with empty_database() as url:
        yield url


@pytest.fixture
def hive(url):
    with opened(url) as hive:
        yield hive
