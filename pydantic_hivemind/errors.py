"""The errors of Hivemind: one tree, and each error is also the builtin it stands for.

    HivemindError
    |-- ScopeError                  something is wrong with a scope, not with a path
    |   |-- ScopeNotFound           (LookupError)        no such scope, or not one you may name
    |   |   `-- ScopeGone           (LookupError)        the handle outlived its scope
    |   |-- ScopeExists             (ValueError)         the name is taken
    |   |-- ScopeHasChildren        (RuntimeError)       destroy needs cascade=True
    |   `-- InvalidScope            (ValueError)         bad name, parent, depth or ttl
    |-- PathError                   something is wrong with a path in a scope
    |   |-- InvalidPath             (ValueError)
    |   |-- PathNotFound            (FileNotFoundError)
    |   |-- PathExists              (FileExistsError)
    |   |-- IsADirectory            (IsADirectoryError)
    |   |-- NotADirectory           (NotADirectoryError)
    |   |-- NotText                 (ValueError)
    |   `-- FileTooLarge            (OSError, EFBIG)
    |-- EditError                   (ValueError)         the text to replace is absent or ambiguous
    |-- InvalidTag                  (ValueError)         too many tags, an empty or a long one
    |-- InvalidOption               (ValueError)         an option has no such value
    |-- InvalidPattern              (ValueError)         not a regular expression, or no glob
    |-- ConflictError               somebody else changed it first; read again and decide
    |   |-- VersionConflict
    |   |-- MergeConflict           (OSError)            an unseen change overlaps this one
    |   |-- OperationConflict       (ValueError)         operation id used before for something else
    |   `-- PromotionConflict
    |-- VersionNotFound             (LookupError)
    |-- CheckpointError             (ValueError)         a checkpoint or message that cannot be stored
    |-- AccessError                 the caller may not do it
    |   |-- InvalidToken            (PermissionError)    the token is forged, has ended, or was revoked
    |   `-- NotAllowed              (PermissionError)    the token does not allow it
    |-- EmbeddingError              (RuntimeError)       the embedder failed or returned what is no embedding
    |-- RemoteError                 (ConnectionError)    a server cannot be reached, or makes no sense
    `-- StoreError                  the store as a whole cannot do it
        |-- StoreClosed             (ValueError)
        |-- StoreFull               (OSError, ENOSPC)
        |-- StoreReadOnly           (PermissionError)
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
    "StoreReadOnly",
    "StoreUnreachable",
    "VersionConflict",
    "VersionNotFound",
]


class HivemindError(Exception):
    """Base of every error this package raises on purpose."""

    def __str__(self) -> str:
        # OSError subclasses would print "[Errno None] ..." and KeyError-like ones would quote.
        return str(self.args[-1]) if self.args else type(self).__name__


# -- scopes ------------------------------------------------------------------------------------


class ScopeError(HivemindError):
    """Something is wrong with a scope."""


class ScopeNotFound(ScopeError, LookupError):
    """No scope of that name can be reached from here."""


class ScopeGone(ScopeNotFound):
    """The scope behind this handle was destroyed or its ttl ran out."""


class ScopeExists(ScopeError, ValueError):
    """A scope of that name exists already."""


class ScopeHasChildren(ScopeError, RuntimeError):
    """The scope cannot be destroyed while other scopes read through it."""


class InvalidScope(ScopeError, ValueError):
    """A scope name, parent, depth or ttl that cannot be used."""


# -- paths -------------------------------------------------------------------------------------


class PathError(HivemindError):
    """Something is wrong with a path."""


class InvalidPath(PathError, ValueError):
    """Text that cannot be a path, or a path that cannot be changed."""


class PathNotFound(PathError, FileNotFoundError):
    """There is no file or directory at the path."""


class PathExists(PathError, FileExistsError):
    """There is a file where something new was to be made."""


class IsADirectory(PathError, IsADirectoryError):
    """A file was expected, and there is a directory."""


class NotADirectory(PathError, NotADirectoryError):
    """A directory was expected, and there is a file."""


class NotText(PathError, ValueError):
    """The file is not UTF-8 text."""


class FileTooLarge(PathError, OSError):
    """The file would be larger than the store takes."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EFBIG, message)


# -- edits and conflicts -----------------------------------------------------------------------


class EditError(HivemindError, ValueError):
    """The text to replace is not in the file, or is there more than once.

    `occurrences` is how many times.
    """

    def __init__(self, message: str, *, occurrences: int) -> None:
        super().__init__(message)
        self.occurrences = occurrences


class InvalidTag(HivemindError, ValueError):
    """Tags that a file cannot have."""


class InvalidOption(HivemindError, ValueError):
    """An option, a strategy, a filter or a limit that makes no sense."""


class InvalidPattern(HivemindError, ValueError):
    """A pattern that is not a regular expression, or a glob with too many alternatives."""


class ConflictError(HivemindError):
    """Somebody else changed it first."""


class VersionConflict(ConflictError):
    """The file is not at the expected version. Nothing was changed.

    `expected` and `actual` are version numbers; 0 stands for "no file".
    """

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class MergeConflict(ConflictError, OSError):
    """The file changed since it was read, in the same lines or in too many places. Nothing was written."""


class OperationConflict(ConflictError, ValueError):
    """The operation id was used before with other arguments."""


class PromotionConflict(ConflictError):
    """Both sides changed a path since they parted. Nothing was promoted.

    `report.conflicts` has the paths with both sides.
    """

    def __init__(self, message: str, report: PromotionReport) -> None:
        super().__init__(report, message)
        self.report = report


class VersionNotFound(HivemindError, LookupError):
    """The path has no such version, or it is no longer kept."""


class CheckpointError(HivemindError, ValueError):
    """A checkpoint or message that cannot be stored as JSON."""


class AccessError(HivemindError):
    """The caller may not do it."""


class InvalidToken(AccessError, PermissionError):
    """No token of this hive, or one that has ended or was revoked."""


class NotAllowed(AccessError, PermissionError):
    """The token is valid, and does not allow this."""


class EmbeddingError(HivemindError, RuntimeError):
    """The embedder could not be used, or what it returned is no embedding of the texts."""


class RemoteError(HivemindError, ConnectionError):
    """The server cannot be reached, or what it answers is no answer of Hivemind."""


class SearchDegraded(UserWarning):
    """A search went by words only, as the embedder could not be used."""


# -- the store ---------------------------------------------------------------------------------


class StoreError(HivemindError):
    """The store as a whole cannot do what was asked."""


class StoreClosed(StoreError, ValueError):
    """The hive was closed."""


class StoreFull(StoreError, OSError):
    """No space is left. What was acknowledged before is safe."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ENOSPC, message)


class StoreReadOnly(StoreError, PermissionError):
    """The store cannot be written or opened with the rights of this process."""


class StoreBusy(StoreError, TimeoutError):
    """Another process held the store for too long."""


class StoreUnreachable(StoreError, ConnectionError):
    """The database server cannot be reached, or ended the connection. What was acknowledged before is safe."""


class NotALedger(StoreError, ValueError):
    """The file is there, but it is no ledger of Hivemind, or it is damaged."""


class LedgerTooNew(StoreError, RuntimeError):
    """The ledger was written by a later version of this package."""
