"""`HivemindMemoryStore` where pydantic-ai-harness is not installed."""

from __future__ import annotations

import sys

import pytest

from pydantic_hivemind import HivemindMemoryStore, Scope


def test_a_store_says_what_is_missing(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai_harness", None)
    with pytest.raises(ImportError, match="pydantic-ai-harness, which is not installed"):
        HivemindMemoryStore(scope)
