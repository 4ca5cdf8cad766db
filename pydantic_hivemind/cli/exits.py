"""What the command's exit codes say, and how errors are told to people."""

from __future__ import annotations

import json
import sys

from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.rendering.error_statuses import ExitCode, answer_of


class Refused(HivemindError):
    """The command says no before anything is asked of the hive."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: HivemindError) -> ExitCode:
    """Return the code that the command ends with."""
    if isinstance(error, Refused):
        return error.code
    return answer_of(error).exit_code


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
