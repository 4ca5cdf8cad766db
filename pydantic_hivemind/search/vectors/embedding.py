"""Embedding of text: any embedding function as Chroma defines it, with validation; and the built-in one."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pydantic_hivemind.errors import EmbeddingError

BATCH = 64
"""Texts in one call of an embedding function: services accept 96 to 2,048, and little is lost if one call fails."""

Vectors = NDArray[np.float32]

EmbeddingFunction = Callable[[list[str]], Any]
"""A function that returns one vector for each text of a list, as Chroma's `EmbeddingFunction` does; `embed_query`,
`name` and `get_config` are used if they exist."""


@runtime_checkable
class _EmbedsQueries(Protocol):
    def embed_query(self, input: list[str]) -> Any: ...


@runtime_checkable
class _Named(Protocol):
    @staticmethod
    def name() -> str: ...


@runtime_checkable
class _Configured(Protocol):
    def get_config(self) -> Mapping[str, Any]: ...


class Embedder:
    """An embedding function whose results are validated.

    Every method raises `EmbeddingError` if the function fails, or does not return one vector of finite numbers, not all
    zero, for each text, all of the same length.
    """

    def __init__(self, function: EmbeddingFunction) -> None:
        self._function = function

    @cached_property
    def name(self) -> str:
        """The function's own name, or its Python name."""
        function = self._function
        if isinstance(function, _Named) and callable(function.name):
            with suppress(NotImplementedError):  # what Chroma's base class raises where a function has no name
                return str(function.name())
        kind: Any = function if hasattr(function, "__qualname__") else type(function)
        return f"{kind.__module__}.{kind.__qualname__}"

    @cached_property
    def dimension(self) -> int:
        """The length of its vectors. Calls the function once, unless it has been called before."""
        return self._call(self._function, ["dimension"], None).shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of name, dimension and settings: vectors with the same fingerprint can be compared."""
        config: object = None
        if isinstance(self._function, _Configured):
            try:
                config = dict(self._function.get_config())
            except NotImplementedError:
                pass  # what Chroma's base class raises where a function has no settings
            except Exception as error:
                raise EmbeddingError(
                    f"the embedder's settings cannot be read ({type(error).__name__}); fix its get_config()"
                ) from error
        identity = json.dumps([self.name, self.dimension, config], sort_keys=True, default=_kind)
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, one a row, each of length 1."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        dimension = self.__dict__.get("dimension")
        parts: list[Vectors] = []
        for start in range(0, len(texts), BATCH):
            part = self._call(self._function, texts[start : start + BATCH], dimension)
            dimension = self.__dict__.setdefault("dimension", part.shape[1])
            parts.append(part)
        return np.concatenate(parts)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a query, of length 1: some functions embed queries differently from documents."""
        function = self._function
        ask = function.embed_query if isinstance(function, _EmbedsQueries) else function
        return self._call(ask, [text], self.dimension)[0]

    def _call(self, function: EmbeddingFunction, texts: Sequence[str], dimension: int | None) -> Vectors:
        # Tokenizers refuse lone surrogates, which a query can have.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            answer = function(clean)
        except EmbeddingError:
            raise
        except Exception as error:
            raise EmbeddingError(f"the embedder failed ({type(error).__name__})") from error
        return _checked(answer, len(clean), dimension)


def _checked(answer: Any, count: int, dimension: int | None) -> Vectors:
    try:
        returned = len(answer)
        vectors = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise EmbeddingError("the embedder must return vectors of numbers that all have the same length") from None
    if returned != count:
        raise EmbeddingError(f"the embedder returned {returned} vectors for {count} texts; it must return one for each")
    if vectors.ndim != 2 or vectors.shape[1] == 0:  # noqa: PLR2004 - rows of numbers
        raise EmbeddingError("the embedder must return a list with one vector for each text")
    if dimension is not None and vectors.shape[1] != dimension:
        raise EmbeddingError(
            f"the embedder returned vectors of {vectors.shape[1]} dimensions, and of {dimension} before; "
            "all must have the same length"
        )
    if not np.isfinite(vectors).all():
        raise EmbeddingError("the embedder returned a vector that contains NaN or infinity; the numbers must be finite")
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        raise EmbeddingError("the embedder returned a vector of zeros, which has no cosine similarity to any other")
    vectors /= largest  # so that squares neither overflow nor vanish
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _kind(value: object) -> str:
    """Return a description of a setting that is not JSON, stable between processes."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


# -- the built-in one --------------------------------------------------------------------------


class WordLlama:
    """The default embedder: averaged word vectors of WordLlama; 256 dimensions, 16 MB, offline, 0.05 ms a text.

    It can be used wherever Chroma takes an `EmbeddingFunction`. It is loaded on first use, once for all scopes. Case is
    folded, because its vocabulary has different pieces for `Deploy` and `deploy`.
    """

    def __call__(self, input: list[str]) -> list[Vectors]:
        """Return the vectors of texts."""
        if not input:
            return []
        # The average of no words is no number.
        return list(cast("Vectors", _load().embed([text.lower() or " " for text in input], norm=True)))

    def embed_query(self, input: list[str]) -> list[Vectors]:
        """Return the vectors of queries, which are embedded as other texts are."""
        return self(input)

    @staticmethod
    def name() -> str:
        """Return the name under which collections know it."""
        return "hivemind_wordllama"

    def get_config(self) -> dict[str, Any]:
        """Return the settings that its vectors depend on."""
        return {"model": _MODEL, "dimension": _DIMENSION, "case": "folded"}

    @staticmethod
    def build_from_config(config: Mapping[str, Any]) -> WordLlama:  # noqa: ARG004 - there is nothing to choose
        """Return the function with these settings."""
        return WordLlama()

    def default_space(self) -> str:
        """Return the default distance function."""
        return "cosine"

    def supported_spaces(self) -> list[str]:
        """Return the supported distance functions: for vectors of length 1, all give the same order."""
        return ["cosine", "l2", "ip"]


_MODEL = "l2_supercat"
_DIMENSION = 256


_importing = Lock()


@cache  # several threads at once may load it several times, and keep one
def _load() -> Any:
    # Importing it turns on logging for the whole process, which is not for a library to decide. One thread at a time:
    # another would take what was turned on for what was there before.
    with _importing:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            import wordllama
        except ImportError as error:
            raise EmbeddingError(
                "the default embedder needs the package wordllama; install it, or pass `embedder=`"
            ) from error
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
    try:
        # The weights are in its package, which is not where it looks for the tokenizer unless told to.
        folder = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(_MODEL, cache_dir=folder, dim=_DIMENSION, disable_download=True)
    except Exception as error:
        raise EmbeddingError(
            f"the default embedder could not be loaded ({type(error).__name__}); reinstall it, or pass `embedder=`"
        ) from error
