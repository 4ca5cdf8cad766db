"""Searching scopes against a query of a raw Chroma collection that holds the same; both embed the question."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from timing import Result, race

from pydantic_hivemind import Hivemind, Scope
from pydantic_hivemind.search.text.chunking import split
from pydantic_hivemind.search.vectors.embedding import Embedder, WordLlama

VOCABULARY = 20_000
WORDS_PER_CHUNK = 40
CHUNKS_PER_FILE = 20
LARGE = 100_000

FIRST_SEARCH = """
import json, sys, time
start = time.perf_counter()
from pydantic_hivemind import Hivemind
with Hivemind.open(sys.argv[1]) as hive:
    scope = hive.scope("cold")
    imported = time.perf_counter()
    scope.search("what was decided")
    print(json.dumps([time.perf_counter() - start, time.perf_counter() - imported]))
"""
FIRST_QUERY = """
import json, sys, time
start = time.perf_counter()
import chromadb
from chromadb.config import Settings
from pydantic_hivemind.search.vectors.embedding import WordLlama
client = chromadb.PersistentClient(sys.argv[1], Settings(anonymized_telemetry=False))
collection = client.get_collection("raw", embedding_function=WordLlama())
imported = time.perf_counter()
collection.query(query_texts=["what was decided"], n_results=10)
print(json.dumps([time.perf_counter() - start, time.perf_counter() - imported]))
"""


class Texts:
    """Made-up prose: words as common as in a language, by Zipf's law."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(self._random.choices(letters, k=self._random.randint(3, 9))) for _ in range(VOCABULARY)]
        self._weights = [1 / (rank + 10) for rank in range(VOCABULARY)]

    def words(self, count: int) -> str:
        return " ".join(self._random.choices(self._words, self._weights, k=count))

    def file(self) -> str:
        return "\n\n".join(f"{self.words(WORDS_PER_CHUNK)}." for _ in range(CHUNKS_PER_FILE)) + "\n"


class Raw:
    """A collection that holds the chunks of some texts."""

    def __init__(self, directory: Path) -> None:
        self._function = WordLlama()
        self._client = chromadb.PersistentClient(str(directory), Settings(anonymized_telemetry=False))
        self._collection = self._client.create_collection(
            "raw", embedding_function=self._function, configuration={"hnsw": {"space": "cosine"}}
        )
        self._embedder = Embedder(self._function)
        self._count = 0

    def add(self, texts: list[str]) -> None:
        chunks = [chunk.text for text in texts for chunk in split(text)]
        for start in range(0, len(chunks), 1000):
            batch = chunks[start : start + 1000]
            ids = [str(self._count + place) for place in range(len(batch))]
            self._collection.add(ids=ids, documents=batch, embeddings=self._embedder.embed(batch))
            self._count += len(batch)

    def query(self, text: str) -> Any:
        return self._collection.query(query_texts=[text], n_results=10)

    def close(self) -> None:
        self._client.close()


def fill(scope: Scope, raw: Raw, texts: Texts, chunks: int) -> None:
    files = [texts.file() for _ in range(chunks // CHUNKS_PER_FILE)]
    for number, text in enumerate(files):
        scope.write_text(f"/{scope.name}/{number}.md", text)
    raw.add(files)


def measure() -> list[Result]:
    texts = Texts()
    with tempfile.TemporaryDirectory(prefix="hivemind-bench-", dir=Path.cwd()) as name:
        directory = Path(name)
        with Hivemind.open(directory / "hive", durability="normal") as hive:
            return [
                *chains(hive, directory, texts),
                *first(hive, directory, texts),
                large(directory, texts),
            ]


def compare(name: str, scope: Scope, raw: Raw, texts: Texts, peer: str) -> Result:
    questions = [texts.words(8) for _ in range(250)]
    return race(name, lambda n: scope.search(questions[n]), lambda n: raw.query(questions[n]), peer, rounds=200)


def chains(hive: Hivemind, directory: Path, texts: Texts) -> list[Result]:
    raw = Raw(directory / "raw-chain")
    project = hive.scope("project")
    fill(project, raw, texts, 1000)
    one = compare("search 1,000 chunks", project, raw, texts, "raw Chroma query")
    user = hive.scope("user", parent=project)
    run = user.spawn("run")
    fill(user, raw, texts, 1000)
    fill(run, raw, texts, 1000)
    three = compare("search a chain of three, 1,000 chunks each", run, raw, texts, "raw Chroma query of 3,000")
    raw.close()
    return [one, three]


def first(hive: Hivemind, directory: Path, texts: Texts) -> list[Result]:
    """In a process of its own, each: all of it, and without what importing takes."""
    raw = Raw(directory / "raw-cold")
    scope = hive.scope("cold")
    fill(scope, raw, texts, 1000)
    scope.search("bring it up to date")
    raw.query("bring it up to date")
    raw.close()
    hive.close()
    ours, peer = (
        timed(code, place)
        for code, place in ((FIRST_SEARCH, directory / "hive"), (FIRST_QUERY, directory / "raw-cold"))
    )
    what = ("first search of 1,000 chunks in a new process", "the same, imports and opening not counted")
    return [
        Result(name, mine * 1000, its * 1000, "raw Chroma query")
        for name, mine, its in zip(what, ours, peer, strict=True)
    ]


def timed(code: str, place: Path) -> list[float]:
    """What a program measures of itself, as in an environment whose packages were compiled when they were installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in ("compile", "measure"):
        ran = subprocess.run([sys.executable, "-c", code, place], env=environment, capture_output=True, check=True)
    return json.loads(ran.stdout)


def large(directory: Path, texts: Texts) -> Result:
    raw = Raw(directory / "raw-large")
    with Hivemind.open(directory / "hive", durability="normal") as hive:
        scope = hive.scope("large")
        fill(scope, raw, texts, LARGE)
        start = time.perf_counter()
        scope.search("bring it up to date")
        print(f"indexed {LARGE:,} chunks in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        start = time.perf_counter()
        while not hive._search_service._indexer._indexes[scope._row.chain[0]].released:
            time.sleep(1)
        print(f"and moved them to a collection in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        result = compare(f"search {LARGE:,} chunks", scope, raw, texts, "raw Chroma query")
    raw.close()
    return result


if __name__ == "__main__":
    for result in measure():
        print(f"{result.name}: {result.ours:.3g} ms, {result.peer_name} {result.peer:.3g} ms, {result.ratio:.2f}")
