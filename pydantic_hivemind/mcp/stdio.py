"""`serve`: an MCP server for one client, on standard input and output."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from pydantic_hivemind.hive.hivemind import Hivemind

_ID: TypeAdapter[types.RequestId] = TypeAdapter(types.RequestId)


def serve(server: Server[Any], hive: Hivemind) -> None:
    """Serve the client that started this process until it closes its end, or the process is told to end.

    Args:
        server: The server.
        hive: The hive to close when the process is told to end.
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
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        sent, received = anyio.create_memory_object_stream[SessionMessage | Exception]()
        group.start_soon(_relay, read, sent, write.send)
        await server.run(received, write, server.create_initialization_options())


async def _relay(
    read: AsyncIterable[SessionMessage | Exception],
    sent: MemoryObjectSendStream[SessionMessage | Exception],
    answer: Callable[[SessionMessage], Awaitable[None]],
) -> None:
    """Hand on what the client says; what is no message is answered here, as the SDK would leave the client waiting."""
    async with sent:
        async for message in read:
            if isinstance(message, Exception):
                await answer(SessionMessage(_refusal(message)))
            else:
                await sent.send(message)


def _refusal(error: Exception) -> types.JSONRPCError:
    """The answer to what is no message."""
    wrong = error.errors()[0] if isinstance(error, ValidationError) else None
    id, code, why = None, types.INVALID_REQUEST, "this is no message of JSON-RPC 2.0"
    if wrong is not None and wrong["type"] == "json_invalid":
        id, code, why = _id_of(wrong["input"]), types.PARSE_ERROR, wrong["msg"]
        if id is not None:
            why += "; a text in it has half a character, a surrogate without its other: leave it out"
    return types.JSONRPCError(jsonrpc="2.0", id=id, error=types.ErrorData(code=code, message=why))


def _id_of(line: str) -> types.RequestId | None:
    """Whom to answer, if that can be made out: Python reads lone surrogates too."""
    try:
        return _ID.validate_json(json.dumps(json.loads(line)["id"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
