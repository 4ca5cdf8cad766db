"""A real server in a process of its own, which may take only so much memory and time."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # Chroma's and numpy's threads reserve most of it.
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from pydantic_hivemind import Hivemind
from pydantic_hivemind.http import bodies, connections, sending, server
from pydantic_hivemind.mcp import create_app
for setting in sys.argv[2:]:
    name, _, value = setting.partition("=")
    module, _, name = name.partition(".")
    assert hasattr(vars()[module], name)
    setattr(vars()[module], name, float(value))
with Hivemind.open(sys.argv[1]) as hive:
    server.serve(hive, port=0, mounts={"/mcp": create_app(hive)})
"""


@dataclass(frozen=True)
class CappedServer:
    """The process, and where it listens."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def status(self, path: str = "/health", **how: object) -> int:
        """Return the status that somebody else is answered with now."""
        return httpx.get(f"http://{self.host}:{self.port}{path}", timeout=60, **how).status_code

    def connect(self, request: bytes, *, receive_buffer: int = 4096) -> socket.socket:
        """Return a connection on which something was asked; its client takes little before it reads."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(60)
        connection.connect((self.host, self.port))
        connection.sendall(request)
        return connection

    @property
    def memory(self) -> int:
        """Bytes of memory that it has now."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) << 10

    @property
    def temporary_files(self) -> int:
        """How many it has."""
        return sum(os.readlink(file).endswith("(deleted)") for file in Path(f"/proc/{self.process.pid}/fd").iterdir())


@contextmanager
def capped_server(store: Path, **settings: float) -> Iterator[CappedServer]:
    """Serve a store, with other limits, such as `{"connections.SEND_SECONDS": 1}`."""

    command = [sys.executable, "-c", PROGRAM, str(store), *(f"{name}={value}" for name, value in settings.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (address := re.search(r"http://(127.0.0.1):(\d+)", line := process.stderr.readline())):
            assert line, "it ended"
        # Nobody may wait for somebody who reads its log.
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield CappedServer(process, address[1], int(address[2]))
        finally:
            process.kill()
            reader.join()


def get(path: str, token: str | None = None) -> bytes:
    """Return a request, as it is sent."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()
