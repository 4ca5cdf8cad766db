"""`Pickled`: what is pickled as a reference into a store, by a module that stands above it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

Rebuilt = tuple[Callable[..., Any], tuple[Any, ...]]
"""What rebuilds an object, and its arguments."""


class Pickled:
    """Base class of handles whose pickle names a store and a scope, and has no content and no credentials."""

    __slots__ = ()

    def __reduce__(self) -> Rebuilt:
        """Return what finds the same again in another process."""
        # By name, and only when something is pickled: it opens hives, and stands on what it pickles.
        return cast(Rebuilt, import_module("pydantic_hivemind.hive.pickling").reduced(self))
