"""The `hivemind` command. Commands import what they need when they run, so that help appears at once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Annotated, cast

import typer

from pydantic_hivemind.base.acting import acting, shown
from pydantic_hivemind.cli import streams
from pydantic_hivemind.cli.commands import (
    changes,
    connect,
    demo,
    files,
    finding,
    proposals,
    servers,
    tokens,
    transfer,
    upkeep,
    workspaces,
)
from pydantic_hivemind.cli.exits import ExitCode, exit_code, explain_error
from pydantic_hivemind.cli.options import named_store
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
    store: Annotated[
        str | None,
        typer.Option(callback=named_store, metavar="STORE", help="Where the store is, if the command does not say."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read by typer: what comes before the command."""


for group in (workspaces, files, finding, changes, proposals, transfer, servers, tokens, connect, upkeep, demo):
    group.add_to(app)


USER_VARIABLE = "HIVEMIND_USER"
"""Who is noted as the user of what the command changes, if not the name they log in with."""

PROGRAMS = ("hivemind", "pydantic-hivemind")
"""Names under which the command is installed."""

# Its name is in another package of typer's from version to version.
_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit code."""
    argv = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in takewhile(lambda word: word != "--", argv)
    streams.prepare()
    try:
        code = _run(argv, as_json=as_json)
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in streams.UNWRITABLE:
            raise
        streams.give_up_printing()
        # Who reads no further knows it.
        if error.errno != errno.EPIPE:
            explain_error("OSError", f"what it prints cannot be written: {error.strerror}", as_json=as_json)
        code = ExitCode.NO
    sys.exit(code)


def _run(argv: list[str], *, as_json: bool) -> str | int | None:
    """Run the command, and return its exit code."""
    called = Path(sys.argv[0]).name
    try:
        # Typer tells of wrong usage itself, and ends the process, unless it is not to.
        with acting(user=_user()):
            return app(args=argv, prog_name=called if called in PROGRAMS else PROGRAMS[0], standalone_mode=not as_json)
    except SystemExit as ended:
        return ended.code
    except HivemindError as error:
        explain_error(type(error).__name__, error, as_json=as_json)
        return exit_code(error)
    except _UsageError as error:
        explain_error("UsageError", cast(typer.BadParameter, error).format_message(), as_json=as_json)
        return ExitCode.USAGE


def _user() -> str | None:
    """Return who runs the command: the name they log in with, or what HIVEMIND_USER says instead."""
    import getpass

    with suppress(OSError, KeyError):
        return shown(os.environ.get(USER_VARIABLE) or getpass.getuser())
    return None
