"""Every figure of the documentation: `python benchmarks/run.py` in an environment with pydantic-deep 0.3.44."""

from __future__ import annotations

import checkpoints
import core
import pages
from rich.console import Console
from rich.table import Table


def main() -> None:
    table = Table(title="Medians of one run, each beside its peer")
    for column in ("work", "Hivemind", "peer", "ratio"):
        table.add_column(column, justify="left" if column == "work" else "right")
    for result in (*core.measure(), *checkpoints.measure(), *pages.measure()):
        peer = f"{result.peer:.3g} {result.unit}  {result.peer_name}"
        table.add_row(result.name, f"{result.ours:.3g} {result.unit}", peer, f"{result.ratio:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
