"""What PostgreSQL does for a scope that its statistics do not know yet, as that of a run that has just begun."""

import json

from databases import connect, opened

FILES = 200

LOOK_UP = """
    EXPLAIN (ANALYZE, FORMAT JSON) SELECT heads.version FROM heads WHERE heads.scope_id = %s AND heads.path IN (
        SELECT value COLLATE "C" FROM json_array_elements_text(CAST(%s AS json)) AS given (value)
    )
"""


def fill(scope):
    paths = [f"/notes/{number}.md" for number in range(FILES)]
    for path in paths:
        scope.write_text(path, path)
    return paths


def compared_in_vain(plan):
    """The rows that were read, in this part of a plan and those under it, and were not asked for."""
    own = sum(plan.get(f"Rows Removed by {kind}", 0) for kind in ("Join Filter", "Filter")) * plan["Actual Loops"]
    return own + sum(compared_in_vain(part) for part in plan.get("Plans", []))


def test_many_paths_of_a_new_scope_are_not_compared_with_each_other(url):
    with opened(url) as hive, connect(url, options="-c search_path=hivemind -c hivemind.chain={0}") as connection:
        for name in ("ada", "bo", "cy"):
            fill(hive.scope(name))
        connection.execute("ANALYZE")
        run = hive.scope("run")
        paths = fill(run)
        [plan] = connection.execute(LOOK_UP, [run._row.chain[0], json.dumps(paths)]).fetchone()[0]
        assert plan["Plan"]["Actual Rows"] == FILES
        assert compared_in_vain(plan["Plan"]) < 10 * FILES
