"""A scope's backend over another one: what the hive's mounts name in the scope, the rest and commands below.

`HivemindBackend(scope, over=...)` makes one, up to pydantic-deep 0.3.44. What uses a backend looks at its members to
find out what it can do: `isinstance(backend, SandboxProtocol)`, `hasattr(backend, "execute_background")`. So a class is
made for each class of lower backends, with just those of its members that a scope does not have.
"""

from __future__ import annotations

import posixpath
from functools import lru_cache, partial
from typing import Any, cast

import pydantic_ai_backends
from pydantic_ai_backends.types import EditResult, FileInfo, GrepMatch, WriteResult

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.base.paths import is_below, normalize
from pydantic_hivemind.errors import InvalidOption, InvalidPath
from pydantic_hivemind.hive.async_scope import AsyncScope
from pydantic_hivemind.hive.internals import mounts_of
from pydantic_hivemind.hive.scope import Scope


class LayeredBackend(HivemindBackend):
    """The files of a scope over those of another backend. Made by `HivemindBackend(scope, over=...)`."""

    def __init__(self, scope: Scope | AsyncScope, *, over: Any) -> None:
        super().__init__(scope)
        self._lower = over

    def __reduce__(self) -> tuple[Any, tuple[Scope]]:
        """Pickle the scope, and the lower backend as it can."""
        return partial(HivemindBackend, over=self._lower), (self.scope,)

    @property
    def lower(self) -> Any:
        """The backend that has the other files, and runs the commands."""
        return self._lower

    def exists(self, path: str) -> bool:
        """Return whether a file exists at the path; false for a directory."""
        kept = self._kept(path)
        return self._lower.exists(path) if kept is None else super().exists(kept)

    def ls_info(self, path: str) -> list[FileInfo]:
        """Return the entries of a directory, directories first, including those that are kept in the scope."""
        kept = self._kept(path)
        if kept is not None:
            return super().ls_info(kept)
        found: list[FileInfo] = self._lower.ls_info(path)
        names = {entry["name"] for entry in found}
        inner = self._inner(path)
        places = [place for place in self._kept_inside(path) if self.scope.exists(place)]
        inside = {place[len(inner) :].strip("/").split("/")[0] for place in places}
        base = "" if path == "/" else path.rstrip("/")
        found += [FileInfo(name=name, path=f"{base}/{name}", is_dir=True, size=None) for name in sorted(inside - names)]
        return sorted(found, key=lambda entry: (not entry["is_dir"], entry["name"]))

    def read_bytes(self, path: str) -> bytes:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Return a file's content; `b""` if it cannot be read."""
        kept = self._kept(path)
        return self._lower.read_bytes(path) if kept is None else super().read_bytes(kept)

    def read(self, path: str, offset: int = 0, limit: int = 2000) -> str:
        """Return some lines of a text file with their numbers, or a text that begins with `Error: `."""
        kept = self._kept(path)
        return self._lower.read(path, offset, limit) if kept is None else super().read(kept, offset, limit)

    def write(self, path: str, content: str | bytes) -> WriteResult:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Write a file, creating parent directories as needed; `WriteResult.error` reports a failure."""
        kept = self._kept(path)
        return self._lower.write(path, content) if kept is None else super().write(kept, content)

    def edit(self, path: str, old_string: str, new_string: str, replace_all: bool = False) -> EditResult:  # noqa: FBT001, FBT002  # pyright: ignore[reportIncompatibleVariableOverride]
        """Replace text in a file; `EditResult.error` reports a failure."""
        kept = self._kept(path)
        if kept is None:
            return self._lower.edit(path, old_string, new_string, replace_all)
        return super().edit(kept, old_string, new_string, replace_all)

    def glob_info(self, pattern: str, path: str = "/") -> list[FileInfo]:
        """Return the files under a directory whose relative path matches a glob, in both; none if it fails."""
        kept = self._kept(path)
        if kept is not None:
            return super().glob_info(pattern, kept)
        found = [entry for entry in self._lower.glob_info(pattern, path) if self._kept(entry["path"]) is None]
        places = self._kept_inside(path)
        if places:
            own = super().glob_info(pattern, self._inner(path))
            found += [entry for entry in own if any(is_below(entry["path"], place) for place in places)]
        return sorted(found, key=lambda entry: entry["path"])

    def grep_raw(
        self,
        pattern: str,
        path: str | None = None,
        glob: str | None = None,
        ignore_hidden: bool = True,  # noqa: FBT001, FBT002
    ) -> list[GrepMatch] | str:
        """Return the lines of both that match a regular expression, or a text that begins with `Error: `."""
        asked = "/" if path is None else path
        kept = self._kept(asked)
        if kept is not None:
            return super().grep_raw(pattern, kept, glob, ignore_hidden)
        # First the scope's: it refuses a pattern that would take the other one's whole time.
        own = super().grep_raw(pattern, self._inner(asked), glob, ignore_hidden)
        if isinstance(own, str):
            return own
        places = self._kept_inside(asked)
        matches = [match for match in own if any(is_below(match["path"], place) for place in places)]
        below = self._lower.grep_raw(pattern, path, glob, ignore_hidden)
        if isinstance(below, str):
            return matches or below
        return [*(match for match in below if self._kept(match["path"]) is None), *matches]

    def delete(self, path: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Remove a file, or a directory and everything in it; does nothing if it does not exist.

        Raises:
            InvalidPath: The path is not valid, or the lower backend cannot remove files.
            StoreError: The store failed.
        """
        kept = self._kept(path)
        if kept is not None:
            super().delete(kept)
            return
        remove = getattr(self._lower, "delete", None)
        if remove is None:
            raise InvalidPath(f"{path!r} is not kept in the scope, and the backend below cannot remove files")
        remove(path)

    def _kept(self, path: str) -> str | None:
        """Return the path in the scope, if a mount names it; `None` if it is below."""
        inner = self._inner(path)
        return inner if any(is_below(inner, place) for place in mounts_of(self.scope).outermost) else None

    def _kept_inside(self, path: str) -> list[str]:
        """Return the directories of the scope that are somewhere under a directory of the lower backend."""
        inner = self._inner(path)
        return [place for place in mounts_of(self.scope).outermost if is_below(place, inner)]

    def _inner(self, path: str) -> str:
        """Return the path in the scope that a path would have: the lower backend's root is the scope's."""
        root = getattr(self._lower, "root_dir", None)
        if root is not None and (path == str(root) or path.startswith(f"{root}/")):
            path = path[len(str(root)) :]
        try:
            return normalize(posixpath.normpath(path) if path else "/")
        except InvalidPath:
            return "/"


def class_over(lower: object) -> type[LayeredBackend]:
    """Return a class of backends over one of that kind.

    Raises:
        InvalidOption: The installed pydantic-deep has workspaces in place of backends.
    """
    if not hasattr(pydantic_ai_backends, "SandboxProtocol"):
        raise InvalidOption(
            "`HivemindBackend(scope, over=...)` is for pydantic-deep up to 0.3.44; pass "
            "`workspace=HivemindWorkspace(over=...)` to `create_deep_agent`"
        )
    return _class_over(type(lower))


@lru_cache(maxsize=256)
def _class_over(lower: type) -> type[LayeredBackend]:
    """Return a class with the public members of the lower one that a scope's backend does not have."""
    own = set(dir(LayeredBackend))
    names = [name for name in dir(lower) if not name.startswith("_") and name not in own]
    members = {name: _passed_on(name) for name in names}
    return cast("type[LayeredBackend]", type(f"{lower.__name__}OverScope", (LayeredBackend,), members))


def _passed_on(name: str) -> property:
    def get(backend: LayeredBackend) -> Any:
        return getattr(backend.lower, name)

    return property(get, doc=f"`{name}` of the backend below.")
