"""The documentation: its Python runs, its pages can be reached, and every public name is in it.

The Python blocks of a page run in order, in one namespace and an empty directory, on both lines of pydantic-deep;
`await` may stand outside a function. What a block prints stands in it after `#>`. A block for one line says so in its
title, which readers see too: ```python title="pydantic-deep 0.3.44".
"""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import inspect
import re
import shutil
import textwrap
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

import pydantic_hivemind
from pydantic_hivemind import errors

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)(?P<info>.*)\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[re.Match[str]]:
    return [block for block in BLOCK.finditer(page.read_text()) if block["language"] == language]


def line() -> str:
    """The title of blocks for the line of pydantic-deep that is installed."""
    from pydantic_deep import DeepAgentDeps

    has_backend = "backend" in {field.name for field in dataclasses.fields(DeepAgentDeps)}
    return "pydantic-deep 0.3.44" if has_backend else "pydantic-deep 0.3.45 and later"


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """What the model of the examples says: it does what it is told in these words."""
    last = messages[-1]
    assert isinstance(last, ModelRequest)
    told = next((str(part.content) for part in last.parts if isinstance(part, UserPromptPart)), "")
    if note := re.fullmatch(r"Remember: (.*)", told):
        return ModelResponse([ToolCallPart("write_memory", {"content": f"- {note[1]}\n"})])
    if checkpoint := re.fullmatch(r"Rewind to (.*)\.", told):
        return ModelResponse([ToolCallPart("rewind_to", {"checkpoint_id": checkpoint[1]})])
    return ModelResponse([TextPart("Noted.")])


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are given by name, as readers do, need a key and a network; here each is a script."""
    model = FunctionModel(answer)
    monkeypatch.setattr("pydantic_ai.models.infer_model", lambda name, *_: name if isinstance(name, Model) else model)


# pydantic-deep warns of a directory that an agent without skills does not need.
@pytest.mark.filterwarnings("ignore:Default skills directory:UserWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    page: Path, scripted: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        for block in blocks(page, "python"):
            if "pydantic-deep" in block["info"] and f'title="{line()}"' not in block["info"]:
                continue
            code = textwrap.dedent(block["code"])
            where = page.read_text().count("\n", 0, block.start("code"))
            compiled = compile("\n" * where + code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            outcome = eval(compiled, namespace)
            if inspect.iscoroutine(outcome):
                loop.run_until_complete(outcome)
            printed = [said.rstrip() for said in capsys.readouterr().out.splitlines()]
            assert printed == re.findall(r"^ *#> ?(.*)$", code, re.MULTILINE), f"{page.name}, line {where + 1}"
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash")], ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_known(page: Path) -> None:
    known = {"git", "nox", "hivemind"}  # Readers have these, or have just installed them.
    for block in blocks(page, "bash"):
        for step in re.split(r"&&|\||\n", textwrap.dedent(block["code"])):
            words = step.partition("#")[0].split()
            while words and "=" in words[0]:
                words.pop(0)
            if not words:
                continue
            assert words[0] in known or shutil.which(words[0]), f"{page.name}: {step}"
            if words[0] == "python" and not words[1].startswith("-"):
                assert (ROOT / words[1]).is_file(), f"{page.name}: {step}"


def test_every_page_is_in_the_navigation() -> None:
    named = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:])


def test_every_public_name_is_documented() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    public = {name for name in pydantic_hivemind.__all__ if not re.search(rf"\b{name}\b", text)}
    assert not public


def test_every_error_is_documented() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    tree = [error for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, errors.HivemindError)]
    assert [error.__name__ for error in tree if f"`{error.__name__}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    assert not re.search(r"/(?:work|home|root|Users)/|/tmp/\w|C:\\", page.read_text())
