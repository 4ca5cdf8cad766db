"""Stores that cannot be opened or reached: other databases, other rights, a server that goes away and comes back."""

import os
import sys
import time

import pytest
from databases import opened, server
from ledger_integrity import check_layers, rows

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.ledger.engine import pool

CRASHES = 3


@pytest.mark.parametrize(
    "url", ["mysql://host/x", "sqlite:///x", "http://host", "nonsense", "postgresql+asyncpg://h/x"]
)
def test_no_url_of_postgresql(url):
    with pytest.raises(errors.InvalidOption, match="postgresql://"):
        Hivemind.connect(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_spellings_of_a_url(url, scheme):
    with opened(url.replace("postgresql", scheme)) as hive:
        assert hive.scopes() == []


def test_without_psycopg(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(errors.InvalidOption, match=r"pydantic-hivemind\[postgresql\]"):
        Hivemind.connect("postgresql://host/x")


def test_nobody_there():
    with pytest.raises(errors.StoreUnreachable) as raised:
        Hivemind.connect("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.fixture
def refused(url):
    """Returns what is said of a user of a server that asks `needy` for a password, and of a database closed to it."""
    name = url.rpartition("/")[2]
    rules = server().data / "pg_hba.conf"
    before = rules.read_text()
    server().execute("CREATE ROLE needy LOGIN PASSWORD 'right'; CREATE ROLE idle NOLOGIN")
    rules.write_text(f"host all needy 127.0.0.1/32 scram-sha-256\nhost all shut 127.0.0.1/32 reject\n{before}")
    server().execute("SELECT pg_reload_conf()")

    def refused(user=None, database=name, **changes):
        address = server().url(database, user or "postgres")
        for old, new in changes.items():
            address = address.replace({"host": "127.0.0.1", "port": f":{server().port}"}[old], new)
        # The server reads its rules again in its own time.
        for _ in range(100):
            with pytest.raises(errors.StoreUnreachable) as raised:
                Hivemind.connect(address).close()
            if "rejects" in str(raised.value) or user != "needy:wrong":
                break
            time.sleep(0.05)
        assert "wrong" not in str(raised.value)
        return str(raised.value)

    yield refused
    rules.write_text(before)
    server().execute("SELECT pg_reload_conf(); DROP ROLE needy; DROP ROLE idle")


def test_why_no_connection_is_made(refused, url):
    assert "rejects the user or its password" in refused("needy:wrong")
    assert "no database of that name" in refused(database="absent")
    assert "no user of that name" in refused("ghost")
    assert "pg_hba.conf" in refused("shut")
    assert "may not log in" in refused("idle")
    assert "no database server answers" in refused(port=":1")
    assert "not known" in refused(host="nowhere.invalid")
    assert "agree on SSL" in refused(database=url.rpartition("/")[2] + "?sslmode=require")
    name = url.rpartition("/")[2]
    server().execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    assert "GRANT CONNECT" in refused("needy:right")


@pytest.fixture
def guest(url):
    """The URL of a store for a user who has no right to it yet."""
    name = url.rpartition("/")[2]
    with opened(url) as hive:
        hive.scope("a").write_text("/f", "x")
    server().execute("CREATE ROLE guest LOGIN", name)
    yield server().url(name, "guest")
    server().execute("DROP OWNED BY guest; DROP ROLE guest", name)


def test_a_missing_grant_is_no_damage(guest):
    name = guest.rpartition("/")[2]
    with pytest.raises(errors.StoreReadOnly, match="GRANT USAGE ON SCHEMA hivemind"):
        Hivemind.connect(guest)
    server().execute("GRANT USAGE ON SCHEMA hivemind TO guest", name)
    with pytest.raises(errors.StoreReadOnly, match=r"permission denied for table alembic_version.*SELECT"):
        Hivemind.connect(guest)
    server().execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hivemind TO guest;"
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA hivemind TO guest; REVOKE ALL ON hivemind.vectors FROM guest",
        name,
    )
    with opened(guest) as hive:
        scope = hive.scope("a")
        scope.write_text("/f", "y")
        scope.spawn().destroy()
        with pytest.raises(errors.StoreReadOnly, match="permission denied for table vectors"):
            scope.search("y")
        server().execute("REVOKE USAGE ON SCHEMA hivemind FROM guest", name)
        with pytest.raises(errors.NotALedger, match="no USAGE on the schema"):
            hive.scope("b")


def test_tables_of_others_are_left_alone(url):
    name = url.rpartition("/")[2]
    server().execute("CREATE TABLE scopes (theirs text); CREATE TABLE alembic_version (version_num text)", name)
    with opened(url) as hive:
        hive.scope("a").write_text("/f", "x")
    assert server().execute("SELECT * FROM public.scopes", name) == []
    assert server().execute("SELECT * FROM public.alembic_version", name) == []


def test_a_schema_of_another_program(url):
    server().execute("CREATE SCHEMA hivemind; CREATE TABLE hivemind.bees (name text)", url.rpartition("/")[2])
    with pytest.raises(errors.NotALedger, match="another database"):
        Hivemind.connect(url)


def test_a_newer_ledger(url):
    opened(url).close()
    server().execute("UPDATE hivemind.alembic_version SET version_num = '9999'", url.rpartition("/")[2])
    with pytest.raises(errors.LedgerTooNew, match="upgrade"):
        Hivemind.connect(url)


def test_an_encoding_that_cannot_hold_every_text(url):
    other = server().database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(errors.NotALedger, match="UTF8"):
        Hivemind.connect(other)
    server().drop(other)


def test_a_user_who_may_only_read(url):
    name = url.rpartition("/")[2]
    with opened(url) as hive:
        hive.scope("a").write_text("/f", "x")
    server().execute(
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA hivemind TO reader; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA hivemind TO reader",
        name,
    )
    try:
        with opened(server().url(name, "reader")) as hive:
            assert hive.scope("a").read_text("/f") == "x"
            with pytest.raises(errors.StoreReadOnly, match="permission"):
                hive.scope("a").write_text("/f", "y")
        with opened(url) as hive:
            assert hive.scope("a").read_text("/f") == "x"
        with pytest.raises(errors.StoreReadOnly):
            Hivemind.connect(server().url("postgres", "reader"))
    finally:
        server().execute("DROP OWNED BY reader; DROP ROLE reader", name)


def test_ended_connections_are_replaced(hive, url, monkeypatch):
    """At once where they were not used for a while, else with one error."""
    scope = hive.scope("a")
    scope.write_text("/f", "x")
    server().end_connections(url)
    with pytest.raises(errors.StoreUnreachable, match="try again"):
        scope.write_text("/f", "y")
    assert scope.read_text("/f") == "x"
    server().end_connections(url)
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 0)
    scope.write_text("/f", "y")
    assert scope.read_text("/f") == "y"


def test_a_server_that_crashes_has_all_that_was_acknowledged(url):
    with opened(url) as hive:
        project = hive.scope("project")
        run = project.spawn()
        for crash in range(CRASHES):
            for number in range(20):
                run.write_text(f"/{crash}/{number}", "x")
            run.promote()
            run.write_text("/unpromoted", str(crash))
            server().stop()
            with pytest.raises(errors.StoreUnreachable):
                project.write_text("/meanwhile", "x")
            server().start()
            assert len(project.glob("/*/*")) == 20 * (crash + 1)
            assert run.read_text("/unpromoted") == str(crash)
        assert not project.exists("/meanwhile")
        check_layers(hive)


def test_what_postgresql_takes_no_more_of(hive):
    """Its indexes take 2,700 bytes, and its texts no NUL."""
    scope = hive.scope("a")
    scope.write_text("/f", "x")
    words = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(1000))
    long = "/".join(words[start : start + 80] for start in range(0, 1000, 80))
    with pytest.raises(errors.StoreError, match="2,600 bytes"):
        scope.write_text(f"/{long}", "x")
    assert [stat.path for stat in scope.glob("**")] == ["/f"]
    assert len(rows(hive, "SELECT id FROM versions")) == 1


def test_upkeep(hive):
    scope = hive.scope("a")
    for number in range(20):
        scope.write_bytes(f"/{number}", os.urandom(100_000))
    full = hive.size()
    scope.destroy()
    hive.gc()
    assert 0 < hive.size() < full / 2
    assert hive.doctor() == []
