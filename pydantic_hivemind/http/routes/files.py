"""Files by their path: read, write, remove."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Receive, Send
from starlette.types import Scope as Asgi

from pydantic_hivemind.base.json_values import to_json_value
from pydantic_hivemind.base.values import File, Stat
from pydantic_hivemind.errors import InvalidPath, IsADirectory, StoreFull
from pydantic_hivemind.hive.async_seam import on_thread, perform
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.http import ranges, sending
from pydantic_hivemind.http.access import (
    Addable,
    ExpectedVersion,
    KnownVersions,
    OperationId,
    Readable,
    Writable,
    etag_of,
)
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute, look_at_token
from pydantic_hivemind.limits import MAX_STAT_CHARS


class _AnyText(Convertor[str]):
    """Starlette's own stops at line breaks, and leaves one out at the end: that would be another file."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("file", _AnyText())

router = APIRouter(prefix="/files", tags=["files"], route_class=TokenRoute)

CHUNK_BYTES = 1 << 18
"""Largest file that is in memory while it is sent, and how much of a larger one is."""

SPOOL_BYTES = 1 << 20
"""Largest body that is kept in memory while it comes in."""

_TYPE = "application/octet-stream"
_BINARY = {_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_ETAG = {"ETag": {"description": "The file's version.", "schema": {"type": "string"}}}
_PART = {"Content-Range": {"description": "Which bytes, of how many.", "schema": {"type": "string"}}}
_STAT = {
    "Hivemind-Stat": {
        "description": "The file's Stat, as JSON. Left out where it is long: ask `stat`.",
        "schema": {"type": "string"},
    }
}


async def path_of(
    request: Request, path: Annotated[str, Path(description="The path, without its first slash; percent-encoded.")]
) -> str:
    """Dependency: the path in the address. What is no UTF-8 would otherwise stand for another name."""
    try:
        unquote_to_bytes(request.scope.get("raw_path", b"")).decode()
    except UnicodeDecodeError:
        raise InvalidPath("the path must be UTF-8, percent-encoded") from None
    return path


async def body_of(request: Request) -> AsyncIterator[SpooledTemporaryFile[bytes]]:
    """Dependency: what was sent, as a file. While a large one comes in, it is not in memory."""
    received = 0
    with SpooledTemporaryFile(SPOOL_BYTES) as file:
        try:
            async for part in request.stream():
                received += len(part)
                if received <= SPOOL_BYTES:
                    file.write(part)
                else:
                    await on_thread(file.write, part)
        except OSError:
            raise StoreFull("the server's disk is full") from None
        await look_at_token(request)
        file.seek(0)
        yield file


ThePath = Annotated[str, Depends(path_of)]


@router.get(
    "/{path:file}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The bytes of the file.", "content": _BINARY, "headers": {**_ETAG, **_STAT}},
        206: {"description": "Those that Range asks for.", "content": _BINARY, "headers": {**_ETAG, **_STAT, **_PART}},
        304: {"description": "The version is one of those in If-None-Match.", "headers": _ETAG},
        **documented(404, 409, 416),
    },
)
async def read(
    request: Request,
    scope: Readable,
    path: ThePath,
    known: KnownVersions,
    wanted: Annotated[
        str | None, Header(alias="Range", description="A part of the file: `bytes=0-99`, `bytes=100-`, `bytes=-100`.")
    ] = None,
    if_range: Annotated[str | None, Header(description="A part only of the version of that ETag.")] = None,
) -> Response:
    """A file's bytes, exactly as they were written, with their version as the ETag."""
    found = await perform(partial(_small, scope, path, known), threads="quick")
    if isinstance(found, Stat) and _is_one_of(known, found):
        return Response(status_code=304, headers={"ETag": etag_of(found.version)})
    if isinstance(found, File):
        headers, part = _answer_to(found.stat, wanted, if_range)
        data = found.data if part is None else found.data[part.start : part.stop]
        return Response(data, 200 if part is None else 206, headers, _TYPE)
    sending.hold(request.scope, found.size)
    # Until it is in a temporary file, it is in memory as a whole.
    return await perform(partial(_large, scope, path, wanted, if_range), threads="large")


