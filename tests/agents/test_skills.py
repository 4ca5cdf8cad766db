"""Skills that live in a scope, on both lines of pydantic-deep."""

from __future__ import annotations

from typing import Any

import pydantic_deep
import pytest

from pydantic_hivemind import Scope
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.deep import TAKES_BACKEND

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio

SKILL = """---
name: greet
description: How to greet people here.
---
Say "moin".
"""


async def test_a_skill_of_the_project(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    project.write_text("/skills/greet/SKILL.md", SKILL)
    directory: Any
    if TAKES_BACKEND:
        from pydantic_deep.features.skills.backend import BackendSkillsDirectory

        directory = BackendSkillsDirectory(backend=HivemindBackend(project), path="/skills")
    else:
        directory = pydantic_deep.WorkspaceSkillsDirectory(path="skills")
    agent = make_agent(include_skills=True, skill_directories=[directory])
    result = await agent.run(script(call("load_skill", skill_name="greet"), EVERYTHING), deps=deps_of(ada))
    assert 'Say "moin".' in result.output
