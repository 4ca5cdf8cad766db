"""Retries of what was done before outcomes were stored as they are now."""

import json

import pytest

from pydantic_hivemind.base.values import Conflict, Edited, Mutation, PromotionReport, Stat
from pydantic_hivemind.base.version_names import VersionNames
from pydantic_hivemind.ledger import idempotency

NAMES = VersionNames(b"k" * 32, 9)
STAT = Stat("/f.md", False, 3, NAMES.name(7), ("x",), 1.5, 2.5, "run")
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
        ({"version": 7, "existed": True, "replayed": False}, Mutation(NAMES.name(7), existed=True)),
        ({"version": None, "existed": True, "replayed": False}, Mutation(None, existed=True)),
        (list("abcdefgh"), list("abcdefgh")),
        (None, None),
    ],
    ids=["stat", "edited", "report", "mutation", "removal", "paths", "nothing"],
)
def test_outcomes_that_were_stored_before_can_be_read(stored, outcome):
    assert idempotency._outcome(json.dumps(stored), NAMES) == outcome
