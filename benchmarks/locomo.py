"""How well memory is found: `python benchmarks/locomo.py --data DIR`, with a directory of LoCoMo's conversations.

LoCoMo (Maharana et al., ACL 2024, github.com/snap-research/locomo, CC BY-NC 4.0) is not part of this project.
Every conversation becomes a memory of one dated file a session, one line a turn; every question that has an answer
is asked. Recall@k is the share of a question's evidence turns among the first k turns found, averaged over the
questions; a passage of n lines counts as n turns, in order. The columns named by a number are recall@10 of one
conversation each.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.utils import embedding_functions
from rich.console import Console
from rich.table import Table

from pydantic_hivemind import Hivemind
from pydantic_hivemind.search.text.chunking import Chunk, split
from pydantic_hivemind.search.text.terms import terms
from pydantic_hivemind.search.vectors.embedding import Embedder, WordLlama

DEPTHS = (5, 10, 20)
UNANSWERABLE = 5
CANDIDATES = 100
"""Passages of each ranking that plain fusion takes into account."""
RRF = 60
"""The constant of reciprocal rank fusion in the paper that proposed it (Cormack, Clarke and Buettcher 2009)."""

Key = tuple[str, int]
Lines = tuple[str, int, int]
"""A passage that was found: path, first line, last line."""


@dataclass
class Conversation:
    """A conversation as files of text, the turn on each of their lines, and questions with the turns that answer."""

    name: str
    files: dict[str, str] = field(default_factory=dict[str, str])
    turns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    questions: list[tuple[str, set[str]]] = field(default_factory=list[tuple[str, set[str]]])


def load(path: Path) -> Conversation:
    data = json.loads(path.read_text())
    conversation = Conversation(path.stem)
    number = 1
    while f"session_{number}" in data:
        name = f"/.deep/memory/main/session-{number:02}.md"
        lines = [f"# {data.get(f'session_{number}_date_time', '')}", ""]
        turns = ["", ""]
        for turn in data[f"session_{number}"]:
            said = turn.get("clean_text") or turn.get("text") or ""
            if turn.get("blip_caption"):
                said += f" [shares {turn['blip_caption']}]"
            lines.append(f"{turn['speaker']}: {' '.join(said.split())}")
            turns.append(turn["dia_id"])
        conversation.files[name] = "\n".join(lines) + "\n"
        conversation.turns[name] = turns
        number += 1
    known = {turn for turns in conversation.turns.values() for turn in turns if turn}
    for question in data["qa"]:
        evidence = {turn for text in question.get("evidence", []) for turn in re.findall(r"D\d+:\d+", text)} & known
        if question.get("category") != UNANSWERABLE and evidence:
            conversation.questions.append((question["question"], evidence))
    return conversation


class Memory:
    """A conversation, indexed for every way of searching, with the time that took in seconds."""

    def __init__(self, conversation: Conversation, function: Any, client: Any, hive: Hivemind) -> None:
        self.embedder = Embedder(function)
        self.embedder.embed_query("load the model before the clock starts")
        self._function = function
        start = time.perf_counter()
        self.chunks = {path: split(text) for path, text in conversation.files.items()}
        self.keys = [(path, place) for path, chunks in self.chunks.items() for place in range(len(chunks))]
        chunked = time.perf_counter()
        self.vectors = self.embedder.embed([self.chunk(key).text for key in self.keys])
        embedded = time.perf_counter()
        self.collection = client.create_collection(
            f"locomo-{conversation.name}",
            embedding_function=function,
            configuration={"hnsw": {"space": "cosine", "sync_threshold": 100, "batch_size": 50}},
        )
        for batch in range(0, len(self.keys), 50):
            self.collection.add(
                ids=[str(place) for place in range(batch, min(batch + 50, len(self.keys)))],
                embeddings=self.vectors[batch : batch + 50],
            )
        stored = time.perf_counter()
        self.scope = hive.scope(conversation.name)
        for path, text in conversation.files.items():
            self.scope.write_text(path, text)
        written = time.perf_counter()
        self.scope.search("bring it up to date")
        searched = time.perf_counter()
        self.plain = PlainBM25([terms(self.chunk(key).text) for key in self.keys])
        self.times = {
            "ours": searched - written,
            "dense only": embedded - start,
            "BM25 only": time.perf_counter() - searched + chunked - start,
            "plain RRF": time.perf_counter() - searched + embedded - start,
            "raw Chroma": stored - start,
        }

    def chunk(self, key: Key) -> Chunk:
        return self.chunks[key[0]][key[1]]

    def ours(self, question: str) -> list[Lines]:
        return [(hit.path, *hit.lines) for hit in self.scope.search(question, limit=max(DEPTHS))]

    def dense(self, question: str) -> list[Lines]:
        return self._lines(self._best(self.vectors @ self.embedder.embed_query(question), max(DEPTHS)))

    def words(self, question: str) -> list[Lines]:
        return self._lines(self._best(self.plain.scores(terms(question)), max(DEPTHS)))

    def rrf(self, question: str) -> list[Lines]:
        scores: dict[Key, float] = {}
        rankings = (self.vectors @ self.embedder.embed_query(question), self.plain.scores(terms(question)))
        for ranking in rankings:
            for rank, key in enumerate(self._best(ranking, CANDIDATES), start=1):
                scores[key] = scores.get(key, 0.0) + 1 / (RRF + rank)
        return self._lines(sorted(scores, key=scores.__getitem__, reverse=True)[: max(DEPTHS)])

    def chroma(self, question: str) -> list[Lines]:
        found = self.collection.query(query_texts=[question], n_results=min(max(DEPTHS), len(self.keys)))
        return self._lines([self.keys[int(place)] for place in found["ids"][0]])

    def _lines(self, keys: Sequence[Key]) -> list[Lines]:
        return [(key[0], self.chunk(key).first_line, self.chunk(key).last_line) for key in keys]

    def _best(self, scores: np.ndarray, count: int) -> list[Key]:
        return [self.keys[place] for place in np.argsort(-scores, kind="stable")[:count].tolist()]


class PlainBM25:
    """BM25 as in the books, each chunk by itself."""

    def __init__(self, documents: Sequence[Sequence[str]], k1: float = 1.2, b: float = 0.75) -> None:
        lengths = np.array([len(document) for document in documents])
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        counts: dict[str, np.ndarray] = {}
        for place, document in enumerate(documents):
            for term in document:
                counts.setdefault(term, np.zeros(len(documents)))[place] += 1
        self._empty = np.zeros(len(documents))
        self._weights = {
            term: np.log1p((len(documents) - (count > 0).sum() + 0.5) / ((count > 0).sum() + 0.5))
            * count
            * (k1 + 1)
            / (count + norm)
            for term, count in counts.items()
        }

    def scores(self, query: Sequence[str]) -> np.ndarray:
        return sum((self._weights[term] for term in dict.fromkeys(query) if term in self._weights), self._empty)


WAYS: dict[str, Callable[[Memory, str], list[Lines]]] = {
    "ours": Memory.ours,
    "dense only": Memory.dense,
    "BM25 only": Memory.words,
    "plain RRF": Memory.rrf,
    "raw Chroma": Memory.chroma,
}


def turns_of(conversation: Conversation, found: Sequence[Lines]) -> Iterator[str]:
    for path, first, last in found:
        for line in range(first, last + 1):
            if turn := conversation.turns[path][line - 1]:
                yield turn


@dataclass
class Outcome:
    """What one way of searching came to, over all questions."""

    recalls: dict[str, list[list[float]]] = field(default_factory=dict[str, list[list[float]]])
    latencies: list[float] = field(default_factory=list[float])
    index_time: float = 0.0

    def recall(self, depth: int, conversation: str | None = None) -> float:
        rows = [row for name, rows in self.recalls.items() if conversation in {None, name} for row in rows]
        return statistics.mean(row[DEPTHS.index(depth)] for row in rows)


def measure(conversations: Sequence[Conversation], function: Any, hive: Hivemind) -> dict[str, Outcome]:
    outcomes = {name: Outcome() for name in WAYS}
    client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
    for conversation in conversations:
        memory = Memory(conversation, function, client, hive)
        for name, outcome in outcomes.items():
            outcome.index_time += memory.times[name]
        for question, evidence in conversation.questions:
            for name, way in WAYS.items():
                start = time.perf_counter()
                found = way(memory, question)
                outcomes[name].latencies.append(time.perf_counter() - start)
                turns = list(dict.fromkeys(turns_of(conversation, found)))
                hits = [len(evidence.intersection(turns[:depth])) / len(evidence) for depth in DEPTHS]
                outcomes[name].recalls.setdefault(conversation.name, []).append(hits)
        client.delete_collection(memory.collection.name)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall, latency and index time on LoCoMo's conversations.")
    parser.add_argument("--data", type=Path, required=True, help="directory with a JSON file a conversation")
    parser.add_argument("--embedder", help="class in chromadb.utils.embedding_functions (default: the bundled one)")
    chosen = parser.parse_args()
    function = getattr(embedding_functions, chosen.embedder)() if chosen.embedder else WordLlama()
    conversations = [load(path) for path in sorted(chosen.data.glob("*.json"))]
    with tempfile.TemporaryDirectory() as directory, Hivemind.open(directory, embedder=function) as hive:
        outcomes = measure(conversations, function, hive)
    questions = sum(len(conversation.questions) for conversation in conversations)
    table = Table(title=f"{questions} questions about {len(conversations)} conversations, {Embedder(function).name}")
    names = [conversation.name for conversation in conversations]
    for column in ("search", *(f"recall@{depth}" for depth in DEPTHS), *names, "ms/question", "index s"):
        table.add_column(column, justify="left" if column == "search" else "right")
    for way, outcome in outcomes.items():
        table.add_row(
            way,
            *(f"{outcome.recall(depth):.3f}" for depth in DEPTHS),
            *(f"{outcome.recall(10, name):.3f}" for name in names),
            f"{statistics.median(outcome.latencies) * 1000:.2f}",
            f"{outcome.index_time:.2f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
