"""`files_router`: the files of each user as routes, behind the app's own sign-in."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of these functions, and those
# that name an argument of the function around them cannot be read from text.

import tempfile
import zipfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict
from functools import partial
from typing import IO, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from pydantic_hivemind.adapters.fastapi import hivemind_error
from pydantic_hivemind.base.paths import name_of, normalize
from pydantic_hivemind.base.text_content import Readable, readable
from pydantic_hivemind.base.values import File, Stat
from pydantic_hivemind.errors import FileTooLarge, HivemindError, InvalidOption, NotText
from pydantic_hivemind.hive.async_seam import on_thread
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_ARCHIVE_BYTES, MAX_CONTENT_BYTES, MAX_PAGE_ITEMS

SHOWN_AS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
}
"""Types that a browser may show by itself. SVG is none of them: it may have scripts."""

HEADERS = {
    # What an agent or a user stored is no page of the app: it runs nothing, and is sent nowhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
"""Of every response that is a file."""

ThePath = Annotated[str, Query(description="An absolute path.")]

_BLOCK = 64 << 10
_IN_MEMORY = 8 << 20


class Entry(BaseModel):
    """An entry of a directory. `own` says whether it is the user's, instead of inherited."""

    path: str
    is_dir: bool
    size: int
    modified_at: float
    tags: list[str]
    own: bool


class Listing(BaseModel):
    """A page of a directory; `next` is the path after which the next page begins."""

    entries: list[Entry]
    next: str | None


class Content(BaseModel):
    """The text of a file. `note` says what was lost where it is not UTF-8, which cannot be edited."""

    path: str
    text: str
    etag: str
    note: str | None


