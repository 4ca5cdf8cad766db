"""`create_console`: the console as an app, to serve beside the API or to mount in an app of one's own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from anyio import ClosedResourceError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from pydantic_hivemind.base.acting import acting_alone
from pydantic_hivemind.console import templating
from pydantic_hivemind.console.answers import NOTICES, Answer, Asked, Download, Fields, See, address
from pydantic_hivemind.console.pages import PAGES
from pydantic_hivemind.console.viewers import Viewer, Viewers
from pydantic_hivemind.errors import HivemindError, InvalidOption, InvalidToken, NotAllowed
from pydantic_hivemind.hive.async_seam import perform
from pydantic_hivemind.hive.hivemind import Hivemind
from pydantic_hivemind.limits import MAX_FORM_BYTES, MAX_FORM_FIELDS
from pydantic_hivemind.rendering.error_statuses import answer_of, phrase, remote_text
from pydantic_hivemind.tokens import Tokens

COOKIE = "hivemind_console"
"""Name of the cookie that holds the credential: only the server reads it, and no other site's page can send it."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Not `no-referrer`: with that, browsers do not say of a form from where it comes.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every page: a browser loads nothing from elsewhere and runs no script but that of the console."""

ASSETS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def create_console(hive: Hivemind, *, token_store: Tokens | None = None, operator_key: str | None = None) -> Starlette:
    """Return the console of a hive as an app, to mount at any path of another app.

    People sign in with a token: they see its workspace, with the right `admin` those under it, and do what it permits.

    Args:
        hive: The hive; whoever opened it closes it.
        token_store: The tokens that are accepted; if omitted, those of the hive.
        operator_key: A secret with which somebody signs in who may do everything, as whoever runs the store may.
    """
    return _Console(hive, token_store or Tokens(hive), operator_key).app()


class _Console:
    def __init__(self, hive: Hivemind, tokens: Tokens, operator_key: str | None) -> None:
        self._hive = hive
        self._tokens = tokens
        self._viewers = Viewers(hive, tokens, operator_key)

    def app(self) -> Starlette:
        def route(path: str, name: str, handler: Handler, *methods: str) -> Route:
            async def answer(request: Request) -> Response:
                return await self._guarded(request, handler)

            answer.__name__ = f"console_{name}"
            return Route(path, answer, methods=methods, name=f"console_{name}")

        def page(name: str) -> Handler:
            async def handler(request: Request) -> Response:
                return await self._page(request, name)

            return handler

        async def sign_in(request: Request) -> Response:
            return await (self._sign_in(request) if request.method == "POST" else self._front(request))

        return Starlette(
            routes=[
                route("/", "front", self._front, "GET"),
                route("/sign-in", "sign_in", sign_in, "GET", "POST"),
                route("/sign-out", "sign_out", self._sign_out, "POST"),
                route("/open", "open", self._open, "GET"),
                route("/assets/{name}", "asset", _asset, "GET"),
                *(route(f"/{name}", name.replace("-", "_"), page(name), "GET", "POST") for name in PAGES),
            ],
            exception_handlers={404: self._missing},
        )

    # -- what every request goes through -------------------------------------------------------

    async def _guarded(self, request: Request, handler: Handler) -> Response:
        try:
            if request.method == "POST":
                _check_origin(request)
            response = await handler(request)
        except (ClientDisconnect, ClosedResourceError):
            raise
        except InvalidToken as error:
            response = self._refused(request, error, "sign_in")
            if COOKIE in request.cookies:
                response.delete_cookie(COOKIE, path=_root(request))
        except HivemindError as error:
            if answer_of(error).is_server_fault:
                _log.error("%s: %s", type(error).__name__, error, exc_info=error)
            response = self._refused(request, error, "refused")
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refused(self, request: Request, error: HivemindError, template: str) -> HTMLResponse:
        status = int(answer_of(error).status)
        # Who has not signed in has done nothing wrong yet.
        reason = "" if template == "sign_in" and not request.cookies.get(COOKIE) else remote_text(error)
        values: dict[str, object] = {
            "reason": reason,
            "heading": phrase(status),
            "viewer": None,
            "here": _here(request),
        }
        if template == "refused":
            values["viewer"] = self._viewer_or_none(request)
        return HTMLResponse(templating.render(template, {**_frame(request), **values}), status)

    async def _missing(self, request: Request, _: Exception) -> Response:
        values = {
            "reason": "There is no such page.",
            "heading": phrase(404),
            "viewer": self._viewer_or_none(request),
        }
        return HTMLResponse(templating.render("refused", {**_frame(request), **values}), 404, HEADERS)

    def _viewer_or_none(self, request: Request) -> Viewer | None:
        try:
            return self._viewers.find(request.cookies.get(COOKIE, ""))
        except HivemindError:
            return None

    # -- signing in ----------------------------------------------------------------------------

    async def _front(self, request: Request) -> Response:
        def first_page() -> str:
            viewer = self._viewers.find(request.cookies.get(COOKIE, ""))
            if viewer.is_admin:
                return "workspaces"
            return "files" if viewer.may("read") else address("proposals", sent=not viewer.may("write"))

        return _see(request, await perform(first_page, threads="quick"))

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        token, afterwards = form.text("token").strip(), form.text("afterwards")
        try:
            await perform(lambda: self._viewers.find(token), threads="quick")
        except InvalidToken as error:
            values = {**_frame(request), "viewer": None, "here": afterwards, "reason": str(error)}
            return HTMLResponse(templating.render("sign_in", values), 401)
        return _signed_in(request, token, _within(afterwards))

    async def _open(self, request: Request) -> Response:
        """Sign in whoever follows the link that `hivemind console` prints."""
        key = request.query_params.get("key", "")
        viewer = await perform(lambda: self._viewers.find(key), threads="quick")
        if not viewer.is_operator:
            raise InvalidToken("this address needs the key that `hivemind console` prints")
        return _signed_in(request, key, "")

    async def _sign_out(self, request: Request) -> Response:
        response = _see(request, "sign-in")
        response.delete_cookie(COOKIE, path=_root(request))
        return response

    # -- pages ---------------------------------------------------------------------------------

    async def _page(self, request: Request, name: str) -> Response:
        shows, acts = PAGES[name]
        form = await _form(request) if request.method == "POST" else Fields({})
        query = Fields(_parsed(request.url.query))
        work = acts if request.method == "POST" else shows
        if work is None:
            raise InvalidOption("this page takes no form")

        def answer() -> Response:
            viewer = self._viewers.find(request.cookies.get(COOKIE, ""))
            with acting_alone(viewer.actor):
                found = work(Asked(self._hive, self._tokens, viewer, query, form))
            return _response(request, viewer, found, query)

        return await perform(answer)


