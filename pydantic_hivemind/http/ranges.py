"""A part of a file (RFC 9110, section 14): one range of bytes. Whatever else is asked for is the whole."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException

_ONE = re.compile(r"bytes=(\d{0,40})-(\d{0,40})", re.ASCII | re.IGNORECASE)


def part(wanted: str | None, size: int) -> range | None:
    """The bytes that a `Range` header asks for of a file of that size; `None` for all of them.

    Raises:
        HTTPException: There are none of them.
    """
    found = _ONE.fullmatch((wanted or "").strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise HTTPException(416, f"the file has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return range(start, stop)
