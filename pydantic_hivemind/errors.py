"""The errors of Hivemind: one tree, and each error is also the builtin it stands for.

    HivemindError
    |-- ScopeError                  failed because of a scope
    |   |-- ScopeNotFound           (LookupError)        no such scope, or no access to it
    |   |   `-- ScopeGone           (LookupError)        the scope was destroyed, or its ttl has passed
    |   |-- ScopeExists             (ValueError)         the name is taken
    |   |-- ScopeHasChildren        (RuntimeError)       destroy needs cascade=True
    |   `-- InvalidScope            (ValueError)         bad name, parent, depth or ttl
    |-- PathError                   failed because of a path in a scope
    |   |-- InvalidPath             (ValueError)
    |   |-- PathNotFound            (FileNotFoundError)
    |   |-- PathExists              (FileExistsError)
    |   |-- IsADirectory            (IsADirectoryError)
    |   |-- NotADirectory           (NotADirectoryError)
    |   |-- NotText                 (ValueError)
    |   `-- FileTooLarge            (OSError, EFBIG)
    |-- EditError                   (ValueError)         the text to replace does not occur, or more than once
    |-- InvalidTag                  (ValueError)         too many tags, or a tag that is empty or too long
    |-- InvalidOption               (ValueError)         the value of an option is not valid
    |-- InvalidPattern              (ValueError)         not a valid regular expression or glob
    |-- ConflictError               conflicts with a concurrent change; read again and decide
    |   |-- VersionConflict
    |   |-- MergeConflict           (OSError)            a concurrent change overlaps this one
    |   |-- OperationConflict       (ValueError)         operation id used before for something else
    |   |-- TurnBusy                (TimeoutError)       another turn of the conversation has not ended
    |   |-- TurnLost                (TimeoutError)       another turn of the conversation began meanwhile
    |   |-- PromotionConflict
    |   `-- ProposalConflict        (RuntimeError)       decided on already, changed since, or its source is gone
    |-- ProposalNotFound            (LookupError)
    |-- VersionNotFound             (LookupError)
    |-- CheckpointError             (ValueError)         a checkpoint or message that cannot be stored
    |-- AccessError                 the caller lacks the permission
    |   |-- InvalidToken            (PermissionError)    the token is not valid, has expired or was revoked
    |   `-- NotAllowed              (PermissionError)    the token does not permit it
    |-- EmbeddingError              (RuntimeError)       the embedder failed, or its vectors are not valid
    |-- RemoteError                 (ConnectionError)    a server cannot be reached, or is not a Hivemind server
    `-- StoreError                  failed because of the store as a whole
        |-- StoreClosed             (ValueError)
        |-- StoreNotOpen            (LookupError)        an unpickled scope's store is not open in the process
        |-- StoreFull               (OSError, ENOSPC)
        |-- StoreReadOnly           (PermissionError)
        |-- StoreUnsafe             (PermissionError)
        |-- StoreBusy               (TimeoutError)
        |-- StoreUnreachable        (ConnectionError)    a database server does not answer
        |-- NotALedger              (ValueError)
        `-- LedgerTooNew            (RuntimeError)

Messages name the path or scope the caller passed in, never another scope and never a path of the host.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_hivemind.base.values import PromotionReport

__all__ = [
    "AccessError",
    "CheckpointError",
    "ConflictError",
    "EditError",
    "EmbeddingError",
    "FileTooLarge",
    "HivemindError",
    "InvalidOption",
    "InvalidPath",
    "InvalidPattern",
    "InvalidScope",
    "InvalidTag",
    "InvalidToken",
    "IsADirectory",
    "LedgerTooNew",
    "MergeConflict",
    "NotADirectory",
    "NotALedger",
    "NotAllowed",
    "NotText",
    "OperationConflict",
    "PathError",
    "PathExists",
    "PathNotFound",
    "PromotionConflict",
    "ProposalConflict",
    "ProposalNotFound",
    "RemoteError",
    "ScopeError",
    "ScopeExists",
    "ScopeGone",
    "ScopeHasChildren",
    "ScopeNotFound",
    "SearchDegraded",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFull",
    "StoreNotOpen",
    "StoreReadOnly",
    "StoreUnreachable",
    "StoreUnsafe",
    "TurnBusy",
    "TurnLost",
    "VersionConflict",
    "VersionNotFound",
]


class HivemindError(Exception):
    """Base class of every error that this package raises on purpose."""

    def __str__(self) -> str:
        # OSError subclasses would print "[Errno None] ..." and KeyError-like ones would quote.
        return str(self.args[-1]) if self.args else type(self).__name__


# -- scopes ------------------------------------------------------------------------------------


class ScopeError(HivemindError):
    """An operation failed because of a scope."""


class ScopeNotFound(ScopeError, LookupError):
    """No scope of that name exists, or the caller may not access it."""


class ScopeGone(ScopeNotFound):
    """The scope of this handle was destroyed, or its ttl has passed."""


class ScopeExists(ScopeError, ValueError):
    """A scope of that name exists already."""


class ScopeHasChildren(ScopeError, RuntimeError):
    """The scope cannot be destroyed while other scopes read through it."""


class InvalidScope(ScopeError, ValueError):
    """The name, parent, depth or ttl of a scope is not valid."""


# -- paths -------------------------------------------------------------------------------------


class PathError(HivemindError):
    """An operation failed because of a path."""


class InvalidPath(PathError, ValueError):
    """The text is not a valid path, or the path may not be changed."""


class PathNotFound(PathError, FileNotFoundError):
    """No file or directory exists at the path."""


class PathExists(PathError, FileExistsError):
    """A file exists at the path where a directory was to be made."""


class IsADirectory(PathError, IsADirectoryError):
    """The path is a directory, and the operation needs a file."""


class NotADirectory(PathError, NotADirectoryError):
    """The path, or one of its parents, is a file, and the operation needs a directory."""


class NotText(PathError, ValueError):
    """The file is not UTF-8 text, or the text cannot be encoded as UTF-8."""


class FileTooLarge(PathError, OSError):
    """The file would exceed `MAX_FILE_BYTES`."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EFBIG, message)


