"""Timing a thing and its peer in turns, so that both meet the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One row of the table; times in milliseconds, memory in megabytes."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else float("nan")


def race(
    name: str,
    ours: Callable[[int], object],
    peer: Callable[[int], object],
    peer_name: str,
    *,
    rounds: int = 400,
    warm_up: int = 20,
) -> Result:
    """The medians of both, taken in turns."""
    for index in range(warm_up):
        ours(index)
        peer(index)
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(warm_up, warm_up + rounds):
        for call, kept in zip((ours, peer), times, strict=True):
            start = time.perf_counter()
            call(index)
            kept.append(time.perf_counter() - start)
    return Result(name, *(statistics.median(kept) * 1000 for kept in times), peer_name)
