"""Looking into a ledger from outside, to check what the package itself cannot show."""

from pydantic_hivemind.ledger.schema import metadata

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


def rows(hive, query):
    """What a query finds in a hive's ledger."""
    with hive._database.read() as tx:
        return tx.connection.cursor().execute(query).fetchall()


def check_layers(hive):
    """Each scope's own heads are a tree by themselves, and no row points nowhere."""
    assert rows(hive, ORPHANS) == []
    assert hive._database.damage() == []


def dump(hive):
    """Every row of every table."""
    return {
        table.name: sorted(map(repr, rows(hive, f"SELECT * FROM {table.name}"))) for table in metadata.sorted_tables
    }
