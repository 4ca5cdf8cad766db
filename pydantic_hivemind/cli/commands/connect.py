"""`hivemind connect` and `hivemind disconnect`: a workspace in the configuration of an MCP client."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pydantic_hivemind.base.paths import is_url
from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.commands.tokens import Can, TokenTtl, actions, lifetime
from pydantic_hivemind.cli.exits import ExitCode, Refused, explain
from pydantic_hivemind.cli.options import (
    STORE_VARIABLE,
    TOKEN_VARIABLE,
    Json,
    Store,
    Workspace,
    find,
    open_store,
)
from pydantic_hivemind.cli.work_trees import how_to_keep_out
from pydantic_hivemind.errors import HivemindError, InvalidToken

if TYPE_CHECKING:
    from pydantic_hivemind.cli.client_configs import Server

PLACEHOLDER = "TOKEN"
"""What `--print` shows in place of a token, which would be a secret on a screen."""


Client = Annotated[
    Literal["claude-code", "claude-desktop", "cursor", "vscode", "codex"],
    typer.Argument(metavar="CLIENT", help="claude-code, claude-desktop, cursor, vscode or codex."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connect)
    app.command()(disconnect)


def connect(
    client: Client,
    *,
    can: Can = None,
    ttl: TokenTtl = None,
    show: Annotated[bool, typer.Option("--print", help="Show what would be written, and change nothing.")] = False,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Give an MCP client a workspace's tools.

    It gets a token for that workspace. claude-code, cursor and vscode are configured for the directory where you
    are, the others for you everywhere.
    """
    from pydantic_hivemind.cli.client_configs import CLIENTS
    from pydantic_hivemind.tokens import Tokens

    _check_has_no_password(store)
    kind = CLIENTS[client]
    place = kind.place()
    with open_store(store) as hive:
        scope = find(hive, workspace)
        if show:
            _show(client, place, _server(store, workspace, PLACEHOLDER), as_json=as_json)
            return
        before = kind.connected(place)
        tokens = Tokens(hive)
        token = tokens.create(scope, can=actions(can), ttl=lifetime(ttl))
        grant = tokens.verify(token)
        try:
            kind.write(place, kind.merged(place, _server(store, workspace, token)))
        except Refused:
            tokens.revoke(grant.id)
            raise
    output.show(
        {"client": client, "file": str(place), "workspace": workspace, "expires_at": grant.expires_at},
        as_json=as_json,
        people=lambda _: (
            f"Connected {client} to {output.printable(workspace)} until {output.moment(grant.expires_at)[:10]}."
        ),
        plain=lambda _: output.row(place),
    )
    explain(f"{place} has a token in it now; keep it to yourself, and start the client again")
    if (command := how_to_keep_out(place)) is not None:
        explain(f"git would commit it with the file; this keeps the file out: `{command}`")
    _revoke(before, store)


def disconnect(client: Client, *, store: Store, as_json: Json = False) -> None:
    """Take them from the client again.

    Its token is revoked. Exit code 1 if it has none.
    """
    from pydantic_hivemind.cli.client_configs import CLIENTS

    kind = CLIENTS[client]
    place = kind.place()
    before = kind.connected(place)
    if before is None:
        raise Refused(f"{client} is not connected", ExitCode.NO)
    kind.write(place, kind.without(place))
    output.show(
        {"client": client, "file": str(place)},
        as_json=as_json,
        people=lambda _: f"Disconnected {client}.",
        plain=lambda _: output.row(place),
    )
    _revoke(before, store)


def _show(client: str, place: Path, server: Server, *, as_json: bool) -> None:
    """Print what a file would be, or what somebody is to add to it by hand."""
    from pydantic_hivemind.cli.client_configs import CLIENTS

    kind = CLIENTS[client]
    try:
        content = kind.merged(place, server)
    except Refused:
        content = kind.alone(server)
        explain(f"{place} must be completed by hand; this is what to add to it")
    if as_json:
        output.print_json({"client": client, "file": str(place), "content": content})
    else:
        sys.stdout.write(content)
    _, *workspace = server.arguments
    making = ["hivemind", "token", "create", *workspace, "--store", server.environment[STORE_VARIABLE]]
    explain(f"`{shlex.join(making)}` makes what goes where {PLACEHOLDER} is")


def _check_has_no_password(store: str) -> None:
    """Refuse a store whose URL would give the whole database to everybody who reads the client's file.

    Raises:
        Refused: It has a password.
    """
    if not is_url(store):
        return
    from pydantic_hivemind.ledger.engine.postgresql import has_password

    if has_password(store):
        raise Refused(
            "the URL of the store has a password, which does not belong into a client's file; put it into ~/.pgpass, or"
            " into PGPASSWORD in the environment that the client starts in, and pass the URL without it",
            ExitCode.USAGE,
        )


def _server(store: str, workspace: str, token: str) -> Server:
    from pydantic_hivemind.cli.client_configs import Server

    # Where this very package is: clients have another PATH, and other packages have a command of that name.
    beside = str(Path(sys.executable).parent)
    command = shutil.which("hivemind", path=beside) or shutil.which("pydantic-hivemind") or "pydantic-hivemind"
    place = store if is_url(store) else str(Path(store).expanduser().absolute())
    return Server(command, ("mcp", "--workspace", workspace), {STORE_VARIABLE: place, TOKEN_VARIABLE: token})


def _revoke(server: Server | None, store: str) -> None:
    """End the token that a client had, in the store that it was for."""
    from pydantic_hivemind.tokens import Tokens

    if server is None:
        return
    try:
        with open_store(server.environment.get(STORE_VARIABLE, store)) as hive:
            tokens = Tokens(hive)
            with suppress(InvalidToken):
                tokens.revoke(tokens.verify(server.environment.get(TOKEN_VARIABLE, "")).id)
    except HivemindError as error:
        explain(f"the token that it had could not be revoked: {error}")
