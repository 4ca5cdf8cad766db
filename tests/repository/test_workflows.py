"""The workflows run sessions that exist, with no more rights than they need, and not for ever."""

import ast
import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
JOBS = [pytest.param(job, id=f"{name}-{key}") for name, flow in WORKFLOWS.items() for key, job in flow["jobs"].items()]


def sessions():
    """The names of the sessions in the noxfile."""
    found = set()
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        for decorator in getattr(node, "decorator_list", []):
            if ast.unparse(decorator).startswith("nox.session"):
                named = re.search(r"name='([^']+)'", ast.unparse(decorator))
                found.add(named[1] if named else node.name)
    return found


@pytest.mark.parametrize("job", JOBS)
def test_they_run_sessions_that_exist(job):
    for step in job.get("steps", []):
        if named := re.search(r"nox -s (.*?)(?: --|$)", step.get("run", "")):
            names = named[1].replace('"', "")
            lines = job["strategy"]["matrix"]["line"] if "$LINE" in names else [""]
            assert {name for line in lines for name in names.replace("$LINE", line).split()} <= sessions()


@pytest.mark.parametrize("job", JOBS)
def test_they_end(job):
    assert "uses" in job or job["timeout-minutes"] <= 60


@pytest.mark.parametrize("name", WORKFLOWS)
def test_they_may_only_read(name):
    """But for a job that says what else it needs."""
    assert WORKFLOWS[name]["permissions"] in ({}, {"contents": "read"})
    assert WORKFLOWS[name]["concurrency"]["group"]


@pytest.mark.parametrize("job", JOBS)
def test_they_use_actions_of_a_major_version(job):
    for step in job.get("steps", []):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])


def test_both_lines_are_tested_on_each_python():
    matrix = WORKFLOWS["ci.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["line"] == ["A", "B"]
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert [f"3.{minor}" for minor in range(int(oldest[1]), int(oldest[1]) + len(matrix["python"]))] == matrix["python"]
