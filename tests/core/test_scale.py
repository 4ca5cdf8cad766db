"""Work grows with what is asked for, not with what else is stored."""

import re

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from pydantic_hivemind import Match
from pydantic_hivemind.ledger import (
    history,
    idempotency,
    layer,
    layer_batches,
    layer_copies,
    merge_bases,
    overlay,
    promotion_facts,
    scopes,
)
from pydantic_hivemind.ledger.engine.statements import fill

CHAIN, PATHS = (3, 2, 1), ("/d/f", "/d")
LOOKUP = fill("scope", CHAIN) | fill("path", PATHS)
OF_PATH = {"scope_id": 1, "path": "/d/f"}
SPAN = {"scope_id": 1, "low": "/d/", "high": "/d0"}
NOTHING = {"source": None, "promotion": None, "actor": None}
STATEMENTS = {
    "entry": (overlay._ENTRY, LOOKUP, (3, 2)),
    "file": (overlay._FILE, LOOKUP, (3, 2)),
    "children": (overlay._CHILDREN, LOOKUP | {"directory": "/d"}, (3, 2)),
    "subtree": (overlay._SUBTREE, LOOKUP | {"low": "/d/", "high": "/d0"}, (3, 2)),
    "few": (overlay._FEW, LOOKUP | {"low": "/d/", "high": "/d0"}, (3, 2)),
    "own": (overlay._OWN, {"scope_id": 1}, ()),
    "data": (overlay._DATA, fill("version", (1, 2)), (2,)),
    "alive": (overlay._ALIVE, {"scope_0": 1}, ()),
    "prune": (layer._PRUNE, OF_PATH, ()),
    "delete head": (layer._DELETE_HEAD, OF_PATH, ()),
    "delete below": (layer._DELETE_BELOW, SPAN, ()),
    "history": (history._LIST, fill("scope", CHAIN) | {"path": "/d/f"}, (3,)),
    "states": (history._STATES, fill("scope", CHAIN) | {"path": "/d/f"}, (3,)),
    "bury": (
        layer._BURY_BELOW,
        SPAN | {"action": "delete", "source": None, "promotion": None, "now": 0.0, "actor": None},
        (),
    ),
    "version": (history._ONE, fill("scope", CHAIN) | {"id": 1}, (3,)),
    "scope by name": (scopes._BY_NAME, {"name": "a", "now": 0.0}, ()),
    "children of a scope": (scopes._CHILDREN, {"id": 1, "now": 0.0}, ()),
    "expired": (scopes._EXPIRED, {"now": 0.0}, ()),
    "past": (scopes._PAST, {"now": 0.0}, ()),
    "destroy": (scopes._DELETE, {"id": 1}, ()),
    "receipt": (idempotency._FIND, {"scope_id": 1, "operation_id": "a"}, ()),
    "old receipts": (idempotency._FORGET, {"scope_id": 1, "before": 0.0}, ()),
}


def arguments_of(statement, shape):
    """Any value for each parameter, of statements that have hundreds."""
    text, _ = statement.bind(SQLiteDialect_pysqlite(paramstyle="named"), {}, *shape)
    return dict.fromkeys(re.findall(r":(\w+)", text), 1)


SETS = [
    *(
        (f"promotion_facts.{name}", getattr(promotion_facts, name), (3,))
        for name in (
            "_BEHIND",
            "_HIDDEN",
            "_BASES_BEHIND",
            "_LOWER_BASES",
            "_WATERMARKS",
        )
    ),
    *((f"promotion_facts.{name}", getattr(promotion_facts, name), ()) for name in ("_OWN", "_OWN_BASES", "_CHANGED")),
    *(
        (f"layer_batches.{name}", getattr(layer_batches, name), (4,))
        for name in ("_INSERT_VERSIONS", "_INSERT_HEADS", "_UPDATE_HEADS", "_INSERT_BASES")
    ),
    *(
        (f"layer_batches.{name}", getattr(layer_batches, name), ())
        for name in ("DELETE_HEADS", "_PRUNE", "_KEEP", "_UPDATE_KEPT", "_RECEIVED_BASES", "_DELETE_BASES")
    ),
    *((f"layer_copies.{name}", getattr(layer_copies, name), ()) for name in ("_COPY_VERSIONS", "_COPY_HEADS", "_BURY")),
    ("merge_bases._OF_PATH", merge_bases._OF_PATH, (1,)),
    ("merge_bases._SUBTREE", merge_bases._SUBTREE, (3,)),
    ("merge_bases._INHERIT", merge_bases._INHERIT, ()),
]
STATEMENTS |= {name: (statement, arguments_of(statement, shape), shape) for name, statement, shape in SETS}