class _Route(APIRoute):
    """A route whose errors are answered as `hivemind_error` does, whether or not the app has it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except HivemindError as error:
                return await hivemind_error(request, error)

        return handle


def files_router(scope: Callable[..., Any], *, writable: bool = True, max_bytes: int = MAX_CONTENT_BYTES) -> APIRouter:
    """Return routes for the files of whoever sends the request, to be included in an app under a prefix.

    - `GET ""` lists the directory `path`, `GET /content` is the text of a file, `GET /raw` its bytes to download, and
      `GET /preview` the file to look at: text as text, pictures and PDF as what they are. `GET /archive` is a zip of a
      directory.
    - `PUT /raw` stores the body as a file, `DELETE /raw` removes one. With `If-Match` only at the version of that ETag,
      with `If-None-Match: *` only a new file.

    All of them take `path`. Errors are answered as by `hivemind_error`. Names of scopes are in no response.

    Args:
        scope: The dependency returned by `user_scope`, or any that returns the user's scope.
        writable: Whether to have the routes that change files.
        max_bytes: Largest file that is stored, in bytes.
    """
    router = APIRouter(tags=["files"], route_class=_Route)

    @router.get("", response_model=Listing)
    @router.get("/", response_model=Listing, include_in_schema=False)
    async def list_files(own: Annotated[Scope, Depends(scope)], path: ThePath = "/", after: str = "") -> Listing:
        """List a directory, a page at a time."""
        found = [stat for stat in await on_thread(own.list_dir, path) if stat.path > after]
        page = [_entry(stat, own.name) for stat in found[:MAX_PAGE_ITEMS]]
        return Listing(entries=page, next=page[-1].path if len(found) > len(page) else None)

    @router.get("/content", response_model=Content)
    async def content(own: Annotated[Scope, Depends(scope)], path: ThePath) -> Content:
        """Return the text of a file."""
        file = await on_thread(own.read, path)
        text = _text(file)
        return Content(path=file.stat.path, text=text.text, etag=_etag(file.stat), note=text.note)

    @router.get("/raw")
    async def raw(own: Annotated[Scope, Depends(scope)], path: ThePath) -> Response:
        """Return a file to download."""
        file = await on_thread(own.read, path)
        headers = {**HEADERS, "ETag": _etag(file.stat), "Content-Disposition": _attachment(file.stat.name)}
        return Response(file.data, 200, headers, "application/octet-stream")

    @router.get("/preview")
    async def preview(own: Annotated[Scope, Depends(scope)], path: ThePath) -> Response:
        """Return a file to look at."""
        file = await on_thread(own.read, path)
        headers = {**HEADERS, "ETag": _etag(file.stat)}
        kind = SHOWN_AS.get(_ending(file.stat.name))
        if kind is not None:
            return Response(file.data, 200, headers, kind)
        return Response(_text(file).text, 200, headers, "text/plain; charset=utf-8")

    @router.get("/archive")
    async def archive(own: Annotated[Scope, Depends(scope)], path: ThePath = "/") -> Response:
        """Return a directory as a zip."""
        packed = await on_thread(_packed, own, path)
        name = name_of(normalize(path)) or "files"
        headers = {**HEADERS, "Content-Disposition": _attachment(f"{name}.zip")}
        return StreamingResponse(_blocks(packed), 200, headers, "application/zip")

    if not writable:
        return router

    @router.put("/raw", response_model=Entry)
    async def store(
        request: Request,
        response: Response,
        own: Annotated[Scope, Depends(scope)],
        path: ThePath,
        if_match: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Entry:
        """Store the body of the request as a file."""
        data = await _body(request, max_bytes)
        work = partial(_store, own, path, data, _condition(if_match, if_none_match))
        stat = await on_thread(work)
        response.headers["ETag"] = _etag(stat)
        return _entry(stat, own.name)

    @router.delete("/raw", status_code=204)
    async def remove(
        own: Annotated[Scope, Depends(scope)], path: ThePath, if_match: Annotated[str | None, Header()] = None
    ) -> None:
        """Remove a file or directory."""
        await on_thread(partial(_remove, own, path, _condition(if_match, None)))

    return router


def _entry(stat: Stat, own: str) -> Entry:
    known = asdict(stat)
    return Entry(own=stat.scope == own, **{name: known[name] for name in Entry.model_fields if name != "own"})


def _text(file: File) -> Readable:
    text = readable(file.data)
    if text is None or "\0" in text.text:
        raise NotText(f"{file.stat.path!r} is binary; download it")
    return text


def _etag(stat: Stat) -> str:
    return f'"{stat.version}"'


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def _attachment(name: str) -> str:
    """Return the header that stores a response as a file (RFC 6266)."""
    plain = "".join(character if character.isascii() and character.isprintable() else "_" for character in name)
    plain = plain.replace('"', "_").replace("\\", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _condition(if_match: str | None, if_none_match: str | None) -> str | None:
    """Return the ETag that a file must have to be changed; `"0"` is no file."""
    if if_none_match is None:
        return None if if_match is None else if_match.strip()
    if if_none_match.strip() != "*" or if_match is not None:
        raise InvalidOption("to store only a new file, send `If-None-Match: *` without If-Match")
    return '"0"'


async def _body(request: Request, most: int) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise FileTooLarge(f"a file has at most {most} bytes here; split it, or store less")
    return bytes(data)


def _store(own: Scope, path: str, data: bytes, etag: str | None) -> Stat:
    return own.write_bytes(path, data, expected_version=_expected(etag))


def _remove(own: Scope, path: str, etag: str | None) -> None:
    own.remove(path, expected_version=_expected(etag))


def _expected(etag: str | None) -> Any:
    """Return the version that an ETag stands for, to be compared when the file is changed."""
    if etag is None:
        return None
    return 0 if etag == '"0"' else etag.strip('"')


def _packed(own: Scope, directory: str) -> IO[bytes]:
    """Return a zip of a directory, in memory or in a temporary file.

    Raises:
        FileTooLarge: The files have more bytes together than an archive may have.
    """
    directory = normalize(directory)
    found = own.glob("**", directory) if own.stat(directory).is_dir else [own.stat(directory)]
    if sum(stat.size for stat in found) > MAX_ARCHIVE_BYTES:
        raise FileTooLarge(f"an archive has at most {MAX_ARCHIVE_BYTES} bytes; download one directory after the other")
    packed: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - sent by the caller
    prefix = "" if directory == "/" else directory
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for stat in found:
            archive.writestr((stat.path.removeprefix(prefix) or stat.path).lstrip("/"), own.read_bytes(stat.path))
    packed.seek(0)
    return packed


def _blocks(packed: IO[bytes]) -> Iterator[bytes]:
    with packed:
        while block := packed.read(_BLOCK):
            yield block
