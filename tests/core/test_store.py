"""Stores that cannot be opened or written: full, read-only, foreign, damaged, too new, too old."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import pytest
from forked_processes import as_nobody
from sqlalchemy import create_engine, event

from pydantic_hivemind import Hivemind, errors
from pydantic_hivemind.ledger.engine.database import Database
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE, SqliteDriver
from pydantic_hivemind.ledger.schema import REVISION


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of a megabyte."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_full_disk(tiny_disk):
    """Everything acknowledged is there, and writing goes on when there is space again."""
    ballast = tiny_disk / "ballast"
    with Hivemind.open(tiny_disk / "hive") as hive:
        scope = hive.scope("a")
        ballast.write_bytes(b"x" * (64 << 10))
        written = []

        def fill():
            for number in range(1000):
                scope.write_bytes(f"/{number}", bytes([number % 256]) * 8192)
                written.append(number)

        with pytest.raises(errors.StoreFull, match="free some") as raised:
            fill()
        assert str(tiny_disk) not in str(raised.value)
        assert 5 < len(written) < 200
        for number in written:
            assert scope.read_bytes(f"/{number}") == bytes([number % 256]) * 8192
        assert not scope.exists(f"/{len(written)}")
        ballast.unlink()
        scope.write_text("/after", "x")
    with Hivemind.open(tiny_disk / "hive") as hive:
        scope = hive.scope("a")
        assert len(scope.list_dir()) == len(written) + 1
        assert scope.read_text("/after") == "x"


def test_no_space_for_a_new_store(tiny_disk):
    with open(tiny_disk / "ballast", "wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"x" * 4096):
            pass
    with pytest.raises(errors.StoreFull):
        Hivemind.open(tiny_disk / "hive")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
@pytest.mark.parametrize("existing", [True, False])
def test_a_read_only_directory(tmp_path, existing):
    directory = tmp_path / "hive"
    directory.mkdir()
    if existing:
        with Hivemind.open(directory) as hive:
            hive.scope("a").write_text("/f", "x")
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)

    def use():
        with pytest.raises(errors.StoreReadOnly, match="check the permissions of its directory") as raised:
            Hivemind.open(directory)
        assert str(tmp_path) not in str(raised.value)
        with pytest.raises(errors.StoreReadOnly):
            Hivemind.open(directory / "new")

    as_nobody(use)


def test_a_file_in_place_of_the_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(errors.NotALedger, match="use another"):
            Hivemind.open(path)


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough " * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database(tmp_path, content):
    (tmp_path / LEDGER_FILE).write_bytes(content)
    with pytest.raises(errors.NotALedger):
        Hivemind.open(tmp_path)
    assert (tmp_path / LEDGER_FILE).read_bytes() == content


@pytest.mark.parametrize("mark", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 1234"])
def test_the_database_of_another_program(tmp_path, mark):
    """It is refused, and not a byte of it is changed."""
    with closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as connection:
        connection.execute(mark)
        connection.commit()
    before = (tmp_path / LEDGER_FILE).read_bytes()
    with pytest.raises(errors.NotALedger, match="another program"):
        Hivemind.open(tmp_path)
    assert (tmp_path / LEDGER_FILE).read_bytes() == before
    assert os.listdir(tmp_path) == [LEDGER_FILE]


def test_an_empty_file_becomes_a_ledger(tmp_path):
    (tmp_path / LEDGER_FILE).touch()
    with Hivemind.open(tmp_path) as hive:
        assert hive.scopes() == []


def test_a_newer_ledger(tmp_path):
    Hivemind.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = (tmp_path / LEDGER_FILE).read_bytes()
    with pytest.raises(errors.LedgerTooNew, match="upgrade the package"):
        Hivemind.open(tmp_path)
    assert (tmp_path / LEDGER_FILE).read_bytes() == before


NEXT_MIGRATION = f'''
from alembic import op

revision = "test"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.execute("CREATE TABLE added (x INTEGER)")
'''


def test_an_older_ledger_is_migrated(tmp_path):
    """A package with one more migration opens what this one wrote, and this one refuses it afterwards."""
    store = tmp_path / "hive"
    with Hivemind.open(store) as hive:
        hive.scope("a").write_text("/f", "kept")
    package = tmp_path / "newer" / "pydantic_hivemind"
    shutil.copytree(os.path.dirname(sys.modules["pydantic_hivemind"].__file__), package)
    (package / "ledger" / "migrations" / "versions" / "test.py").write_text(NEXT_MIGRATION)
    schema = package / "ledger" / "schema.py"
    schema.write_text(schema.read_text().replace(f'REVISION = "{REVISION}"', 'REVISION = "test"'))
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(package.parent)!r})\n"
        "import pydantic_hivemind\n"
        f"assert pydantic_hivemind.__file__.startswith({str(package)!r})\n"
        f"with pydantic_hivemind.Hivemind.open({str(store)!r}) as hive: print(hive.scope('a').read_text('/f'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "kept"
    with closing(sqlite3.connect(store / LEDGER_FILE)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("test",)]
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (0,)
    with pytest.raises(errors.LedgerTooNew):
        Hivemind.open(store)


def test_a_new_ledger_is_made_at_once(tmp_path):
    """However many migrations it takes: a process that dies between two of them leaves nothing half made."""
    begun = []

    def watch(connection, _entry):
        connection.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith(("BEGIN", "COMMIT")) else None)

    driver = SqliteDriver(tmp_path, "full")
    event.listen(driver.engine, "connect", watch)
    Database(driver).close()
    assert begun == ["BEGIN IMMEDIATE", "COMMIT"]


def test_the_migrations_make_the_schema(tmp_path):
    """What alembic would still change is nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from pydantic_hivemind.ledger.schema import metadata

    Hivemind.open(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / LEDGER_FILE}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_durability(tmp_path):
    """`full` is the default; both write ahead."""
    for durability, expected in (("full", 2), ("normal", 1)):
        with Hivemind.open(tmp_path / durability, durability=durability) as hive, hive._database.read() as tx:
            tx._cursor.execute("PRAGMA synchronous")
            assert tx._cursor.fetchone() == (expected,)
            tx._cursor.execute("PRAGMA journal_mode")
            assert tx._cursor.fetchone() == ("wal",)
    with Hivemind.open(tmp_path / "default") as hive, hive._database.read() as tx:
        tx._cursor.execute("PRAGMA synchronous")
        assert tx._cursor.fetchone() == (2,)
