"""Options that every command has, before and after its name; errors as JSON; the shell's completion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pydantic_hivemind import cli

PROGRAMS = Path(sys.executable).parent


def completions(line, program="hivemind", **environment):
    """What a shell would be told at the end of a line."""
    name = program.replace("-", "_").upper()
    asked = {f"_{name}_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    ran = subprocess.run(
        [PROGRAMS / program], env=os.environ | asked | environment, capture_output=True, text=True, check=False
    )
    return ran.stdout.split()


@pytest.mark.parametrize(
    "line",
    [
        "hivemind ls -w r",
        "hivemind workspace show r",
        "hivemind workspace create new --inherit r",
        "hivemind promote --from r",
        "hivemind promote --from x --to r",
        "hivemind diff -w x --to r",
    ],
)
def test_names_of_workspaces_are_completed(run, line):
    run("workspace", "create", "run-1", "--inherit", "project")
    assert completions(line) == ["run-1"]


def test_names_are_those_of_the_store_that_is_meant(run, tmp_path):
    run("workspace", "create", "run-1", "--store", tmp_path / "other")
    assert completions(f"hivemind ls --store {tmp_path / 'other'} -w r") == ["run-1"]
    assert completions(f"hivemind --store {tmp_path / 'other'} ls -w r") == ["run-1"]
    assert completions("hivemind ls -w r") == []


@pytest.mark.parametrize("program", ["hivemind", "pydantic-hivemind"])
def test_each_program_completes_itself(run, program):
    run("workspace", "create", "run-1")
    assert completions(f"{program} ls -w r", program) == ["run-1"]
    script, told = (
        subprocess.run(
            [PROGRAMS / program, *asked], env=os.environ | more, capture_output=True, text=True, check=True
        ).stdout
        for asked, more in (([], {f"_{program.replace('-', '_').upper()}_COMPLETE": "source_bash"}), (["--help"], {}))
    )
    assert script.rstrip().endswith(f" {program}")
    assert f"Usage: {program}" in told


def test_the_store_may_be_named_first(run, tmp_path):
    other = tmp_path / "other"
    assert run("--store", other, "workspace", "create", "there").code == 0
    assert run("--store", other, "workspace", "list").out == "there\n"
    assert run(f"--store={other}", "--json", "workspace", "list").json[0]["name"] == "there"
    assert run("workspace", "list").code == 3
    assert run("--store", tmp_path / "nowhere", "workspace", "list", "--store", other).out == "there\n"


@pytest.mark.parametrize("arguments", [("--store", "", "ls"), ("ls", "--store", "")])
def test_an_empty_name_is_no_store(run, arguments):
    """Where you are would be one otherwise."""
    told = run(*arguments, "-w", "run")
    assert (told.code, told.out) == (2, "")
    assert run("workspace", "create", "run", "--store", " ").code == 2
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["cat", "/missing", "-w", "run"], 3, "PathNotFound"),
        (["ls", "-w", "nobody"], 3, "ScopeNotFound"),
        (["workspace", "create", "run"], 4, "ScopeExists"),
        (["workspace", "delete", "project"], 4, "ScopeHasChildren"),
        (["grep", "(", "-w", "run"], 2, "InvalidPattern"),
        (["token", "revoke", "none"], 3, "Refused"),
        (["ls"], 2, "UsageError"),
        (["nothing"], 2, "UsageError"),
        (["search", "--limit", "0", "-w", "run"], 2, "UsageError"),
    ],
)
def test_errors_are_json_where_json_is_asked_for(run, arguments, code, error):
    run("workspace", "create", "run", "--inherit", "project")
    plain = run(*arguments)
    for told in (run(*arguments, "--json"), run("--json", *arguments)):
        said = json.loads(told.err)
        assert (told.code, told.out, said["error"]) == (code, "", error)
        assert said["detail"] in plain.err
    assert plain.code == code


def test_an_end_without_an_error_is_the_same_with_json(run):
    run("workspace", "create", "run")
    assert run("search", "nothing", "--json", "-w", "run").code == 1
    assert run("--version", "--json").code == 0
    assert run("ls", "--json", "--help").code == 0


def test_every_option_of_names_completes_them():
    """One that is added is not forgotten."""

    def options(group):
        for command in group.commands.values():
            yield from options(command) if hasattr(command, "commands") else command.params

    named = [one for one in options(typer.main.get_group(cli.app)) if one.metavar == "NAME" and one.name != "name"]
    assert {one.name for one in named} == {"workspace", "source", "to", "inherit", "promote_to"}
    for one in named:
        assert one._custom_shell_complete is not None
