"""Test support for applications built on scopes, and for other stores.

- `ScopeSuite`: the rules of a scope as a pytest class to subclass;
- `ScopeModel`: a reference implementation of a chain of scopes with dicts, to compare with;
- `pydantic_hivemind.testing.strategies`: Hypothesis strategies for paths, names and contents;
- `scripted_model`: a model that needs no API key and no network, for tests and first steps.

All but the last need pytest and Hypothesis, which the package itself does not install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_hivemind.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from pydantic_hivemind.testing.conformance import ScopeSuite as ScopeSuite
    from pydantic_hivemind.testing.dict_model import ModelFile as ModelFile
    from pydantic_hivemind.testing.dict_model import ScopeModel as ScopeModel
    from pydantic_hivemind.testing.scripting import scripted_model as scripted_model

_HOMES = {
    "ModelFile": "dict_model",
    "ScopeModel": "dict_model",
    "ScopeSuite": "conformance",
    "scripted_model": "scripting",
}

__all__ = ["ModelFile", "ScopeModel", "ScopeSuite", "scripted_model"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
