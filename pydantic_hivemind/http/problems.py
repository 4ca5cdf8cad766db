"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from pydantic_hivemind import errors
from pydantic_hivemind.base.json_values import to_json_value
from pydantic_hivemind.base.validation import reasons
from pydantic_hivemind.rendering.error_statuses import answer_of, phrase, remote_text

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, and nothing was changed."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always `about:blank`: `error` says what it is.")
    title: str = Field(description="The words of the status.")
    status: int
    detail: str = Field(description="What to do about it.")
    error: str = Field(
        description="The name of the error in `pydantic_hivemind.errors`, or of the status. A `VersionConflict` has "
        "`expected` and `actual` versions beside it, an `EditError` the number of `occurrences`, a "
        "`PromotionConflict` the `report`."
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": phrase(status), "content": content} for status in statuses}


ALWAYS = documented(400, 401, 403, 408, 410, 413, 421, 422, 500, 503)
"""Of every operation that takes a token. 408 and 413 are for bodies that come too slowly or are too large; 410 is for
a workspace that ends meanwhile; 421, and 403 for any token, are for foreign hosts and origins."""


def problem(
    status: int, detail: str, error: str | None = None, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """An answer."""
    title = phrase(status)
    named = {"title": title, "status": status, "detail": detail, "error": error or title.title().replace(" ", "")}
    body = Problem.model_validate({**more, **named})
    return JSONResponse(body.model_dump(mode="json"), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of an app with a problem."""
    app.add_exception_handler(errors.HivemindError, _hivemind)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _hivemind(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.HivemindError)
    answer = answer_of(error)
    status = answer.status
    if answer.is_server_fault:
        _log.error("%s: %s", type(error).__name__, error, exc_info=error)
    more: dict[str, object] = {}
    headers: dict[str, str] = {}
    if isinstance(error, errors.VersionConflict):
        more = {"expected": error.expected, "actual": error.actual}
        if "if-match" in request.headers or "if-none-match" in request.headers:
            status = HTTPStatus.PRECONDITION_FAILED
    elif isinstance(error, errors.EditError):
        more = {"occurrences": error.occurrences}
    elif isinstance(error, errors.PromotionConflict):
        more = {"report": to_json_value(error.report)}
    elif isinstance(error, errors.InvalidToken):
        # RFC 6750, section 3: the error is named only where there was a token.
        named = ', error="invalid_token"' if "authorization" in request.headers else ""
        headers = {"WWW-Authenticate": f'Bearer realm="hivemind"{named}'}
    elif isinstance(error, errors.NotAllowed):
        headers = {"WWW-Authenticate": 'Bearer realm="hivemind", error="insufficient_scope"'}
    return problem(status, remote_text(error), type(error).__name__, headers, **more)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Not what was sent: it may be a secret, or text that cannot be written.
    return problem(422, reasons(error.errors()))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, headers=error.headers)


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "the server failed; see its log")
