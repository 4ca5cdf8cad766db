"""HTTP status and exit code of each error, and who may read its text: one table for every face."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from pydantic_hivemind import errors
from pydantic_hivemind.errors import HivemindError

PHRASES = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110, where older Python versions have others."""


class ExitCode(enum.IntEnum):
    """Exit codes of the command. They are documented in its reference, and scripts rely on them."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    STORE = 5
    DENIED = 6


Subject = Literal["request", "workspace", "store"]
"""What the text of an error is about, which determines who may read it. `request` repeats only what the caller sent,
and everyone may read it. `workspace` may name scopes and versions: users of the workspace may read it, but not the
users of an app, who do not know about scopes. `store` is for those who run the store."""


@dataclass(frozen=True)
class Answer:
    """How the faces report an error.

    Attributes:
        status: HTTP status.
        exit_code: Exit code of the command.
        subject: What its text is about.
        remote_text: Text that replaces that of an error about the store, for those who do not run the store.
    """

    status: HTTPStatus
    exit_code: ExitCode
    subject: Subject
    remote_text: str | None = None

    @property
    def is_server_fault(self) -> bool:
        """Whether the caller cannot fix it: it is logged, and an internal error of JSON-RPC (-32603)."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _request(status: HTTPStatus, exit_code: ExitCode) -> Answer:
    return Answer(status, exit_code, "request")


def _workspace(status: HTTPStatus, exit_code: ExitCode) -> Answer:
    return Answer(status, exit_code, "workspace")


def _store(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, ExitCode.STORE, "store", text)


ANSWERS: dict[type[HivemindError], Answer] = {
    HivemindError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, ExitCode.NO, "workspace"),
    errors.ScopeError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, ExitCode.NO, "workspace"),
    errors.ScopeNotFound: _workspace(HTTPStatus.NOT_FOUND, ExitCode.NOT_FOUND),
    errors.ScopeGone: _workspace(HTTPStatus.GONE, ExitCode.NOT_FOUND),
    errors.ScopeExists: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.ScopeHasChildren: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.InvalidScope: _workspace(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.PathError: _request(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.InvalidPath: _request(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.PathNotFound: _request(HTTPStatus.NOT_FOUND, ExitCode.NOT_FOUND),
    errors.PathExists: _request(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.IsADirectory: _request(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.NotADirectory: _request(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.NotText: _request(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ExitCode.USAGE),
    errors.FileTooLarge: _request(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ExitCode.USAGE),
    errors.EditError: _request(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.InvalidTag: _request(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.InvalidOption: _request(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.InvalidPattern: _request(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.ConflictError: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.VersionConflict: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.TurnBusy: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.TurnLost: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.MergeConflict: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.OperationConflict: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.PromotionConflict: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.ProposalConflict: _workspace(HTTPStatus.CONFLICT, ExitCode.CONFLICT),
    errors.ProposalNotFound: _request(HTTPStatus.NOT_FOUND, ExitCode.NOT_FOUND),
    errors.VersionNotFound: _request(HTTPStatus.NOT_FOUND, ExitCode.NOT_FOUND),
    errors.CheckpointError: _workspace(HTTPStatus.BAD_REQUEST, ExitCode.USAGE),
    errors.AccessError: _workspace(HTTPStatus.FORBIDDEN, ExitCode.DENIED),
    errors.InvalidToken: _workspace(HTTPStatus.UNAUTHORIZED, ExitCode.DENIED),
    errors.NotAllowed: _workspace(HTTPStatus.FORBIDDEN, ExitCode.DENIED),
    errors.EmbeddingError: _store(HTTPStatus.SERVICE_UNAVAILABLE, "the server's embedder failed; try again later"),
    errors.RemoteError: _store(HTTPStatus.BAD_GATEWAY, "another server could not be reached; try again later"),
    errors.StoreError: _store(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; see its log"),
    errors.StoreClosed: _store(HTTPStatus.SERVICE_UNAVAILABLE, "the store is closed; try again later"),
    errors.StoreNotOpen: _store(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; see its log"),
    errors.StoreFull: _store(
        HTTPStatus.INSUFFICIENT_STORAGE, "the server's disk is full; no acknowledged write is lost"
    ),
    errors.StoreReadOnly: _store(
        HTTPStatus.INTERNAL_SERVER_ERROR, "the server lacks the permission to write the store"
    ),
    errors.StoreUnsafe: _store(HTTPStatus.INTERNAL_SERVER_ERROR, "the server's store is not protected; see its log"),
    errors.StoreBusy: _store(HTTPStatus.SERVICE_UNAVAILABLE, "other writes held the store for too long; try again"),
    errors.StoreUnreachable: _store(HTTPStatus.SERVICE_UNAVAILABLE, "the store cannot be reached; try again later"),
    errors.NotALedger: _store(HTTPStatus.INTERNAL_SERVER_ERROR, "the store is damaged; see the server's log"),
    errors.LedgerTooNew: _store(HTTPStatus.INTERNAL_SERVER_ERROR, "the store needs a newer version of the server"),
}
"""Every error of `pydantic_hivemind.errors`; for other subclasses the nearest base class decides."""


def answer_of(error: HivemindError | type[HivemindError]) -> Answer:
    """Return how an error is reported."""
    kind = error if isinstance(error, type) else type(error)
    return next(ANSWERS[base] for base in kind.__mro__ if base in ANSWERS)


def remote_text(error: HivemindError) -> str:
    """Return the text of an error for users of the workspace who may not run the store."""
    return answer_of(error).remote_text or str(error)


def phrase(status: int) -> str:
    """Return the reason phrase of a status."""
    return PHRASES.get(status) or HTTPStatus(status).phrase


def problem_details(error: HivemindError) -> dict[str, object]:
    """Return an error as problem details (RFC 9457), for users of the workspace."""
    status = int(answer_of(error).status)
    return {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": remote_text(error),
        "error": type(error).__name__,
    }
