from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent

from .scripted_model import scripted_model

MakeAgent = Callable[..., Agent[DeepAgentDeps, str]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pydantic-deep writes beside the running program goes away with the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(hive: Hivemind) -> Scope:
    return hive.scope("project/acme")


@pytest.fixture
def ada(hive: Hivemind, project: Scope) -> Scope:
    return hive.scope("user/ada", parent=project)


@pytest.fixture
def make_agent() -> MakeAgent:
    """Makes deep agents on the scripted model, without what needs a network or writes to the host."""

    def make(**options: Any) -> Agent[DeepAgentDeps, str]:
        quiet = {
            "web_search": False,
            "web_fetch": False,
            "thinking": False,
            "include_skills": False,
        }
        return create_deep_agent(**{"model": scripted_model(), **quiet, **options})

    return make


def deps_of(scope: Scope, **fields: Any) -> DeepAgentDeps:
    return DeepAgentDeps(backend=HivemindBackend(scope), **fields)
