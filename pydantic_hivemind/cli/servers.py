"""`hivemind serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from pydantic_hivemind.cli.options import Store, open_store


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)


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
    """Serve the store over HTTP until told to end.

    Who asks needs a token, which `hivemind token create` makes.
    """
    from pydantic_hivemind import http

    with open_store(store) as hive:
        http.serve(hive, host=host, port=port, hosts=name or ())