# -- edits and conflicts -----------------------------------------------------------------------


class EditError(HivemindError, ValueError):
    """The text to replace does not occur in the file, or occurs more than once.

    Attributes:
        occurrences: Number of occurrences.
    """

    def __init__(self, message: str, *, occurrences: int) -> None:
        super().__init__(message)
        self.occurrences = occurrences


class InvalidTag(HivemindError, ValueError):
    """A tag is empty or too long, is not text, or there are too many tags."""


class InvalidOption(HivemindError, ValueError):
    """The value of an option, filter or limit is not valid."""


class InvalidPattern(HivemindError, ValueError):
    """The regular expression or glob is not valid, or takes too long to match."""


class ConflictError(HivemindError):
    """The change conflicts with a concurrent change."""


class VersionConflict(ConflictError):
    """The file is not at the expected version. Nothing was changed.

    Attributes:
        expected: The version that the caller expected; 0 means "no file".
        actual: The current version; 0 means "no file".
    """

    def __init__(self, message: str, *, expected: str | int, actual: str | int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TurnBusy(ConflictError, TimeoutError):
    """Another turn of the conversation did not end in the time that this one waited. Nothing was changed."""


class TurnLost(ConflictError, TimeoutError):
    """Another turn of the conversation began while the process of this one was stopped. Nothing was stored."""


class MergeConflict(ConflictError, OSError):
    """The file changed since it was read, in the same lines or in too many places. Nothing was written."""


class OperationConflict(ConflictError, ValueError):
    """The operation id was used before with other arguments, or is not valid."""


class PromotionConflict(ConflictError):
    """Both sides changed a path since they parted. Nothing was promoted.

    `report.conflicts` has the paths with both sides.
    """

    def __init__(self, message: str, report: PromotionReport) -> None:
        super().__init__(report, message)
        self.report = report


class ProposalConflict(ConflictError, RuntimeError):
    """The proposal was decided on already, what it offers was changed since, or its source is gone."""


class ProposalNotFound(HivemindError, LookupError):
    """The scope neither made nor received a proposal of that id."""


class VersionNotFound(HivemindError, LookupError):
    """The path has no such version, or the version is no longer kept."""


class CheckpointError(HivemindError, ValueError):
    """A checkpoint or message cannot be stored as JSON."""


class AccessError(HivemindError):
    """The caller lacks the permission."""


class InvalidToken(AccessError, PermissionError):
    """The token is not valid for this hive, has expired, or was revoked."""


class NotAllowed(AccessError, PermissionError):
    """The token is valid but does not permit this operation."""


class EmbeddingError(HivemindError, RuntimeError):
    """The embedder failed, or returned values that are not embeddings of the texts."""


class RemoteError(HivemindError, ConnectionError):
    """The server cannot be reached, or its response is not one of a Hivemind server."""


class SearchDegraded(UserWarning):
    """Warning: a search used the lexical ranking only, because the embedder failed."""


# -- the store ---------------------------------------------------------------------------------


class StoreError(HivemindError):
    """The operation failed because of the store as a whole."""


class StoreClosed(StoreError, ValueError):
    """The hive is closed."""


class StoreNotOpen(StoreError, LookupError):
    """The store of an unpickled object is not open in this process, and nothing registered opens it."""


class StoreFull(StoreError, OSError):
    """The disk is full. Everything acknowledged before is safe."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ENOSPC, message)


class StoreReadOnly(StoreError, PermissionError):
    """The process lacks the permission to open or write the store."""


class StoreUnsafe(StoreError, PermissionError):
    """Other users of the machine can change the store: everybody can write its directory, or a secret is a link."""


class StoreBusy(StoreError, TimeoutError):
    """Another process held the store for too long."""


class StoreUnreachable(StoreError, ConnectionError):
    """The database server cannot be reached, or closed the connection. Everything acknowledged before is safe."""


class NotALedger(StoreError, ValueError):
    """The file or database schema is not a ledger of Hivemind, or it is damaged."""


class LedgerTooNew(StoreError, RuntimeError):
    """The ledger was written by a later version of this package."""
