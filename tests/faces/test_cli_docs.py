"""The pages about the command: what they show happens, and nothing is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pydantic_hivemind import cli

DOCS = Path(__file__).parents[2] / "docs"
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def options(group, *above):
    """Every command's words and its options."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from options(command, *above, name)
        else:
            yield (
                " ".join((*above, name)),
                [option for one in command.params for option in one.opts if option[0] == "-"],
            )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has nothing yet."""
    monkeypatch.delenv("HIVEMIND_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return tmp_path


def follow(page, home):
    """Do what a page shows; its commands run in order in one shell, which tells their output apart."""
    steps = STEP.findall("".join(re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)))
    assert len(steps) > 4
    script = "\n".join(f"{command}\necho ==NEXT==" for command, _ in steps)
    ran = subprocess.run(
        ["sh", "-c", script], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    for (command, shown), said in zip(steps, ran.stdout.split("==NEXT==\n"), strict=False):
        expected = ".*".join(map(re.escape, shown.split("...")))
        assert re.fullmatch(expected, said), f"{command}\n{said}"


def test_the_guide_shows_what_happens(home):
    follow(DOCS / "guides/command.md", home)


def test_the_readme_shows_what_happens_to_a_user_who_has_nothing(home):
    follow(DOCS.parent / "README.md", home)


@pytest.mark.parametrize(("words", "names"), [*options(typer.main.get_group(cli.app))], ids=str)
def test_the_reference_names_every_command_and_option(words, names):
    page = (DOCS / "reference/command.md").read_text()
    everywhere, _, rest = page.partition("## Exit codes")
    described = re.search(rf"^### `hivemind {words}`\n(.*?)(?=^##|\Z)", rest, re.MULTILINE | re.DOTALL)
    assert described, words
    missing = {name for name in names if f"`{name}" not in everywhere + described[1]}
    assert not missing
