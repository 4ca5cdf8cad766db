"""Everything that is checked: `nox` runs it all, `nox -s quick` a bit, `nox -s tests-A -- -k promote` one test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")

LINES = {"A": "pydantic-deep==0.3.44", "B": "pydantic-deep"}
"""The two lines of pydantic-deep, which cannot share an environment."""

AT_ONCE = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
"""Many tests wait for disks, processes and each other: one more than there are processors keeps them busy."""

MEMORY = Path("/dev/shm")  # noqa: S108 - only tests' own directories are made there
"""Where Linux has a file system in memory. Nothing cuts the power of a test, which there waits for no disk."""


PORTABLE = [
    "tests/core/test_other_systems.py",
    "tests/core/test_text.py",
    "tests/core/test_isolation.py",
    "tests/core/test_promotion.py",
    "tests/search/test_search.py",
    "tests/search/test_large_files.py",
]
"""Tests that need no Linux."""

QUICK = [
    # The core: the rules of a scope, isolation, promotion and its laws, merging.
    "tests/core/test_conformance.py",
    "tests/core/test_isolation.py",
    "tests/core/test_promotion.py",
    "tests/core/test_markdown_union.py",
    "tests/core/test_cas_files.py",
    "tests/search/test_search.py",
    "tests/search/text",
    # Each ecosystem seam.
    "tests/adapters/test_backend.py",
    "tests/adapters/test_workspace.py",
    "tests/adapters/test_checkpoints.py",
    "tests/agents/test_files.py",
    # Each face.
    "tests/faces/test_cli_files.py",
    "tests/faces/test_http.py",
    "tests/faces/test_http_access.py",
    "tests/faces/test_mcp.py",
    "tests/faces/test_parity.py",
    "tests/test_public.py",
]
"""A cross-section of the tests that takes two cores less than two minutes."""


def interpreters() -> list[str]:
    """The Python interpreters on this machine that the package supports, oldest first."""
    found: list[str] = []
    for minor in range(10, 14):
        kept_by_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"))
        for candidate in (shutil.which(f"python3.{minor}"), *map(str, kept_by_pyenv)):
            if candidate is None:
                continue
            check = "import sys, sqlite3, venv; print(sys.version_info[1])"
            answer = subprocess.run([candidate, "-c", check], capture_output=True, text=True, check=False)
            if answer.stdout.strip() == str(minor):
                found.append(candidate)
                break
    return found or [sys.executable]


OLDEST, *_, NEWEST = [*interpreters()[:1], *interpreters()]


def install(session: nox.Session, line: str, *groups: str, locked: bool = False) -> None:
    """Install what users get, the newest releases; with `locked`, those that `nox -s lock` found."""
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    constraints = ("--constraint", str(locked_versions(line))) if locked else ()
    session.install("-e", ".", LINES[line], *wanted, *constraints)


def locked_versions(line: str) -> Path:
    return Path("requirements", f"line-{line.lower()}.txt")


def run_tests(session: nox.Session, line: str, *options: str) -> None:
    install(session, line, "test")
    with temporary_directory() as directory:
        session.run("python", "-m", "pytest", *AT_ONCE, *options, *session.posargs, env={"TMPDIR": directory})


@contextlib.contextmanager
def temporary_directory() -> Iterator[str]:
    """For the files of tests."""
    place = MEMORY if has_room(MEMORY) else None
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as directory:
        # Some tests become other users.
        Path(directory).chmod(0o755)
        yield directory


def has_room(place: Path) -> bool:
    """Whether the stores of all tests fit in there several times."""
    return os.access(place, os.W_OK) and shutil.disk_usage(place).free > 4 << 30


@nox.session(name="tests-A", python=OLDEST)
def tests_a(session: nox.Session) -> None:
    """The tests on the first line of pydantic-deep and the oldest Python there is."""
    run_tests(session, "A")


@nox.session(name="tests-B", python=NEWEST)
def tests_b(session: nox.Session) -> None:
    """The tests on the newest pydantic-deep and the newest Python there is."""
    run_tests(session, "B")


@nox.session(name="tests-postgresql", python=NEWEST)
def tests_postgresql(session: nox.Session) -> None:
    """The tests that take any store, with one in PostgreSQL."""
    installed = shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed and "CI" not in os.environ:
        session.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    run_tests(session, "B", "--postgresql")


@nox.session(name="other-systems", python=NEWEST, default=False)
def other_systems(session: nox.Session) -> None:
    """The core, its search and its text, on whichever system this is: the other tests need Linux."""
    install(session, "B", "test")
    session.run("python", "-m", "pytest", "-n", "2", *PORTABLE, *session.posargs)


@nox.session(python=NEWEST, default=False)
def quick(session: nox.Session) -> None:
    """Some tests of everything, in two minutes and without PostgreSQL: before a commit, not instead of the others."""
    install(session, "B", "test", locked=True)
    with temporary_directory() as directory:
        options = ("-m", "not slow", *AT_ONCE, *session.posargs)
        session.run("python", "-m", "pytest", *options, *QUICK, env={"TMPDIR": directory})


@nox.session(python=NEWEST, default=False)
def coverage(session: nox.Session) -> None:
    """The tests of line B, and which lines of the package they do not run: fails below 95 %."""
    install(session, "B", "test")
    with temporary_directory() as directory:
        environment = {
            "TMPDIR": directory,
            "COVERAGE_FILE": str(Path(directory, "coverage")),
            # Python's own monitoring, which slows nothing down: from 3.12 on.
            "COVERAGE_CORE": "sysmon",
        }
        command = ("python", "-m", "coverage")
        session.run(*command, "run", "-m", "pytest", *AT_ONCE, *session.posargs, env=environment)
        session.run(*command, "combine", "--quiet", env=environment)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a") as page:
                session.run(*command, "report", "--format=markdown", "--fail-under=0", env=environment, stdout=page)
        session.run(*command, "report", env=environment)


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """Style, types on the newest line, import contracts, and the layout of the repository."""
    install(session, "B", "test", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("pyright")
    # Among them those that break a copy of the package, and see the contracts say so.
    session.run("python", "-m", "pytest", "-n", "2", "tests/repository")


@nox.session(name="types-A", python=NEWEST)
def types_a(session: nox.Session) -> None:
    """Types on the first line of pydantic-deep."""
    install(session, "A", "test", "lint")
    session.run("pyright")


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """The documentation, without a broken link or reference."""
    install(session, "B", "docs")
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp())


@nox.session(python=NEWEST, default=False)
def lock(session: nox.Session) -> None:
    """Versions for development, made anew: one file for each line of pydantic-deep, for every Python."""
    session.install("uv")
    place = Path(session.create_tmp())
    compile_ = ("uv", "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.10")
    plain = ("--no-header", "--no-annotate", "--output-file")
    everything = ("--all-extras", "--group", "test", "--group", "lint", "--group", "docs", "pyproject.toml")
    for line, requirement in LINES.items():
        # The newest release first: resolved with the rest, uv may prefer a newer pydantic-ai to it.
        asked, chosen = place / f"asked-{line}.txt", place / f"chosen-{line}.txt"
        asked.write_text(requirement)
        session.run(*compile_, "--no-deps", *plain, str(chosen), str(asked))
        locked = locked_versions(line)
        session.run(*compile_, *plain, str(locked), *everything, str(chosen))
        locked.write_text(f"# Made by `nox -s lock`: what development on line {line} uses.\n{locked.read_text()}")


@nox.session(python=OLDEST, default=False)
def bench(session: nox.Session) -> None:
    """Every figure of the documentation, each beside its peer, on the line whose backends are the peers."""
    install(session, "A")
    session.run("python", "benchmarks/run.py")
