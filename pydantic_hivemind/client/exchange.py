"""Requests to a server, and the meaning of its responses."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from pydantic_hivemind import errors
from pydantic_hivemind.base.json_values import from_json
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import PromotionReport
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.errors import HivemindError, RemoteError

PAGE_ITEMS = 1000
"""Items requested for each page: the most that a server returns."""

MAX_PAGES = 10_000
"""Maximum number of pages of one list: ten million items. A server that always names another page is none of ours."""

_TOKEN = re.compile(r"[!-~]+")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        what: The URL after `/v1/`.
    """

    method: str
    what: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    json: Mapping[str, Any] | None = None
    content: bytes | None = None


Steps = Generator[Ask, httpx.Response, Result]
"""An operation: a generator that yields requests, receives their responses, and returns its result."""


def request(http: httpx.Client | httpx.AsyncClient, url: str, token: str, ask: Ask) -> httpx.Request:
    """Return the httpx request to send.

    Raises:
        InvalidToken: The text is not a token.
        InvalidOption: A value in the request cannot be sent.
    """
    # Files end with a line break. An error of what sends it would show the token.
    if not _TOKEN.fullmatch(given := token.strip()):
        raise errors.InvalidToken("the text is not a token; pass what `hivemind token create` prints")
    with sendable():
        return http.build_request(
            ask.method,
            f"{url.rstrip('/')}/v1/{ask.what}",
            params=ask.params,
            headers={**ask.headers, "Authorization": f"Bearer {given}"},
            json=ask.json,
            content=ask.content,
        )


@contextmanager
def sendable() -> Generator[None]:
    """Turn errors of encoding a request into `InvalidOption`.

    Raises:
        InvalidOption: A value in the request cannot be sent.
    """
    try:
        yield
    except (ValueError, TypeError):
        why = "a text contains a lone surrogate, a number is not finite, or a value is not a JSON type"
        raise errors.InvalidOption(f"the arguments cannot be sent: {why}") from None


def unreachable(error: Exception) -> RemoteError:
    """Return the error to raise for a failure of the transport."""
    return RemoteError(
        f"the server cannot be reached ({error or type(error).__name__}); check its address, and that it runs"
    )


def one(kind: type[Result], answer: httpx.Response) -> Result:
    """Return the value in a response.

    Raises:
        RemoteError: The response holds something else.
    """
    return parse(kind, answer.content)


def many(kind: type[Result], answer: httpx.Response) -> list[Result]:
    """Return the values in a response that is a list.

    Raises:
        RemoteError: The response holds something else.
    """
    return parse(list[kind], answer.content)


def every(kind: type[Result], what: str, **params: object) -> Steps[list[Result]]:
    """Return the values of every page.

    Raises:
        RemoteError: A response holds something else.
    """
    return (yield from every_and_rest(kind, what, **params))[0]


def every_and_rest(kind: type[Result], what: str, **params: object) -> Steps[tuple[list[Result], list[str]]]:
    """Return the values of every page, and the paths that are left behind.

    Raises:
        RemoteError: A response holds something else.
    """
    wanted = {name: value for name, value in params.items() if value is not None} | {"limit": PAGE_ITEMS}
    found: list[Result] = []
    left_behind: list[str] = []
    for _ in range(MAX_PAGES):
        page = parse(_Page[kind], (yield Ask("GET", what, wanted)).content)
        found += page.items
        left_behind += page.left_behind
        if page.next is None:
            return found, left_behind
        wanted["cursor"] = page.next
    raise RemoteError(f"the server returned {MAX_PAGES} pages and names another one; check the address")


def parse(kind: type[Result], text: bytes | str) -> Result:
    """Return a value from its JSON.

    Raises:
        RemoteError: The JSON is not valid, or is that of another type.
    """
    try:
        value = from_json(kind, text)
    except ValueError:
        value = None
    if value is None:
        raise _foreign()
    return value


def nothing(answer: httpx.Response) -> None:
    """Check that a response is empty, as that of an operation without a result is.

    Raises:
        RemoteError: It is not, so that another server has answered.
    """
    if answer.status_code != HTTPStatus.NO_CONTENT:
        raise _foreign()


def _foreign() -> RemoteError:
    return RemoteError("the response is not one of a Hivemind server; check the address")


def check(answer: httpx.Response) -> httpx.Response:
    """Return the response if it is a success.

    Raises:
        HivemindError: The error that the response stands for.
        RemoteError: The response is not one of a Hivemind server.
    """
    if answer.is_success:
        return answer
    try:
        problem = parse(dict[str, Any], answer.content)
    except RemoteError:
        # Of a proxy, or of another server.
        raise RemoteError(
            f"the response with status {answer.status_code} is not one of a Hivemind server; check the address"
        ) from None
    detail = str(problem.get("detail"))
    kind = getattr(errors, str(problem.get("error")), None)
    if kind is errors.VersionConflict:
        raise errors.VersionConflict(detail, expected=problem["expected"], actual=problem["actual"])
    if kind is errors.EditError:
        raise errors.EditError(detail, occurrences=problem["occurrences"])
    if kind is errors.PromotionConflict:
        report = parse(PromotionReport, json.dumps(problem["report"]))
        raise errors.PromotionConflict(detail, report)
    if isinstance(kind, type) and issubclass(kind, HivemindError):
        raise kind(detail)
    if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise errors.InvalidOption(detail)
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise errors.FileTooLarge(detail)
    raise RemoteError(f"the server responded with status {answer.status_code}: {detail}")


@dataclass(frozen=True)
class _Page(Generic[Result]):
    items: list[Result]
    next: str | None
    left_behind: list[str] = field(default_factory=list[str])


def address(path: str) -> str:
    """Return where a file is on the server, below the version of the API."""
    return f"files/{quote(normalize(path)[1:], safe='/')}"


def strings(given: str | Sequence[str] | None) -> list[str] | None:
    """Return one text or several as a list, and `None` as `None`."""
    return [given] if isinstance(given, str) else None if given is None else list(given)


def change(what: str, asked: Mapping[str, Any], expected_version: Expected | None, operation_id: str | None) -> Ask:
    """Return the request of a change."""
    return Ask("POST", what, headers=headers_of(expected_version, operation_id), json=asked)


def headers_of(expected_version: Expected | None, operation_id: str | None) -> dict[str, str]:
    """Return the headers that say which version is expected and which operation it is."""
    headers: dict[str, str] = {}
    if expected_version is not None:
        headers["If-Match"] = f'"{expected_version}"'
    if operation_id is not None:
        # Headers are ASCII, and spaces at their ends are lost.
        with sendable():
            headers["Idempotency-Key"] = quote(operation_id, safe="!\"#$&'()*+,/:;<=>?@[\\]^`{|}")
    return headers
