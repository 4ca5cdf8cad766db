"""Line ends: finding text whatever its line ends, and putting text among lines with theirs. All of it on UTF-8."""

from __future__ import annotations

import re
from bisect import bisect_left
from codecs import BOM_UTF8
from collections.abc import Callable

from pydantic_hivemind.base.text_content import encoding_of

Span = tuple[int, int]
"""First byte, and the one after the last."""

CRLF, LF = b"\r\n", b"\n"


def unified(data: bytes) -> bytes:
    """Return a text with line feeds alone at its line ends."""
    return data.replace(CRLF, LF)


def find_all(data: bytes, wanted: bytes) -> list[Span]:
    """Return where a text occurs, without overlaps: as it is, or else whatever the line ends of both.

    An occurrence never begins or ends between the two bytes of a line end, unless `wanted` says so itself.
    """
    exact = [span for span in _occurrences(data, wanted) if not _cuts_line_end(data, span[0], wanted)]
    if exact or (CRLF not in data and CRLF not in wanted):
        return exact
    places = _places(data)
    return [(places(start), places(end)) for start, end in _occurrences(unified(data), unified(wanted))]


def fitted(text: bytes, data: bytes, place: Span) -> bytes:
    """Return a text with the line ends that a file has where the text is to replace something.

    These are the first that is replaced, else the next one after it, else the last one before it. Where a file has
    none, the text stays as it is.
    """
    start, end = place
    at = data.find(LF, start, end)
    at = data.find(LF, end) if at == -1 else at
    at = data.rfind(LF, 0, start) if at == -1 else at
    if at == -1:
        return text
    plain = unified(text)
    return plain.replace(LF, CRLF) if data[max(0, at - 1) : at] == b"\r" else plain


def with_line_ends_of(data: bytes, text: bytes) -> bytes:
    """Return a text without mixed line ends, if the file that it was made from has none but CRLF."""
    if CRLF not in data or CRLF not in text or data.count(LF) != data.count(CRLF):
        return text
    if encoding_of(data) != "utf-8" or encoding_of(text) != "utf-8":
        return text
    return unified(text).replace(LF, CRLF)


def rewritten(data: bytes, text: bytes) -> bytes:
    """Return a changed text with the line ends, and the byte order mark, of the file that it was made from.

    Args:
        data: The file.
        text: What became of it as `text_content.readable` has it. It differs in one place.
    """
    mark = BOM_UTF8 if data.startswith(BOM_UTF8) and not text.startswith(BOM_UTF8) else b""
    before = data[len(mark) :]
    if CRLF not in before:
        return mark + text
    plain = unified(before)
    room = min(len(plain), len(text))
    first = _same(plain, text)
    last = min(_same(plain[::-1], text[::-1]), room - first)
    places = _places(before)
    start, end = places(first), places(len(plain) - last)
    return mark + before[:start] + fitted(text[first : len(text) - last], before, (start, end)) + before[end:]


def _places(data: bytes) -> Callable[[int], int]:
    """Return where a place in the unified text is in the text itself; that of a line feed is where its line ends."""
    # Each line end with a carriage return moves what follows it by one.
    line_ends = [found.start() - index for index, found in enumerate(re.finditer(CRLF, data))]
    return lambda place: place + bisect_left(line_ends, place)


def _same(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common from their beginning."""
    same, most = 0, min(len(one), len(other))
    while same < most:
        middle = (same + most + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def _occurrences(data: bytes, wanted: bytes) -> list[Span]:
    found: list[Span] = []
    at = data.find(wanted)
    while at != -1:
        found.append((at, at + len(wanted)))
        at = data.find(wanted, at + len(wanted))
    return found


def _cuts_line_end(data: bytes, start: int, wanted: bytes) -> bool:
    return start > 0 and wanted[:1] == LF and data[start - 1 : start] == b"\r"
