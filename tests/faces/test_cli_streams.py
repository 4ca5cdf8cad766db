"""Standard streams that are closed, full, endless, or of an encoding without some characters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pydantic_hivemind.limits import MAX_FILE_BYTES

HIVEMIND = str(Path(sys.executable).parent / "hivemind")


@pytest.fixture(autouse=True)
def workspace(run, monkeypatch):
    """A workspace with a file, and streams as users have them."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    run("workspace", "create", "run")
    run("write", "/notes.md", "-w", "run", stdin=b"- tea\n")


def shell(text, **environment):
    program = {"hivemind": HIVEMIND, **environment}
    return subprocess.run(
        ["bash", "-c", text], env=os.environ | program, capture_output=True, encoding="latin-1", check=False
    )


@pytest.mark.parametrize("command", ["ls", "ls --json", "cat /notes.md", "grep tea", "search tea"])
def test_a_command_whose_output_is_closed_prints_nowhere(command):
    told = shell(f"$hivemind {command} -w run >&-")
    assert (told.returncode, told.stderr) == (0, "")


def test_what_goes_wrong_with_closed_streams_has_its_exit_code():
    assert shell("$hivemind ls -w none >&- 2>&-").returncode == 3


@pytest.mark.parametrize("command", ["ls", "ls --json", "cat /notes.md", "token create"])
def test_output_that_cannot_be_written_is_told(command):
    told = shell(f"$hivemind {command} -w run >/dev/full")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "what it prints cannot be written: No space left on device" in told.stderr


@pytest.mark.parametrize("command", ["ls", "ls --json", "cat /notes.md", "ls --help"])
def test_a_reader_that_reads_nothing_is_no_error_to_look_at(command):
    told = shell(f"set -o pipefail; $hivemind {command} -w run | sleep 0")
    assert told.stderr == ""


@pytest.mark.parametrize("command", ["write /notes.md", "write /new.md", "mcp"])
def test_input_that_is_closed_is_not_taken_for_an_empty_one(run, command):
    told = shell(f"$hivemind {command} -w run <&-")
    assert (told.returncode, told.stderr) == (
        2,
        "hivemind: standard input is closed; redirect a file or a pipe to it\n",
    )
    assert run("cat", "/notes.md", "-w", "run").out == "- tea\n"
    assert run("ls", "-w", "run").lines == ["/notes.md"]


def test_input_without_end_is_refused_when_it_is_too_much(run, monkeypatch):

    class Endless:
        asked = 0

        def isatty(self):
            return False

        def read(self, size):
            self.asked = size
            return b"x" * size

    endless = Endless()
    monkeypatch.setattr("pydantic_hivemind.cli.commands.files.standard_input", lambda: endless)
    told = run("write", "/notes.md", "-w", "run")
    assert (told.code, endless.asked) == (2, MAX_FILE_BYTES + 1)
    assert run("cat", "/notes.md", "-w", "run").out == "- tea\n"


@pytest.mark.parametrize("command", ["workspace list", "workspace tree", "workspace list --json", "grep . -w run"])
def test_what_an_encoding_has_not_is_escaped(run, command):
    run("workspace", "create", "é\N{OTTER}")
    run("write", "/notes.md", "-w", "run", stdin="é\N{OTTER}\n".encode())
    told = shell(f"$hivemind {command}", PYTHONIOENCODING="latin-1")
    assert (told.returncode, told.stderr) == (0, "")
    assert ("\\u00e9\\ud83e\\udda6" if "--json" in command else "é\\U0001f9a6") in told.stdout
