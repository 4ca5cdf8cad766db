"""The templates of the console, and what they may call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from pydantic_hivemind.console.answers import address
from pydantic_hivemind.rendering.patches import printable

_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_STEP = 1024
_SPANS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


def size(count: int) -> str:
    """Return a number of bytes for people."""
    amount, unit = float(count), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{count} {'byte' if count == 1 else 'bytes'}" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def moment(seconds: float) -> str:
    """Return a time for people, in UTC; times that no calendar has are numbers."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"


def machine_moment(seconds: float) -> str:
    """Return a time for the attribute `datetime`, in which the page's script finds it."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def span(seconds: float) -> str:
    """Return a length of time for people, in its largest whole unit."""
    for length, unit in _SPANS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pydantic_hivemind.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": size,
        "moment": moment,
        "machine_moment": machine_moment,
        "span": span,
        "printable": printable,
    }
    # Its declared type is that of the functions that it has by default.
    cast("dict[str, Any]", environment.globals)["address"] = address
    return environment


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page."""
    return _environment().get_template(f"{template}.html").render(values)