@router.head(
    "/{path:file}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "What comes with the bytes.", "content": _BINARY, "headers": {**_ETAG, **_STAT}},
        304: {"description": "The version is one of those in If-None-Match.", "headers": _ETAG},
        **documented(404, 409),
    },
)
def head(scope: Readable, path: ThePath, known: KnownVersions) -> Response:
    """What comes with a file's bytes, without them."""
    stat = scope.stat(path)
    if stat.is_dir:
        raise IsADirectory(f"{stat.path!r} is a directory, not a file")
    if _is_one_of(known, stat):
        return Response(status_code=304, headers={"ETag": etag_of(stat.version)})
    return Response(headers=_headers(stat), media_type=_TYPE)


@router.put(
    "/{path:file}",
    response_model=Stat,
    responses={200: {"headers": _ETAG}, **documented(404, 409, 412, 507)},
    openapi_extra={"requestBody": {"content": _BINARY, "required": True}},
)
def write_bytes(
    scope: Addable,
    path: ThePath,
    response: Response,
    body: Annotated[SpooledTemporaryFile[bytes], Depends(body_of)],
    expected: ExpectedVersion,
    operation_id: OperationId = None,
    tags: Annotated[
        list[str] | None, Query(description="Its tags; without them it keeps those it has. One empty tag: none.")
    ] = None,
) -> Any:
    """Write a file, making the directories above it; the body is what will be in it, whatever its type."""
    wanted = [] if tags == [""] else tags
    stat = scope.write_bytes(path, body.read(), tags=wanted, expected_version=expected, operation_id=operation_id)
    response.headers["ETag"] = etag_of(stat.version)
    return stat


@router.delete("/{path:file}", status_code=204, responses=documented(404, 409, 412))
def remove(scope: Writable, path: ThePath, expected: ExpectedVersion, operation_id: OperationId = None) -> None:
    """Remove a file, or a directory and everything in it; what the workspace inherits there is hidden."""
    scope.remove(path, expected_version=expected, operation_id=operation_id)


def _is_one_of(known: frozenset[str], stat: Stat) -> bool:
    return not stat.is_dir and not known.isdisjoint({"*", etag_of(stat.version)})


def _headers(stat: Stat) -> dict[str, str]:
    """What comes with a file's bytes."""
    told = json.dumps(to_json_value(stat))
    return {
        "ETag": etag_of(stat.version),
        "Content-Length": str(stat.size),
        "Accept-Ranges": "bytes",
        **({"Hivemind-Stat": told} if len(told) <= MAX_STAT_CHARS else {}),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }


def _small(scope: Scope, path: str, known: frozenset[str]) -> File | Stat:
    """A file, or only its stat if it is large, a directory, or one of those that are known."""
    stat = scope.stat(path)
    return stat if stat.size > CHUNK_BYTES or _is_one_of(known, stat) else scope.read(path)


def _large(scope: Scope, path: str, wanted: str | None, if_range: str | None) -> Response:
    """The answer with a file that is not in memory while it is sent."""
    file = scope.read(path)
    headers, part = _answer_to(file.stat, wanted, if_range)
    with ExitStack() as undone:
        try:
            copy = undone.enter_context(TemporaryFile())
            copy.write(file.data if part is None else memoryview(file.data)[part.start : part.stop])
            copy.seek(0)
        except OSError:
            raise StoreFull("there is no room for the copy that a large file is sent from") from None
        undone.pop_all()
    return _FromFile(copy, 200 if part is None else 206, headers)


def _answer_to(stat: Stat, wanted: str | None, if_range: str | None) -> tuple[dict[str, str], range | None]:
    """What comes with a file's bytes, and which of them if not all."""
    headers = _headers(stat)
    part = ranges.part(wanted, stat.size) if if_range in (None, headers["ETag"]) else None
    if part is not None:
        headers["Content-Length"] = str(len(part))
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{stat.size}"
    return headers, part


class _FromFile(StreamingResponse):
    """What is in a temporary file, which ends with it."""

    def __init__(self, file: IO[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(_parts(file), status, headers, _TYPE)
        self._file = file

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def _parts(file: IO[bytes]) -> AsyncIterator[bytes]:
    while part := await on_thread(file.read, CHUNK_BYTES):
        yield part
