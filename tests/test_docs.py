"""The documentation: its Python runs, its pages can be reached, and every public name is in it.

The Python blocks of a page run in order, in one namespace and an empty directory, on both lines of pydantic-deep;
`await` may stand outside a function. What a block prints stands in it after `#>`. A block for one line says so in its
title, which readers see too: ```python title="pydantic-deep 0.3.44".
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import databases
import pytest
import typer
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

import pydantic_hivemind
from pydantic_hivemind import adapters, cli, deep, errors, limits
from pydantic_hivemind.adapters import fastapi

TITLES = {"", ' title="pydantic-deep 0.3.44"', ' title="pydantic-deep 0.3.45 and later"'}
OTHER_LINE = ' title="pydantic-deep 0.3.45 and later"' if deep.TAKES_BACKEND else ' title="pydantic-deep 0.3.44"'
COMMANDS = typer.main.get_group(cli.app).commands
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?P<info>.*)\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE
)


def blocks(page: Path, language: str) -> list[re.Match[str]]:
    return [block for block in BLOCK.finditer(page.read_text()) if block["language"] == language]


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """What the model of the examples says: it does what it is told in these words."""
    last = messages[-1]
    assert isinstance(last, ModelRequest)
    told = next((str(part.content) for part in last.parts if isinstance(part, UserPromptPart)), "")
    if note := re.fullmatch(r"Remember: (.*)", told):
        return ModelResponse([ToolCallPart("write_memory", {"content": f"- {note[1]}\n"})])
    if question := re.fullmatch(r"Look up: (.*)", told):
        return ModelResponse([ToolCallPart("search_memory", {"query": question[1]})])
    if found := [part for part in last.parts if isinstance(part, ToolReturnPart) and part.tool_name == "search_memory"]:
        return ModelResponse([TextPart(found[0].model_response_str())])
    if checkpoint := re.fullmatch(r"Rewind to (.*)\.", told):
        return ModelResponse([ToolCallPart("rewind_to", {"checkpoint_id": checkpoint[1]})])
    return ModelResponse([TextPart("Noted.")])


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are given by name, as readers do, need a key and a network; here each is a script."""
    model = FunctionModel(answer)
    monkeypatch.setattr("pydantic_ai.models.infer_model", lambda name, *_: name if isinstance(name, Model) else model)


@pytest.fixture
def services(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the page that a test is about takes for given: a database that is found by its name alone."""
    if request.getfixturevalue("page").stem != "postgresql":
        yield
        return
    databases.skip_if_not_installed()
    server = databases.server()
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}.items():
        monkeypatch.setenv(name, value)
    server.execute("CREATE DATABASE hivemind")
    yield
    server.drop(server.url("hivemind"))


# pydantic-deep warns of a directory that an agent without skills does not need.
@pytest.mark.filterwarnings("ignore:Default skills directory:UserWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    page: Path,
    scripted: None,
    services: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        for block in blocks(page, "python"):
            assert block["info"] in TITLES
            if block["info"] == OTHER_LINE:
                continue
            code = textwrap.dedent(block["code"])
            where = page.read_text().count("\n", 0, block.start("code"))
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            compiled = compile("\n" * where + code, str(page), "exec", flags=flags, dont_inherit=True)
            outcome = eval(compiled, namespace)
            if inspect.iscoroutine(outcome):
                loop.run_until_complete(outcome)
            printed = [said.rstrip() for said in capsys.readouterr().out.splitlines()]
            assert printed == re.findall(r"^ *#> ?(.*)$", code, re.MULTILINE), f"{page.name}, line {where + 1}"
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("block", blocks(ROOT / "README.md", "python"), ids=lambda block: str(block.start()))
def test_each_block_of_the_readme_runs_by_itself_without_a_key(block: re.Match[str], tmp_path: Path) -> None:
    keyless = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    ran = subprocess.run(
        [sys.executable, "-c", block["code"]], cwd=tmp_path, env=keyless, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.splitlines()) == (0, re.findall(r"^ *#> (.*)$", block["code"], re.MULTILINE)), (
        ran.stderr
    )


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash")], ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_known(page: Path) -> None:
    known = {"nox", "mkdocs", "curl"}  # Readers have these or have just installed them; the tests need not.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks(page, "bash"):
        for step in re.split(r"&&|\||\n", textwrap.dedent(block["code"])):
            words = step.partition("#")[0].split()
            while words and "=" in words[0]:
                words.pop(0)
            if not words:
                continue
            assert words[0] in known or shutil.which(words[0], path=places), f"{page.name}: {step}"
            if words[0] == "python":
                assert (ROOT / words[1]).is_file(), f"{page.name}: {step}"
            if words[0] == "hivemind":
                assert words[1] in COMMANDS, f"{page.name}: {step}"


def test_every_page_is_in_the_navigation() -> None:
    named = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:])


def test_every_public_name_is_documented() -> None:
    reference = "\n".join(page.read_text() for page in PAGES if page.parent.name == "reference")
    public = {*pydantic_hivemind.__all__, *deep.__all__, *adapters.__all__, *_public_functions(fastapi)}
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", reference)] == []


def _public_functions(module: ModuleType) -> set[str]:
    found = inspect.getmembers(module, inspect.isfunction)
    return {name for name, value in found if value.__module__ == module.__name__ and not name.startswith("_")}


def test_every_limit_is_documented() -> None:
    text = (ROOT / "docs/reference/limits.md").read_text()
    assert [name for name in vars(limits) if name.isupper() and f"`{name}`" not in text] == []


def test_the_map_of_the_house_is_right() -> None:
    package = ROOT / "pydantic_hivemind"
    text = (ROOT / "CONTRIBUTING.md").read_text()
    files = re.findall(r"`([\w/]+\.py)`", text)
    assert len(files) > 8
    assert [name for name in files if not (package / name).is_file() and not (ROOT / name).is_file()] == []
    drawn = text.partition("```text")[2].partition("```")[0]
    folders = {path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert [name for name in sorted(folders) if f"{name}/" not in drawn] == []


def test_every_command_is_documented() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in COMMANDS if f"hivemind {name}" not in text] == []


def test_every_error_is_documented() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    tree = [
        error for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, errors.HivemindError)
    ]
    assert [error.__name__ for error in tree if f"`{error.__name__}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    assert not re.search(r"/(?:work|home|root|Users)/|/tmp/\w|C:\\", page.read_text())
