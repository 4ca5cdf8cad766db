"""Promotion in random worlds does what it did in the release that the expectations were recorded with.

That release decided file by file, inside the transaction, from the log of each path. `expected_worlds.txt` has a digest
of what happened in the world of each seed; dashes stand for one that is left out, for a reason listed in `left_out.md`.

The digests were recorded again when operation logs were no longer promoted nor listed. With another name in place of
the logs', 300 worlds were the same before and after.
"""

import os
from pathlib import Path

import databases
import pytest
from databases import new_store, opened
from random_worlds import digest, transcript

EXPECTED = Path(__file__).with_name("expected_worlds.txt").read_text().split()

ALL = "HIVEMIND_ALL_WORLDS"
"""Set this variable to replay every world, which takes two minutes, and not only the first of each part."""

PARTS = 10
SHORT = 100


def first_seeds(part: int) -> range:
    """The seeds of a part, or as many of them as a run of all tests has time for."""
    size = len(EXPECTED) // PARTS
    few = SHORT // 10 if databases.kept_in_postgresql else SHORT
    return range(part * size, (part + 1) * size if ALL in os.environ else part * size + few)


@pytest.mark.any_store
@pytest.mark.parametrize("part", range(PARTS))
def test_promotes_as_recorded(part):
    with new_store() as place, opened(place) as hive:
        different = [
            seed
            for seed in first_seeds(part)
            if not EXPECTED[seed].startswith("-") and digest(transcript(hive, seed)) != EXPECTED[seed]
        ]
    assert different == [], "see what happens with: python tests/promotion/random_worlds.py SEED"


def test_few_worlds_are_left_out():
    assert sum(seed.startswith("-") for seed in EXPECTED) <= len(EXPECTED) // 50
