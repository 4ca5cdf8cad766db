"""The `hivemind` command. What a command needs is imported in it, so that help comes at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pydantic_hivemind.cli import (
    connect,
    demo,
    files,
    finding,
    promoting,
    servers,
    tokens,
    transfer,
    upkeep,
    workspaces,
)
from pydantic_hivemind.cli.exits import exit_code, explain
from pydantic_hivemind.errors import HivemindError

app = typer.Typer(
    help="Memory for pydantic-deep agents that many users, projects and runs share without leaking.",
    epilog="Exit codes: 0 done, 1 nothing found or something wrong, 2 wrong usage, 3 no such workspace, path or "
    "version, 4 conflict, 5 the store cannot do it, 6 the token does not allow it.",
    no_args_is_help=True,
    # Formatted help takes longer to load than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hivemind {version('pydantic-hivemind')}")
        raise typer.Exit


@app.callback()
def hivemind(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Read by typer: what comes before the command."""


for group in (workspaces, files, finding, promoting, transfer, servers, tokens, connect, upkeep, demo):
    group.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with the exit code of what came of it."""
    try:
        app(args=arguments, prog_name="hivemind")
    except HivemindError as error:
        explain(error)
        sys.exit(exit_code(error))
