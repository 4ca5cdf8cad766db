"""What a server leaves behind when it is told to end, as `docker stop` does: processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_SERVER = """
import sys
from pydantic_hivemind import Hivemind
from pydantic_hivemind.http import serve

with Hivemind.open(sys.argv[1]) as hive:
    scope = hive.scope("ada")
    scope.write_text("/notes.md", "we deploy on Tuesdays")
    scope.collection("/")  # Owned by this process until it is closed.
    serve(hive, port=0)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_sigterm_closes_the_store(tmp_path):
    store = tmp_path / "store"
    command = [sys.executable, "-c", _SERVER, str(store)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert any("running on" in line for line in server.stderr)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
    assert list(store.rglob("clean.json"))
