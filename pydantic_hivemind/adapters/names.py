"""How ids of an app become parts of scope names."""

from __future__ import annotations


def escape(id: str) -> str:
    """An id as one part of a scope's name: no two ids are the same part, and none contains `/` or `#`."""
    return id.replace("%", "%25").replace("/", "%2F").replace("#", "%23")
