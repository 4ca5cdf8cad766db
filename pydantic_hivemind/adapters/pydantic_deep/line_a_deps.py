"""`DeepAgentDeps` for pydantic-deep up to 0.3.44: it has a backend itself, and shows nothing of a scope's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydantic_deep

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.adapters.backends.shown_files import UPLOADS, earlier_uploads


class DeepAgentDeps(pydantic_deep.DeepAgentDeps):
    """pydantic-deep's dependencies, whose `files` are the scope's, and whose uploads include those of earlier requests.

    Attributes:
        files: The first files of the scope, as `HivemindBackend.files`; of another backend what it has.
    """

    def _shown(self) -> Any:
        backend = self._hivemind()
        return self.__dict__.get("_files", {}) if backend is None else backend.files

    def _keep(self, files: Any) -> None:
        self.__dict__["_files"] = files

    # To a type checker it is the field that it is upstream.
    if not TYPE_CHECKING:
        files = property(_shown, _keep)

    def get_uploads_summary(self) -> str:
        """Return the part of the prompt that lists uploads, those of earlier requests too.

        Raises:
            ScopeGone: The scope was destroyed, or its ttl has passed.
        """
        backend = self._hivemind()
        if backend is not None and "_earlier" not in self.__dict__:
            self.__dict__["_earlier"] = earlier_uploads(backend.scope, UPLOADS)
        own: Any = self.uploads
        self.uploads = {**self.__dict__.get("_earlier", {}), **own}
        try:
            return super().get_uploads_summary()
        finally:
            self.uploads = own

    def _hivemind(self) -> HivemindBackend | None:
        unwrap = getattr(self.__dict__.get("backend"), "unwrap", None)
        raw: object = unwrap() if callable(unwrap) else self.__dict__.get("backend")
        return raw if isinstance(raw, HivemindBackend) else None