# -- requests ----------------------------------------------------------------------------------


def _check_origin(request: Request) -> None:
    """Check that a form comes from a page of this console.

    The cookie is not sent with forms of other sites; this holds for other ports of the same host, too.

    Raises:
        NotAllowed: It comes from somewhere else, or does not say where from.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise NotAllowed("the form was sent by another site's page; use the console's own")
    try:
        netloc = urlsplit(origin or "").netloc
    except ValueError:
        netloc = ""
    if netloc.lower() != request.headers.get("host", "").lower() or not netloc:
        raise NotAllowed("the form was not sent by a page of this console; open it in a browser")


async def _form(request: Request) -> Fields:
    """Read a form of bounded size.

    Raises:
        InvalidOption: It is too large, or not a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidOption("the request is not a form of the console; use a browser")
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_FORM_BYTES:
            raise InvalidOption(f"a form has at most {MAX_FORM_BYTES} bytes; use the API or the command for more")
    return Fields(_parsed(data.decode("latin-1")))


def _parsed(text: str) -> dict[str, list[str]]:
    try:
        # Lone surrogates would be refused by the store in other words.
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise InvalidOption(f"the request has more than {MAX_FORM_FIELDS} fields, or is not UTF-8") from None


def _root(request: Request) -> str:
    """Return the path at which the console is mounted."""
    return request.scope.get("root_path", "") or "/"


def _base(request: Request) -> str:
    return _root(request).rstrip("/") + "/"


def _here(request: Request) -> str:
    """Return the page to come back to after signing in."""
    if request.method != "GET":
        return ""
    path = request.url.path.removeprefix(_base(request)).lstrip("/")
    return f"{path}?{request.url.query}" if request.url.query else path


def _within(target: str) -> str:
    """Return an address if it is that of a page of the console, as nothing else is followed."""
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc and parts.path in PAGES else ""


# -- responses ---------------------------------------------------------------------------------


def _response(request: Request, viewer: Viewer, answer: Answer, query: Fields) -> Response:
    if isinstance(answer, See):
        return _see(request, answer.address)
    if isinstance(answer, Download):
        name = answer.name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")
        safe = "".join(character if character.isprintable() else "_" for character in name)
        headers = {"Content-Disposition": f'attachment; filename="{safe}"'}
        return Response(answer.data, 200, headers, "application/octet-stream")
    notice = NOTICES.get(query.text("done"))
    values = {**_frame(request), "viewer": viewer, "notice": notice, **answer.values}
    return HTMLResponse(templating.render(answer.template, values), answer.status)


def _frame(request: Request) -> dict[str, object]:
    """Return what every page needs."""
    return {"base": _base(request), "page": request.url.path.rpartition("/")[2], "notice": None, "asset": _version()}


def _see(request: Request, target: str) -> RedirectResponse:
    return RedirectResponse(_base(request) + target, 303)


def _signed_in(request: Request, credential: str, target: str) -> Response:
    response = _see(request, target)
    response.set_cookie(
        COOKIE,
        credential,
        path=_root(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


# -- assets ------------------------------------------------------------------------------------


@lru_cache(maxsize=len(ASSETS))
def _content(name: str) -> bytes:
    return files("pydantic_hivemind.console").joinpath("static", name).read_bytes()


@lru_cache(maxsize=1)
def _version() -> str:
    """Return what changes whenever one of the assets does."""
    return hashlib.sha256(b"".join(map(_content, ASSETS))).hexdigest()[:12]


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        raise NotAllowed("there is no such file")
    etag = f'"{_version()}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=3600"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(_content(name), 200, headers, ASSETS[name])
