"""The locks of development have every package, at a version that is allowed, and nothing of who made them."""

import re
from pathlib import Path

import pytest
import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("line-*.txt"))
LINE = re.compile(r"(#.*|[a-z0-9][a-z0-9.-]*==[\w.!+]+( ; [\w .'*=<>!()]+)?)")


def wanted():
    """What `pyproject.toml` names, in every group and extra."""
    project = tomlkit.parse((ROOT / "pyproject.toml").read_text()).unwrap()
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    texts = [project["project"]["dependencies"], *extras.values(), *groups.values()]
    return [Requirement(text) for group in texts for text in group]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_line_is_a_name_and_a_version(lock):
    """No index, no address, no path."""
    assert [line for line in lock.read_text().splitlines() if not LINE.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_it_has_what_the_project_asks_for(lock):
    locked = [Requirement(line) for line in lock.read_text().splitlines() if not line.startswith("#")]
    versions = {}
    for requirement in locked:
        versions.setdefault(canonicalize_name(requirement.name), []).extend(
            specifier.version for specifier in requirement.specifier
        )
    for requirement in wanted():
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement.name} is missing: run `nox -s lock`"
        assert all(map(requirement.specifier.contains, found)), f"{requirement}: locked at {found}; run `nox -s lock`"


def test_there_is_one_for_each_line():
    assert [lock.stem for lock in LOCKS] == ["line-a", "line-b"]
    assert "pydantic-deep==0.3.44\n" in LOCKS[0].read_text()
    assert "pydantic-deep==0.3.44\n" not in LOCKS[1].read_text()
    assert len(wanted()) > 30
