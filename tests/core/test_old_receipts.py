"""Retries of what was done before outcomes were stored as they are now."""

import json

import pytest

from pydantic_hivemind.base.values import Conflict, Edited, PromotionReport, Stat
from pydantic_hivemind.ledger import idempotency

STAT = Stat("/f.md", False, 3, 7, ("x",), 1.5, 2.5, "run")
AS_LIST = ["/f.md", False, 3, 7, ["x"], 1.5, 2.5, "run"]
REPORT = PromotionReport("1", "run", "project", False, (), (), (), (), (Conflict("/f", b"\xff\xfe", None, b"x"),))


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        (AS_LIST, STAT),
        ({"stat": AS_LIST, "occurrences": 2}, Edited(STAT, 2)),
        (
            {
                "id": "1",
                "source": "run",
                "target": "project",
                "dry_run": False,
                **{key: [] for key in ("applied", "merged", "deleted", "skipped")},
                "conflicts": [{"path": "/f", "base": "__4=", "ours": None, "theirs": "eA=="}],
            },
            REPORT,
        ),
        (list("abcdefgh"), list("abcdefgh")),
        (None, None),
    ],
    ids=["stat", "edited", "report", "paths", "nothing"],
)
def test_outcomes_that_were_stored_before_can_be_read(stored, outcome):
    assert idempotency._outcome(json.dumps(stored)) == outcome
