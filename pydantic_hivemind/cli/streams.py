"""The standard streams, which may be closed, full, or lack characters in their encoding."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import BinaryIO

from pydantic_hivemind.cli.exits import ExitCode, Refused

UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Values of `errno` if output cannot be written. The store raises errors of its own for them."""


def prepare() -> None:
    """Prepare the streams: discard output to a closed stream, and escape characters that its encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_printing() -> None:
    """Discard output that cannot be written; otherwise Python would try again when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises:
        Refused: It is closed.
    """
    if sys.stdin is None:  # Where descriptor 0 is closed.
        raise Refused("standard input is closed; redirect a file or a pipe to it", ExitCode.USAGE)
    return sys.stdin.buffer
