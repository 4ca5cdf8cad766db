"""The import contracts hold for every module, those that nobody has thought of too.

Each test breaks a copy of the package and sees `lint-imports` say so.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="comes with the group `lint`")

ROOT = Path(__file__).parents[2]
NAME = "pydantic_hivemind"
CHROMA = "pydantic_hivemind.search.vectors.chroma"


@pytest.fixture
def package(tmp_path):
    """A copy, beside the contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return Path(shutil.copytree(ROOT / NAME, tmp_path / NAME, ignore=shutil.ignore_patterns("__pycache__")))


def lint(package):
    """Whether the contracts hold, and the report."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    result = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False)
    assert "Contracts: " in result.stdout, result.stdout + result.stderr
    return result.returncode == 0, result.stdout


def append(path, line):
    path.write_text(f"{path.read_text()}\n{line}\n")


def module_of(package, path):
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def test_the_copy_is_well(package):
    assert lint(package)[0]


@pytest.mark.parametrize("library", ["sqlalchemy", "chromadb"])
def test_no_other_module_may_import_a_store(package, library):
    """One line in each of them, and a new module in each folder: all are in the report."""
    folders = [path.parent for path in package.rglob("__init__.py")]
    for folder in folders:
        (folder / "nobody_listed_this.py").write_text('"""New."""\n')
    for path in package.rglob("*.py"):
        append(path, f"import {library}")
    holds, report = lint(package)
    assert not holds
    reported = set(re.findall(rf"^-? *({NAME}[\w.]*) -> {library}", report, re.MULTILINE))
    # No module can import a migration, whose name begins with a number.
    everywhere = {module_of(package, path) for path in package.rglob("*.py") if path.stem.isidentifier()}
    if library == "sqlalchemy":
        may = {module for module in everywhere if module.startswith(f"{NAME}.ledger.")}
    else:
        # Those that have it for types; a test of the layout says that they do not import it.
        may = {CHROMA, f"{NAME}.hive.reader", f"{NAME}.search.indexer", f"{NAME}.search.service"}
    # The root is the package as a whole to a contract, and has a contract of its own: the layers.
    assert everywhere - reported - {NAME} <= may
    assert reported.isdisjoint(may)


def test_a_new_module_at_the_root_has_to_be_listed(package):
    (package / "nobody_listed_this.py").write_text('"""New."""\n')
    holds, report = lint(package)
    assert not holds
    assert "nobody_listed_this" in report


def test_a_new_folder_at_the_root_has_to_be_listed(package):
    (package / "nobody_listed_this").mkdir()
    (package / "nobody_listed_this" / "__init__.py").write_text('"""New."""\n')
    holds, report = lint(package)
    assert not holds
    assert "nobody_listed_this" in report


@pytest.mark.parametrize(
    ("lower", "upper"),
    [("base/paths", "ledger.files"), ("ledger/files", "hive.scope"), ("hive/scope", "adapters"), ("mcp/tools", "http")],
)
def test_no_import_goes_up(package, lower, upper):
    append(package / f"{lower}.py", f"import {NAME}.{upper}")
    assert not lint(package)[0]


def test_no_circle_within_a_folder(package):
    for one, other in [("one", "other"), ("other", "one")]:
        (package / "ledger" / f"{one}.py").write_text(f'"""New."""\n\nfrom {NAME}.ledger import {other} as {other}\n')
    holds, report = lint(package)
    assert not holds
    assert "No cycles are allowed in pydantic_hivemind.ledger." in report
