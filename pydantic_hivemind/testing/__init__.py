"""For people who test what they build on scopes, or a store of their own.

- `pydantic_hivemind.testing.conformance`: `ScopeSuite`, the rules of a scope as a pytest class to subclass;
- `pydantic_hivemind.testing.dict_model`: `ScopeModel`, a chain of scopes as dicts, to compare with;
- `pydantic_hivemind.testing.strategies`: Hypothesis strategies of paths, names and contents.

They need pytest and Hypothesis, which the package itself does not.
"""
