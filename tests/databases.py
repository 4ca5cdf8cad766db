"""Places for stores: directories, or databases on a PostgreSQL server of the tests' own."""

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from ports import free_port

from pydantic_hivemind import Hivemind
from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE

kept_in_postgresql = False
"""Set by `pytest --postgresql`."""


def find_program(name):
    """One of PostgreSQL's programs, which Debian keeps off the PATH; the newest there is."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


def skip_if_not_installed():
    """Not on a machine of CI, which is to have it."""
    if "CI" in os.environ:
        return
    if find_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    pytest.importorskip("psycopg")


def program(name):
    found = find_program(name)
    if found is None:
        raise RuntimeError(f"PostgreSQL's {name} is not installed; on Debian: apt-get install postgresql")
    return found


def connect(url, **options):
    """A connection to a database beside those of the package. Tests are collected without psycopg, too."""
    import psycopg

    return psycopg.connect(url, **options)


class Server:
    """Runs until `close`. As root it runs as the user `postgres`: it refuses to run as root."""

    def __init__(self):
        self._directory = Path(tempfile.mkdtemp(prefix="hivemind-postgresql-"))
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self._directory, "postgres", "postgres")
        self._data = self._directory / "data"
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.port = free_port()
        self._numbers = itertools.count()
        self.start()
        self.execute("CREATE ROLE keeper LOGIN")

    def start(self):
        # Nothing cuts the power of a test.
        settings = f"-p {self.port} -k {self._directory} -h 127.0.0.1 -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "-D", self._data, "-l", self._directory / "log", "-o", settings, "-w", "start")

    def stop(self, mode="immediate"):
        """`immediate` is a crash: nothing is finished, and the next start recovers."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    @property
    def data(self):
        """Where it keeps its files, its configuration among them."""
        return self._data

    def close(self):
        self.stop()
        shutil.rmtree(self._directory)

    def url(self, database="postgres", user="keeper"):
        """Of the user that stores belong to: nobody special, for whom row-level security holds."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self, options=""):
        """The URL of a new empty database."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER keeper {options}")
        return self.url(name)

    def drop(self, url):
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, command, database="postgres"):
        with connect(self.url(database, "postgres"), autocommit=True) as connection:
            cursor = connection.execute(command)
            return cursor.fetchall() if cursor.description else []

    def end_connections(self, url):
        """As a restart, an operator or a middlebox does."""
        name = url.rpartition("/")[2]
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        while self.execute(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}'"):
            time.sleep(0.01)

    def _run(self, name, *arguments):
        command = [program(name), *map(str, arguments)]
        # The log keeps the output open that it inherits.
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", check=False, **self._user
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.decode()}")


@functools.cache
def server():
    """The server of this process and those it forks."""
    started, owner = Server(), os.getpid()
    atexit.register(lambda: started.close() if os.getpid() == owner else None)
    return started


@contextlib.contextmanager
def empty_database():
    url = server().database()
    try:
        yield url
    finally:
        server().drop(url)


@functools.cache
def empty_ledger():
    """What the file of a new store holds. To copy it takes a twentieth of the time that its tables take to be made."""
    with tempfile.TemporaryDirectory(prefix="hivemind-") as directory:
        opened(directory).close()
        return Path(directory, LEDGER_FILE).read_bytes()


_emptied = []
"""URLs of databases that are stores with nothing in them: to make one takes twenty times as long as to empty it."""

EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'hivemind'
    AND tablename NOT IN ('alembic_version', 'secrets') LOOP
        EXECUTE format('DELETE FROM hivemind.%I', name);
    END LOOP;
    DELETE FROM hivemind.secrets WHERE secrets.name <> 'versions';
    PERFORM setval(format('hivemind.%I', sequencename), 1, false) FROM pg_sequences WHERE schemaname = 'hivemind';
END $$
"""


def _make_database():
    url = server().database()
    opened(url).close()
    return url


@contextlib.contextmanager
def new_store():
    """The place of a store of the kind that is tested, with nothing in it, for so long."""
    if kept_in_postgresql:
        url = _emptied.pop() if _emptied else _make_database()
        yield url
        server().end_connections(url)
        server().execute(EMPTY, url.rpartition("/")[2])
        _emptied.append(url)
    else:
        with tempfile.TemporaryDirectory(prefix="hivemind-") as directory:
            make_store(Path(directory))
            yield directory


def make_store(directory):
    """As opening it would."""
    directory.mkdir(mode=0o700, exist_ok=True)
    ledger = directory / LEDGER_FILE
    ledger.touch(0o600)
    ledger.write_bytes(empty_ledger())


def opened(place, **options):
    """The hive in a place. Waits for no disk: nothing cuts the power of a test."""
    if "://" in str(place):
        return Hivemind.connect(place, **options)
    return Hivemind.open(place, durability="normal", **options)
