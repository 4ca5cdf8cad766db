"""The standard streams, where one is closed, full, or has not all the characters that names have."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import BinaryIO

from pydantic_hivemind.cli.exits import ExitCode, Refused

UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What `errno` says where what is printed cannot be written. The store has errors of its own for that."""


def prepare() -> None:
    """Let everything be printed: nowhere, if a stream is closed, and what its encoding lacks with backslashes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_printing() -> None:
    """Let what could not be written go nowhere: it would be tried again at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def standard_input() -> BinaryIO:
    """Standard input.

    Raises:
        Refused: There is none.
    """
    if sys.stdin is None:  # Where descriptor 0 is closed.
        raise Refused("standard input is closed; redirect a file or a pipe to it", ExitCode.USAGE)
    return sys.stdin.buffer
