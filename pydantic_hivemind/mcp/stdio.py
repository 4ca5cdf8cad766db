"""`serve`: one client, on standard input and output."""

from __future__ import annotations

import os
import signal
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from pydantic_hivemind.hivemind import Hivemind


def serve(server: Server[Any], hive: Hivemind) -> None:
    """Serve the client that started this process until it closes its end, or the process is told to end.

    Args:
        server: The server.
        hive: What to close before the process ends because it was told to.
    """

    def end(number: int, _: object) -> None:
        # At once: the thread that waits for input cannot be interrupted.
        hive.close()
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        anyio.run(_serve, server)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
