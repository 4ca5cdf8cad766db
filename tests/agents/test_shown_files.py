"""What upstream's examples print: `deps.files`, `backend.files`; and what the prompt says of uploads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pydantic_hivemind import HivemindBackend, Scope
from pydantic_hivemind.limits import MAX_SHOWN_BYTES, MAX_SHOWN_FILES

from .conftest import MakeAgent, deps_of
from .scripted_model import EVERYTHING, call, script

pytestmark = pytest.mark.anyio


async def test_files_are_those_of_the_scope(make_agent: MakeAgent, project: Scope, ada: Scope) -> None:
    project.write_text("/shared.md", "a\nb\n")
    ada.write_bytes("/raw", b"\0\xff")
    deps = deps_of(ada)
    await make_agent().run(script(call("write_file", path="/own.md", content="own\n")), deps=deps)
    for files in (deps.files, HivemindBackend(ada).files):
        assert {"/own.md", "/shared.md", "/raw"} <= files.keys()
        assert files["/shared.md"]["content"] == ["a", "b", ""]
        assert files["/own.md"]["content"] == ["own", ""]
        assert files["/raw"]["encoding"] == "base64"
        assert json.loads(json.dumps(files)) == files
    assert replace(deps).files.keys() == deps.files.keys()
    assert "/own.md" in deps.clone_for_subagent().files


async def test_no_more_than_one_wants_to_see(ada: Scope) -> None:
    ada.write_text("/large", "x" * (MAX_SHOWN_BYTES + 1))
    for number in range(MAX_SHOWN_FILES + 10):
        ada.write_text(f"/many/{number:04}", "x")
    files = HivemindBackend(ada).files
    assert len(files) == MAX_SHOWN_FILES - 1
    assert "/large" not in files
    ada.destroy()
    assert HivemindBackend(ada).files == {}


async def test_uploads_of_earlier_requests_are_in_the_prompt(make_agent: MakeAgent, ada: Scope, project: Scope) -> None:
    await deps_of(ada).upload_file("sales.csv", b"a,b\n1,2\n")
    deps = deps_of(ada)
    await deps.upload_file("new.csv", b"a\n")
    result = await make_agent().run(script(EVERYTHING), deps=deps)
    assert "sales.csv` (" in result.output
    assert "new.csv` (2 B, 1 lines)" in result.output.replace("bytes", "B")
    assert result.output.count("new.csv`") == 1
    assert len(deps.uploads) == 1
    other = await make_agent().run(script(EVERYTHING), deps=deps_of(project))
    assert "sales.csv" not in other.output
