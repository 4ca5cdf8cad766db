"""The versions that determine how a store behaves, and whether they are compatible."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from pydantic_hivemind.base.values import Finding
from pydantic_hivemind.ledger.schema import REVISION

PACKAGES = ("pydantic-hivemind", "pydantic-deep", "pydantic-ai-backend", "pydantic-ai-slim", "chromadb", "sqlalchemy")
"""The most important dependencies."""


def installed() -> dict[str, str]:
    """Return the ledger's revision, and the versions of Python and of the most important dependencies."""
    return {"ledger": REVISION, "python": platform.python_version()} | {
        package: metadata.version(package) for package in PACKAGES
    }


def findings() -> list[Finding]:
    """Return the installed packages that this one or pydantic-deep does not support."""
    return [*_of("pydantic-hivemind"), *_of("pydantic-deep")]


def _of(package: str) -> Iterator[Finding]:
    for needed in map(Requirement, metadata.requires(package) or ()):
        if needed.name not in PACKAGES or (needed.marker is not None and not needed.marker.evaluate({"extra": ""})):
            continue
        version = metadata.version(needed.name)
        if not needed.specifier.contains(version, prereleases=True):
            problem = f"{needed.name} {version} is installed, and {package} needs {needed.specifier}"
            yield Finding("versions", problem, f"pip install '{needed.name}{needed.specifier}'")
