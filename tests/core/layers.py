"""Looking into a ledger from outside, to check what the package itself cannot show."""

import sqlite3
from contextlib import closing
from pathlib import Path

ORPHANS = """
SELECT 'head without scope', path FROM heads WHERE scope_id NOT IN (SELECT id FROM scopes)
UNION ALL SELECT 'version without scope', path FROM versions WHERE scope_id NOT IN (SELECT id FROM scopes)
UNION ALL SELECT 'receipt without scope', operation_id FROM receipts WHERE scope_id NOT IN (SELECT id FROM scopes)
UNION ALL SELECT 'head without version', path FROM heads
    WHERE kind <> 2 AND NOT EXISTS (SELECT 1 FROM versions AS v WHERE v.id = heads.version
                                    AND v.scope_id = heads.scope_id AND v.path = heads.path)
UNION ALL SELECT 'file without bytes', h.path FROM heads AS h JOIN versions AS v ON v.id = h.version
    WHERE h.kind = 1 AND v.data IS NULL
UNION ALL SELECT 'not in a directory', h.path FROM heads AS h
    WHERE h.parent <> '/' AND NOT EXISTS (SELECT 1 FROM heads AS d WHERE d.scope_id = h.scope_id
                                          AND d.path = h.parent AND d.kind = 2)
UNION ALL SELECT 'wrong parent', path FROM heads
    WHERE path NOT IN (parent || '/' || replace(substr(path, length(parent) + 1), '/', ''),
                       '/' || replace(path, '/', ''))
"""


def rows(directory, query):
    """What a query finds in the ledger of a store."""
    with closing(sqlite3.connect(Path(directory) / "ledger.sqlite3")) as connection:
        return connection.execute(query).fetchall()


def check_layers(directory):
    """Each scope's own heads are a tree by themselves, and no row points nowhere."""
    assert rows(directory, ORPHANS) == []
    assert rows(directory, "PRAGMA foreign_key_check") == []


def dump(directory):
    """Every row of every table but SQLite's own counters."""
    tables = [name for (name,) in rows(directory, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: rows(directory, f'SELECT * FROM "{name}"') for name in tables if name != "sqlite_sequence"}
