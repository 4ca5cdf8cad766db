"""The options that commands share, and what they stand for: a store, a workspace, a span of time."""

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
"""The environment variable that says where the store is."""

TOKEN_VARIABLE = "HIVEMIND_TOKEN"  # noqa: S105 - its name
"""The environment variable that a token is given in: arguments show up in lists of processes."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def default_store() -> str:
    """A place of the user's, so that every command finds the same store wherever it is called."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(data) / "hivemind")


def named_store(context: typer.Context, value: Any) -> Any:
    """The store that is named after the command, or else before it, or else the usual one.

    Raises:
        Refused: The name is empty.
    """
    source = context.get_parameter_source("store")
    if source is None or source.name != "COMMANDLINE":
        value = context.find_root().params.get("store") or value
    # The directory where you are, for `pathlib`.
    if value is not None and not str(value).strip() and not context.resilient_parsing:
        raise Refused("--store is empty; pass a directory, `.` for the current one", ExitCode.USAGE)
    return value


def _json(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - typer calls it
    return value or bool(context.find_root().params.get("as_json"))


MOST_COMPLETIONS = 200
"""Names that a shell is offered at once; it shows what it is given."""


def names(context: typer.Context, incomplete: str) -> list[str]:
    """The workspaces whose names begin like that, for the shell's completion."""
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
    int | None,
    typer.Option(metavar="NUMBER", help="Change nothing unless the file is at this version; 0 for no file."),
]
OperationId = Annotated[
    str | None, typer.Option(metavar="ID", help="Makes a retry with the same id do nothing a second time.")
]


@contextmanager
def open_store(store: str, *, make: bool = False) -> Generator[Hivemind]:
    """The hive in a directory or a database, closed afterwards. Only with `make` a directory becomes a store.

    Raises:
        Refused: There is none.
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
    """A workspace that is there.

    Raises:
        ScopeNotFound: There is none of that name.
    """
    with open_store(store) as hive:
        yield find(hive, name)


def find(hive: Hivemind, name: str) -> Scope:
    """The workspace of that name.

    Raises:
        ScopeNotFound: There is none.
    """
    try:
        return hive.get(name)
    except ScopeNotFound:
        message = f"workspace {name!r} does not exist; `hivemind workspace list` shows the existing ones"
        raise ScopeNotFound(message) from None


def seconds(text: str) -> float:
    """A span of time such as `90`, `30m`, `2h` or `7d`.

    Raises:
        Refused: It is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if found is None:
        raise Refused(f"{text!r} is not a duration; write it as 90s, 30m, 2h, 7d or 1w", ExitCode.USAGE)
    return float(found[1]) * _SECONDS[found[2] or "s"]
