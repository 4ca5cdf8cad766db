"""`hivemind serve` and `hivemind mcp`."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from pydantic_hivemind.cli.commands.tokens import Can, actions
from pydantic_hivemind.cli.exits import ExitCode, Refused
from pydantic_hivemind.cli.options import TOKEN_VARIABLE, Store, Workspace, find, open_store
from pydantic_hivemind.cli.streams import standard_input


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(console)
    app.command()(mcp)


def serve(
    *,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.", min=1, max=65535)] = 8765,
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A host name it is served under; may be given again.")
    ] = None,
    store: Store,
) -> None:
    """Serve the store over HTTP and MCP until told to end, with the console at /console.

    Every request needs a token, which `hivemind token create` makes.
    """
    from pydantic_hivemind import http
    from pydantic_hivemind.console import create_console
    from pydantic_hivemind.mcp import create_app

    with open_store(store) as hive, _listening(host, port):
        mounts = {"/mcp": create_app(hive), "/console": create_console(hive)}
        http.serve(hive, host=host, port=port, hosts=name or (), mounts=mounts)


def console(
    *,
    port: Annotated[int, typer.Option(help="The port to listen at.", min=1, max=65535)] = 8766,
    browser: Annotated[bool, typer.Option(help="Whether to open a browser.")] = True,
    store: Store,
) -> None:
    """Open the console of a store on this machine, until told to end.

    The address that it prints signs in without a token, as whoever runs the store; keep it to yourself.
    """
    import secrets
    import threading
    import webbrowser

    from pydantic_hivemind import http
    from pydantic_hivemind.console import create_console

    key = secrets.token_urlsafe(32)
    host = "127.0.0.1"
    address = f"http://{host}:{port}/console/open?key={key}"
    with open_store(store) as hive, _listening(host, port):
        typer.echo(address)
        if browser:
            opening = threading.Timer(1.0, webbrowser.open, (address,))
            opening.daemon = True
            opening.start()
        http.serve(hive, host=host, port=port, mounts={"/console": create_console(hive, operator_key=key)})


@contextmanager
def _listening(host: str, port: int) -> Generator[None]:
    """Say what to do where the address cannot be listened at."""
    try:
        yield
    except SystemExit as ended:
        # Uvicorn has said why; its exit code would mean something else here.
        if ended.code:
            message = f"cannot listen at {host}, port {port}; choose another place with --port, or --host of `serve`"
            raise Refused(message, ExitCode.STORE) from None
        raise


def mcp(
    *,
    can: Can = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="The same as --can read.")] = False,
    workspace: Workspace,
    store: Store,
) -> None:
    """Serve a workspace to the MCP client that starts this command.

    What it may do is what the token in HIVEMIND_TOKEN allows, and of that only what --can says; without a token,
    what --can says.
    """
    from pydantic_hivemind.mcp import create_server, create_token_server, serve
    from pydantic_hivemind.tokens import Tokens

    standard_input()
    token = os.environ.get(TOKEN_VARIABLE)
    requested = ["read"] if read_only else can
    with open_store(store) as hive:
        if token:
            tokens = Tokens(hive)
            if tokens.verify(token).workspace != workspace:
                raise Refused(f"the token in {TOKEN_VARIABLE} is for another workspace", ExitCode.DENIED)
            server = create_token_server(tokens, token, can=None if requested is None else actions(requested))
        else:
            server = create_server(find(hive, workspace), can=actions(requested))
        serve(server, hive)