LOOKUPS = [overlay._ENTRY, overlay._FILE, overlay._CHILDREN, overlay._SUBTREE, overlay._FEW]


@pytest.mark.sqlite
@pytest.mark.parametrize(("statement", "values", "shape"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_statements_use_indexes(hive, statement, values, shape):
    """None looks at every row of a table."""
    with hive._database.read() as tx:
        text, arguments = statement.bind(tx._dialect, values, *shape)
        tx._cursor.execute("EXPLAIN QUERY PLAN " + text, arguments)
        plan = [row[3] for row in tx._cursor.fetchall()]
    assert plan
    # What is given with a statement is no table.
    scans = [step for step in plan if step.startswith("SCAN") and not step.startswith("SCAN given")]
    assert not [step for step in scans if "CONSTANT ROW" not in step], plan
    if statement in LOOKUPS:
        # With all that the index can tell, not only with its first column.
        assert not [step for step in plan if "heads" in step and "(scope_id=?)" in step], plan


@pytest.mark.sqlite
def test_deleting_a_scope_finds_its_rows_by_index(hive):
    """Each table that points to scopes has an index that begins with the pointer."""
    with hive._database.read() as tx:
        cursor = tx._cursor
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT id, group_concat('\"' || \"from\" || '\" = 1', ' AND ') "
                f"FROM pragma_foreign_key_list('{table}') GROUP BY id"
            )
            for _, pointer in cursor.fetchall():
                cursor.execute(f'EXPLAIN QUERY PLAN DELETE FROM "{table}" WHERE {pointer}')
                assert all(row[3].startswith("SEARCH") for row in cursor.fetchall()), table


@pytest.mark.sqlite
def test_ten_thousand_files(hive):
    """One directory among many is listed by itself, and removed and promoted as a whole."""
    project = hive.scope("project")
    run = project.spawn()
    for number in range(10_000):
        run.write_text(f"/{number % 100}/{number}", "x")
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    with hive._database.read() as tx:
        connection = tx._cursor.connection
        connection.set_progress_handler(count, 100)
        assert len(overlay.children(tx, run._row.chain, "/7").layers[0]) == 101
        connection.set_progress_handler(None, 100)
    assert steps < 100
    assert len(run.list_dir("/")) == 100
    assert len(run.promote().applied) == 10_000
    assert run.diff() == []
    run.remove("/7")
    assert run.promote().deleted == ("/7",)
    assert len(project.glob("**")) == 9_900


@pytest.mark.parametrize("count", [*range(overlay.DATA_BATCH - 2, overlay.DATA_BATCH + 2), 2 * overlay.DATA_BATCH + 1])
def test_few_files_and_many_are_searched_alike(hive, count):
    parent = hive.scope("parent")
    for number in range(count):
        parent.write_text(f"/d/{number:03}", f"{number}\nneedle")
    run = parent.spawn()
    run.write_text("/d/000", "gone")
    run.write_text("/d/001", "moved\n\nneedle")
    run.remove("/d/002")
    expected = [Match("/d/001", 3, "needle"), *(Match(f"/d/{number:03}", 2, "needle") for number in range(3, count))]
    assert run.grep("needle") == run.grep("needle", "/d") == expected
    assert run.grep("needle", "/d/005") == [expected[3]]
    assert run.grep("needle", glob="/d/00?") == expected[:8]


@pytest.mark.parametrize("size", [overlay.SMALL, overlay.SMALL + 1])
def test_a_large_file_is_searched_too(hive, size):
    scope = hive.scope("a")
    scope.write_text("/d/small", "needle")
    scope.write_text("/d/large", "needle\n".rjust(size, "x"))
    assert [match.path for match in scope.grep("needle")] == ["/d/large", "/d/small"]
    assert [match.path for match in scope.grep("needle", "/d/large")] == ["/d/large"]


def test_many_scopes(hive):
    """A thousand sessions are made, found and removed with their project."""
    project = hive.scope("project")
    for number in range(1000):
        project.spawn(f"run-{number}").write_text("/f", str(number))
    assert hive.scope("run-500").read_text("/f") == "500"
    assert len(project.children) == 1000
    project.destroy(cascade=True)
    assert hive.scopes() == []
