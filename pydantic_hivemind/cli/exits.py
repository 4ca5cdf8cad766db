"""Exit codes of the command, and the output of errors."""

from __future__ import annotations

import json
import sys

from pydantic_hivemind.errors import HivemindError
from pydantic_hivemind.rendering.error_statuses import ExitCode, answer_of
from pydantic_hivemind.rendering.patches import printable


class Refused(HivemindError):
    """The command rejects its arguments or environment, before it uses the hive."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: HivemindError) -> ExitCode:
    """Return the code that the command ends with."""
    if isinstance(error, Refused):
        return error.code
    return answer_of(error).exit_code


def explain(message: object) -> None:
    """Print a message to standard error; what would control a terminal is made visible."""
    sys.stdout.flush()
    lines = map(printable, str(message).split("\n"))
    sys.stderr.write("hivemind: {}\n".format("\n".join(lines)))


def explain_error(name: str, detail: object, *, as_json: bool) -> None:
    """Print an error as the last message; as one line of JSON if requested."""
    if not as_json:
        explain(detail)
        return
    sys.stdout.flush()
    sys.stderr.write(json.dumps({"error": name, "detail": str(detail)}) + "\n")
