"""Options that several commands share, and the values they stand for: a store, a workspace, a duration."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pydantic_hivemind.base.paths import is_url
from pydantic_hivemind.cli.exits import ExitCode, Refused
from pydantic_hivemind.errors import HivemindError, ScopeNotFound

if TYPE_CHECKING:
    from pydantic_hivemind.hive.hivemind import Hivemind
    from pydantic_hivemind.hive.scope import Scope

STORE_VARIABLE = "HIVEMIND_STORE"
"""Environment variable with the location of the store."""

TOKEN_VARIABLE = "HIVEMIND_TOKEN"  # noqa: S105 - its name
"""Environment variable with a token; arguments would be visible in process lists."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def default_store() -> str:
    """Return the user's default store, the same from every directory."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(data) / "hivemind")


def named_store(context: typer.Context, value: Any) -> Any:
    """Return the store named after the command, or before it, or the default one.

    Raises:
        Refused: The name is empty, or a URL with a password, which every user of the machine would see in `ps`.
    """
    source = context.get_parameter_source("store")
    if source is None or source.name != "COMMANDLINE":
        value = context.find_root().params.get("store") or value
    elif value is not None and is_url(str(value)) and not context.resilient_parsing:
        _check_has_no_password(str(value))
    # The directory where you are, for `pathlib`.
    if value is not None and not str(value).strip() and not context.resilient_parsing:
        raise Refused("--store is empty; pass a directory, `.` for the current one", ExitCode.USAGE)
    return value


def _check_has_no_password(store: str) -> None:
    from pydantic_hivemind.ledger.engine.postgresql import has_password

    if has_password(store):
        raise Refused(
            "the URL of the store has a password, which every user of this machine would see in its process list; put "
            f"it into ~/.pgpass or PGPASSWORD and pass the URL without it, or put the URL into {STORE_VARIABLE}",
            ExitCode.USAGE,
        )


def _json(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - typer calls it
    return value or bool(context.find_root().params.get("as_json"))


MOST_COMPLETIONS = 200
"""Names that a shell is offered at once; it shows what it is given."""


def names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the workspaces whose names begin with a text, for shell completion."""
    store = context.params.get("store") or os.environ.get(STORE_VARIABLE) or default_store()
    try:
        with open_store(store) as hive:
            return [info.name for info in hive.scopes(prefix=incomplete, limit=MOST_COMPLETIONS)]
    except HivemindError:
        return []


Store = Annotated[
    str,
    typer.Option(
        default_factory=default_store,
        envvar=STORE_VARIABLE,
        metavar="STORE",
        callback=named_store,
        show_default="~/.local/share/hivemind",
        help="The store's directory, or the URL of its PostgreSQL database.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The workspace.", autocompletion=names)]
Workspace = Annotated[
    str, typer.Option("--workspace", "-w", metavar="NAME", help="The workspace.", autocompletion=names)
]
Json = Annotated[bool, typer.Option("--json", callback=_json, help="Print JSON.")]
FilePath = Annotated[str, typer.Argument(metavar="PATH", help="The file in the workspace.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be given again.")]
Hidden = Annotated[bool, typer.Option("--hidden/--no-hidden", help="Whether to look at names that begin with a dot.")]
ExpectedVersion = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Change nothing unless the file is at this version; 0 for no file."),
]
OperationId = Annotated[
    str | None, typer.Option(metavar="ID", help="Makes a retry with the same id do nothing a second time.")
]


@contextmanager
def open_store(store: str, *, make: bool = False) -> Generator[Hivemind]:
    """Open the hive in a directory or a database, and close it afterwards.

    A directory becomes a store only with `make`.

    Raises:
        Refused: The directory contains no store.
    """
    from pydantic_hivemind.hive.hivemind import Hivemind
    from pydantic_hivemind.ledger.engine.sqlite import LEDGER_FILE

    if is_url(store):
        with Hivemind.connect(store) as hive:
            yield hive
        return
    directory = Path(os.path.expanduser(store))  # noqa: PTH111 - `~` of nobody is a character
    if not make and not (directory / LEDGER_FILE).exists():
        raise Refused(
            f"{store} contains no store; create one with `hivemind workspace create`, or pass the directory of "
            f"an existing one with --store or {STORE_VARIABLE}",
            ExitCode.NOT_FOUND,
        )
    with Hivemind.open(directory) as hive:
        yield hive


@contextmanager
def open_workspace(store: str, name: str) -> Generator[Scope]:
    """Open an existing workspace.

    Raises:
        ScopeNotFound: No workspace of that name exists.
    """
    with open_store(store) as hive:
        yield find(hive, name)


def find(hive: Hivemind, name: str) -> Scope:
    """Return the workspace of that name.

    Raises:
        ScopeNotFound: No workspace of that name exists.
    """
    try:
        return hive.get(name)
    except ScopeNotFound:
        message = f"workspace {name!r} does not exist; `hivemind workspace list` shows the existing ones"
        raise ScopeNotFound(message) from None


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `90`, `30m`, `2h` or `7d`.

    Raises:
        Refused: The text is not a duration.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if found is None:
        raise Refused(f"{text!r} is not a duration; write it as 90s, 30m, 2h, 7d or 1w", ExitCode.USAGE)
    return float(found[1]) * _SECONDS[found[2] or "s"]
