"""A server in a process of its own, which can be killed and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, NamedTuple

from typing_extensions import Self

ANSWER_TIMEOUT = 30.0
"""Seconds to wait for an answer: some ten times what starting and the longest answer take."""

COMMAND = (sys.executable, "-m", "pydantic_hivemind.demo.chat_app")
"""What serves the demo's app, given the store and the socket."""


class Answer(NamedTuple):
    """An HTTP answer; `data` is the JSON or text in it, `None` without an answer."""

    status: int
    data: Any


class Server:
    """Serves a store on a free port of the loopback interface, while its block lasts.

    The socket outlives the process that serves it, so requests wait for a server that is starting.

    Args:
        store: The directory of the store.
        command: What to run, with the store and the number of the socket's descriptor added.
    """

    def __init__(self, store: Path, command: Sequence[str] = COMMAND) -> None:
        self.store = store
        self._command = command
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._socket = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._log = self._open.enter_context(TemporaryFile())
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(signal.SIGTERM)
        self._open.close()

    @property
    def address(self) -> str:
        """Where it listens."""
        return "http://{}:{}".format(*self._socket.getsockname())

    def start(self) -> None:
        """Start serving."""
        listener = self._socket.fileno()
        self._process = subprocess.Popen(  # noqa: S603 (the command is the caller's)
            [*self._command, str(self.store), str(listener)],
            pass_fds=[listener],
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        """End the process at once: nothing in it can save or tidy up."""
        # Windows ends processes in one way only.
        self._stop(getattr(signal, "SIGKILL", signal.SIGTERM))

    def log(self) -> str:
        """What the processes printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def call(self, user: str, method: str, path: str, body: str | dict[str, str] | None = None) -> Answer:
        """Send a request as a user: text as it is, anything else as JSON. Status 0 if no answer comes."""
        headers = {"X-User": user}
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        connection = HTTPConnection(*self._socket.getsockname(), timeout=ANSWER_TIMEOUT)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException):
            return Answer(0, None)
        finally:
            connection.close()
        is_json = response.headers.get_content_type() == "application/json"
        return Answer(response.status, json.loads(text) if is_json else text)

    def _stop(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait()
