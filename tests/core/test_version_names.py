"""Names of versions: equal for the same version, different otherwise, and not told by what others write."""

from __future__ import annotations

import re

import pytest

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.base.version_names import VersionNames
from pydantic_hivemind.errors import InvalidOption, VersionConflict, VersionNotFound

NAME = re.compile(r"v[0-9a-f]{12}")

NAMES = VersionNames(b"k" * 32, numbered=7)


def number_of(scope: Scope, path: str) -> int:
    with scope._database.read() as tx:
        (row,) = tx.connection.cursor().execute(f"SELECT max(id) FROM versions WHERE path = '{path}'").fetchall()  # type: ignore[union-attr]
    return row[0]


def test_a_version_has_one_name_wherever_it_is_seen(hive: Hivemind) -> None:
    scope = hive.scope("user")
    stat = scope.write_text("/f.md", "apples\n")
    child = scope.spawn()
    assert isinstance(stat.version, str)
    assert NAME.fullmatch(stat.version)
    seen = [
        child.stat("/f.md").version,
        child.read("/f.md").stat.version,
        child.list_dir()[0].version,
        child.glob("*.md")[0].version,
        child.history("/f.md")[0].version,
        child.recent()[0].version,
        child.search("apples")[0].version,
    ]
    assert set(seen) == {stat.version}
    assert scope.stat("/").version == 0 == (scope.make_dir("/d") or scope.stat("/d").version)


def test_names_of_a_store_are_its_own_and_stay(place: str) -> None:
    import databases

    with databases.opened(place) as hive:
        first = hive.scope("user").write_text("/f", "1").version
    with databases.opened(place) as hive:
        assert hive.scope("user").stat("/f").version == first
        assert hive.scope("user").write_text("/f", "2", expected_version=first).version != first
    assert VersionNames(b"a" * 32, 0).name(1) != VersionNames(b"b" * 32, 0).name(1)


def test_guessed_numbers_mean_nothing_in_a_new_store(hive: Hivemind) -> None:
    """Who could ask whether a number is theirs would learn how much others write."""
    scope = hive.scope("user")
    name = scope.write_text("/f", "1").version
    number = number_of(scope, "/f")
    for guess in (number, str(number)):
        with pytest.raises(VersionConflict) as raised:
            scope.write_text("/f", "2", expected_version=guess)
        assert (raised.value.expected, raised.value.actual) == (guess, name)
        assert str(name) in str(raised.value)
        with pytest.raises(VersionNotFound):
            scope.restore("/f", guess)
    with pytest.raises(InvalidOption, match="unknown key 'version'"):
        scope.search("x", where={"version": {"$gt": 1}})
    with pytest.raises(VersionConflict):
        scope.write_text("/f", "2", expected_version="0")


@pytest.mark.parametrize(
    ("expected", "number", "same"),
    [
        (0, 0, True),
        ("0", 0, True),
        (0, 3, False),
        (7, 7, True),
        ("7", 7, True),
        (8, 8, False),
        (-1, 0, False),
        (True, 1, False),
        ("²", 2, False),
        ("9" * 5000, 7, False),
        (NAMES.name(8), 8, True),
        (NAMES.name(8), 9, False),
        (NAMES.name(0), 0, False),
        ("", 0, False),
    ],
)
def test_what_a_caller_means(expected: str | int, number: int, same: bool) -> None:
    assert NAMES.are_same(expected, number) is same
