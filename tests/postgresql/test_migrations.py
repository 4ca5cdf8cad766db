"""A store that an earlier revision left in PostgreSQL is brought up to date with everything that is in it."""

import lzma
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from databases import connect, opened, server

from pydantic_hivemind.ledger.schema import REVISION, metadata

KEPT = Path(__file__).parents[1] / "core" / "old_stores"
BEFORE = f"{int(REVISION) - 1:04}"


def engine(url):
    return sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), connect_args={"options": "-c search_path=hivemind"}
    )


@pytest.fixture
def old(url, tmp_path):
    """A database that an earlier revision's migrations made, with the rows of the store that is kept of it."""
    server().execute("CREATE SCHEMA hivemind AUTHORIZATION keeper", url.rpartition("/")[2])
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(resources.files("pydantic_hivemind.ledger") / "migrations"))
    made = engine(url)
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    made.dispose()
    ledger = tmp_path / "ledger.sqlite3"
    ledger.write_bytes(lzma.decompress((KEPT / f"{BEFORE}.sqlite3.xz").read_bytes()))
    with (
        closing(sqlite3.connect(ledger)) as source,
        connect(
            url.replace("keeper@", "postgres@"), options="-c search_path=hivemind -c session_replication_role=replica"
        ) as target,
    ):
        tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if not table.startswith(("sqlite_", "alembic_")):
                copy(source, target, table)
    return url


def copy(source, target, table):
    rows = source.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in rows.description]
    types = dict(
        target.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'hivemind' "
            "AND table_name = %s",
            [table],
        ).fetchall()
    )
    listed, places = ", ".join(f'"{name}"' for name in names), ", ".join(["%s"] * len(names))
    for row in rows:
        values = [bool(value) if types[name] == "boolean" else value for name, value in zip(names, row, strict=True)]
        target.execute(f"INSERT INTO {table} ({listed}) VALUES ({places})", values)
    if types.get("id") == "bigint":
        target.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def test_a_store_of_the_revision_before(old):
    from old_stores.make import seen

    with opened(old) as hive:
        found = seen(hive)
        ada, live = hive.scope("user/ada"), hive.scope("run-live")
        assert found["user/ada"]["checkpoints"] == [["cp-1", "turn 1", 2], ["cp-2", "turn 2", 4]]
        assert found["user/ada"]["history"]["/log.md"] == ["write"] * 20
        assert "/removed.md" not in found["user/ada"]["files"]
        ada.checkpoints().save(ada.checkpoints().get("cp-1"))
        live.promote()
        ada.promote()
        ada.write_text("/log.md", "one more\n")
        assert not hive.scope("project/acme").exists("/gone")
        assert hive.doctor() == []
    name = old.rpartition("/")[2]
    assert server().execute("SELECT version_num FROM hivemind.alembic_version", name) == [(REVISION,)]
    incarnations = {row[0] for row in server().execute("SELECT incarnation FROM hivemind.scopes", name)}
    assert len(incarnations) == 7
    assert all(0 < number < 2**60 for number in incarnations)
    kept = server().execute("SELECT min(id) FROM hivemind.versions WHERE path = '/log.md'", name)
    ((horizon,),) = server().execute("SELECT version FROM hivemind.horizons WHERE path = '/log.md'", name)
    assert horizon < kept[0][0]


def test_the_migrations_make_the_schema(url):
    """What alembic would still change is nothing."""
    opened(url).close()
    made = engine(url)
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    made.dispose()
