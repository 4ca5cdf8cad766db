"""Where documented modules of earlier releases are now, so that old imports still work."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "pydantic_hivemind"

MOVED = {
    "adapters.backend": "adapters.backends.scope_backend",
    "adapters.checkpoints": "adapters.pydantic_deep.checkpoint_store",
    "adapters.deep_agents": "adapters.pydantic_deep.line_b",
    "adapters.sessions": "adapters.backends.session_manager",
    "adapters.toolset": "adapters.memory.toolset",
    "adapters.workspace": "adapters.pydantic_ai.hivemind_workspace",
    "auth": "tokens",
    "checkpoints": "messages.checkpoints",
    "demo.model": "testing.scripting",
    "testing.model": "testing.dict_model",
}
"""Old and new places below the package. `adapters.memory` is a package now, which has the name it had as a module."""


class _MovedModules(MetaPathFinder, Loader):
    """Resolves an old name to the module itself, so that there is one of it whatever name it was imported by."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system passes it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return a spec for a name that moved."""
        name = fullname.removeprefix(f"{PACKAGE}.")
        return ModuleSpec(fullname, self) if fullname != name and name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module where it is now."""
        home = f"{PACKAGE}.{MOVED[spec.name.removeprefix(f'{PACKAGE}.')]}"
        # From the line that imports it; what is between is importlib's own.
        warnings.warn(f"{spec.name} is {home} now; import it from there", DeprecationWarning, stacklevel=2)
        module = import_module(home)
        # The import system is about to set the spec of the old name, which `reload` and pickles would follow.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it has run already."""
        old = module.__spec__
        if old is not None:
            module.__spec__ = old.loader_state


def install() -> None:
    """Let old names be imported, once a process."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
