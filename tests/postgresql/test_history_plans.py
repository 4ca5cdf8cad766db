"""How PostgreSQL reads a history: each turn by its id, also before the table has statistics."""

import pytest
from databases import connect
from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind.ledger import conversation_records, message_chain
from pydantic_hivemind.ledger.engine.statements import fill

COUNT = 400


def rows_read(plan):
    yield plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from rows_read(inner)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_history_is_read_in_linear_time(hive, url, analyzed):
    scope = hive.scope("a")
    for id in ("other", "main"):
        scope.conversation(id).append([ModelRequest([UserPromptPart(f"{id} {n}")]) for n in range(COUNT)])
    with scope._database.snapshot() as tx:
        head, _ = conversation_records.end(tx, scope._row.id, "main")
        values = {"scope_id": scope._row.id, "least": 0, "below": COUNT, **fill("head", [head])}
        text, values = message_chain._HISTORY.bind(tx._dialect, values, 1)
    with connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = hivemind")
        if analyzed:
            connection.execute("ANALYZE turns; ANALYZE messages")
        [[[explained]]] = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", values).fetchall()
    assert max(rows_read(explained["Plan"])) <= 3 * COUNT
