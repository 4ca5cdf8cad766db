"""The second wall: a statement that forgets its WHERE still sees no row of a scope outside the chain."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress

import pytest
from databases import connect, opened, program, server
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement
from pydantic_hivemind.messages.checkpoints import Snapshot

SECRET = "s3cret"
OF_SCOPES = re.compile(r"\b\w+\.scope_id (?:IN \((?:%\(\w+\)s(?:, )?)+\)|= %\(\w+\)s(?:::\w+)?)")


@pytest.fixture
def filled(url):
    """The URL of a store in which a stranger has some of everything."""
    with opened(url) as hive:
        hive.scope("mine", hive.scope("project")).write_text("/own.md", "mine\n")
        stranger = hive.scope("stranger")
        for path in ("/own.md", f"/{SECRET}.md"):
            stranger.write_text(path, f"{SECRET}\n", tags=[SECRET])
        message = ModelRequest(parts=[UserPromptPart(SECRET)])
        stranger.conversation(SECRET).append([message])
        stranger.checkpoints().save(Snapshot(SECRET, SECRET, 1, [message], 1, message.parts[0].timestamp, {}))
        stranger.search(SECRET)
    return url


READING = {
    "read": lambda scope: scope.read("/own.md"),
    "stat": lambda scope: scope.stat(f"/{SECRET}.md"),
    "list_dir": lambda scope: scope.list_dir("/"),
    "glob": lambda scope: scope.glob("**/*"),
    "grep": lambda scope: scope.grep(SECRET),
    "history": lambda scope: scope.history("/own.md"),
    "recent": lambda scope: scope.recent(),
    "conversations": lambda scope: scope.conversations(),
    "conversation": lambda scope: scope.conversation(SECRET).load(),
    "checkpoints": lambda scope: scope.checkpoints().list_all(),
    "checkpoint": lambda scope: scope.checkpoints().get(SECRET),
}


@pytest.mark.parametrize("operation", READING)
def test_a_statement_without_its_where_sees_no_foreign_row(filled, monkeypatch, operation):
    forgotten, seen = [], []
    bind, rows = Statement.bind, Transaction.rows

    def without_where(self, dialect, values, *shape, **named):
        text, bound = bind(self, dialect, values, *shape, **named)
        changed = OF_SCOPES.sub("true", text)
        if changed != text:
            forgotten.append(text)
        return changed, bound

    def looking(self, *arguments, **named):
        found = rows(self, *arguments, **named)
        seen.append(repr(found))
        return found

    with opened(filled) as hive, opened(filled.replace("keeper@", "postgres@")) as unguarded:
        mine, above = hive.get("mine"), unguarded.get("mine")
        monkeypatch.setattr(Statement, "bind", without_where)
        monkeypatch.setattr(Transaction, "rows", looking)
        # Rows of others make no sense to what reads them.
        with suppress(Exception):
            READING[operation](above)
        assert SECRET in str(seen), "a superuser sees it: the statement has lost its WHERE"
        seen.clear()
        forgotten.clear()
        with suppress(Exception):
            READING[operation](mine)
        assert forgotten
        assert SECRET not in str(seen)


def test_every_table_of_scopes_is_guarded(filled):
    unguarded = server().execute(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'scope_id' "
        "WHERE c.relnamespace = 'hivemind'::regnamespace AND c.relkind = 'r' AND NOT (c.relrowsecurity AND "
        "c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))",
        filled.rpartition("/")[2],
    )
    assert unguarded == []


def test_a_connection_that_says_nothing_sees_nothing(filled):
    with connect(filled, options="-c search_path=hivemind") as connection:
        for table in ("heads", "versions", "messages", "annotations", "receipts"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        connection.execute("SET hivemind.chain = '{0}'")
        assert connection.execute("SELECT count(*) FROM heads").fetchone()[0] > 2


def test_an_owner_migrates_and_an_app_uses(filled):
    """The two roles of the guide: the app's can read and write, and changes no table."""
    name = filled.rpartition("/")[2]
    server().execute(
        "CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA hivemind TO app; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hivemind TO app; "
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA hivemind TO app",
        name,
    )
    try:
        with opened(server().url(name, "app")) as hive:
            mine = hive.get("mine")
            run = mine.spawn()
            run.write_text("/learned.md", "by the app\n")
            run.promote()
            assert mine.read_text("/learned.md") == "by the app\n"
            assert [hit.path for hit in mine.search("app")][:1] == ["/learned.md"]
            run.destroy()
        with connect(server().url(name, "app"), options="-c search_path=hivemind") as connection:
            assert connection.execute("SELECT count(*) FROM versions").fetchone() == (0,)
            with pytest.raises(Exception, match="must be owner"):
                connection.execute("ALTER TABLE versions DISABLE ROW LEVEL SECURITY")
    finally:
        server().execute("DROP OWNED BY app; DROP ROLE app", name)


def test_what_a_connection_sees_changes_with_each_use(filled):
    with opened(filled) as hive:
        mine, stranger = hive.get("mine"), hive.get("stranger")
        for _ in range(3):
            assert mine.read_text("/own.md") == "mine\n"
            assert stranger.read_text("/own.md") == f"{SECRET}\n"
            assert len(hive.scopes()) == 3
            assert not mine.exists(f"/{SECRET}.md")
            stranger.write_text("/again.md", "x")
            assert len(stranger.history("/again.md")) > 0


def test_it_can_be_left_out(filled):
    with opened(filled, row_security=False) as hive:
        assert hive.get("mine").read_text("/own.md") == "mine\n"
        assert hive.get("stranger").read_text("/own.md") == f"{SECRET}\n"
        with hive._database.read(hive.get("mine")._row.chain) as tx:
            shown = tx.connection.cursor().execute("SHOW hivemind.chain").fetchone()
    assert shown == ("{0}",)


def test_an_owner_dumps_everything(filled):
    """As the guide says."""
    command = [program("pg_dump"), "--schema=hivemind", "--enable-row-security", "--data-only", filled]
    for options, is_there in (("-c hivemind.chain={0}", True), ("", False)):
        dumped = subprocess.run(
            command, env={**os.environ, "PGOPTIONS": options}, capture_output=True, check=True, text=True
        )
        assert (f"/{SECRET}.md" in dumped.stdout) == is_there
