"""The contract of a scope on PostgreSQL. `pytest --postgresql` runs every test of any store there."""

from pydantic_hivemind.testing.conformance import ScopeSuite


class TestPostgresql(ScopeSuite):
    """With the fixture of this directory."""

    hive = None
