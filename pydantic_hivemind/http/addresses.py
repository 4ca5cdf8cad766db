"""Addresses of clients: which of them belong to one customer, and which are trusted proxies."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

CUSTOMER_BITS = 64
"""Bits of an IPv6 address that all addresses of one customer have in common."""


def network_of(peer: object) -> Network | None:
    """Return the network whose connections are counted together: an IPv4 address, or a customer's part of IPv6.

    Args:
        peer: What the system tells of the other end; `None` is returned for that of a UNIX socket.
    """
    if not isinstance(peer, tuple):
        return None
    try:
        address = ip_address(str(next(iter(peer), "")).partition("%")[0])  # pyright: ignore[reportUnknownArgumentType]
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return ip_network((address, CUSTOMER_BITS), strict=False)
    return ip_network(address)


def networks(trusted: Iterable[str] | str) -> list[Network] | None:
    """Return trusted proxies, as uvicorn takes them, as networks; `None` if everybody is one."""
    names = [name.strip() for name in (trusted.split(",") if isinstance(trusted, str) else trusted)]
    if "*" in names:
        return None
    found: list[Network] = []
    for name in names:
        with suppress(ValueError):  # A UNIX socket's is a path.
            found.append(ip_network(name))
    return found
