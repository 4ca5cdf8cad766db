"""What the command's exit codes say, and how errors are told to people."""

from __future__ import annotations

import enum
import json
import sys

from pydantic_hivemind import errors


class ExitCode(enum.IntEnum):
    """Documented in the command's reference; scripts rely on them."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    STORE = 5
    DENIED = 6


class Refused(errors.HivemindError):
    """The command says no before anything is asked of the hive."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


EXIT_CODES: dict[type[errors.HivemindError], ExitCode] = {
    errors.ScopeNotFound: ExitCode.NOT_FOUND,
    errors.ScopeExists: ExitCode.CONFLICT,
    errors.ScopeHasChildren: ExitCode.CONFLICT,
    errors.InvalidScope: ExitCode.USAGE,
    errors.PathNotFound: ExitCode.NOT_FOUND,
    errors.InvalidPath: ExitCode.USAGE,
    errors.NotText: ExitCode.USAGE,
    errors.FileTooLarge: ExitCode.USAGE,
    errors.PathError: ExitCode.CONFLICT,
    errors.EditError: ExitCode.CONFLICT,
    errors.InvalidTag: ExitCode.USAGE,
    errors.InvalidOption: ExitCode.USAGE,
    errors.InvalidPattern: ExitCode.USAGE,
    errors.ConflictError: ExitCode.CONFLICT,
    errors.VersionNotFound: ExitCode.NOT_FOUND,
    errors.CheckpointError: ExitCode.USAGE,
    errors.EmbeddingError: ExitCode.STORE,
    errors.StoreError: ExitCode.STORE,
    errors.AccessError: ExitCode.DENIED,
}
"""The exit code of each error; the nearest base of an error decides."""


def exit_code(error: errors.HivemindError) -> ExitCode:
    """The code that stands for an error."""
    if isinstance(error, Refused):
        return error.code
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), ExitCode.NO)


def explain(message: object) -> None:
    """Say something that is no data."""
    sys.stdout.flush()
    sys.stderr.write(f"hivemind: {message}\n")


def explain_error(name: str, detail: object, *, as_json: bool) -> None:
    """Say why the command ends; as JSON in one line, after whatever else was said."""
    if not as_json:
        explain(detail)
        return
    sys.stdout.flush()
    sys.stderr.write(json.dumps({"error": name, "detail": str(detail)}) + "\n")
