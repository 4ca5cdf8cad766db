"""Ports for servers that have to be told theirs."""

import random
import socket
from contextlib import suppress


def free_port():
    """One on which nobody listens, and none of those that systems hand out: it is free still when it is used."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
