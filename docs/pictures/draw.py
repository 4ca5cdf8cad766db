"""Draws the pictures of the documentation: `python docs/pictures/draw.py`, which writes them beside this file.

They are SVG with colours for light and dark pages, and text that can be selected and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

HERE = Path(__file__).parent

STYLE = """
  text { font: 14px ui-sans-serif, system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #22201c }
  .quiet { fill: #635e55; font-size: 12.5px } .bold { font-weight: 650 } .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px }
  .page { fill: #fbfaf7 } .layer { fill: #fff; stroke: #d6cfc0 } .own { fill: #ddf1e4; stroke: #14663a } .low { fill: #e0ebf7; stroke: #2b5a8c }
  .gone { fill: #fbe2df; stroke: #a3261b; stroke-dasharray: 4 3 } .hid { fill: #f3f0e8; stroke: #c9c2b3 }
  .arrow { stroke: #8a5a00; stroke-width: 2; fill: none } .head { fill: #8a5a00 } .see { stroke: #8b8578; stroke-width: 1.2; stroke-dasharray: 3 3; fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #ece7dd } .quiet { fill: #aaa294 } .page { fill: #1b1916 } .layer { fill: #25211c; stroke: #4a443a }
    .own { fill: #173524; stroke: #86d7a6 } .low { fill: #1b2c40; stroke: #9cc3ee } .gone { fill: #42201c; stroke: #f29c92 } .hid { fill: #2a2621; stroke: #5a5347 }
    .arrow { stroke: #f0b955 } .head { fill: #f0b955 } .see { stroke: #8b8578 }
  }
"""


def svg(width: int, height: int, title: str, body: Iterable[str]) -> str:
    lines = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n<style>{STYLE}</style>\n'
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0L10 5L0 10z"/></marker></defs>\n'
        f'<rect class="page" width="{width}" height="{height}" rx="10"/>\n{lines}\n</svg>\n'
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str, words: str = "") -> str:
    drawn = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7" class="{kind}"/>'
    return drawn + (text(x + width / 2, y + height / 2 + 5, words, "mono", "middle") if words else "")


def arrow(path: str, kind: str = "arrow") -> str:
    head = ' marker-end="url(#head)"' if kind == "arrow" else ""
    return f'<path class="{kind}" d="{path}"{head}/>'


def overlay() -> str:
    """A chain of three scopes, and what a run sees through it."""
    columns = {"/handbook.md": 205, "/plans/plan.md": 355, "/notes.md": 505, "/old.md": 655}
    rows = {
        "run-42": (96, "what one run writes"),
        "user/ada": (156, "Ada's own"),
        "project/acme": (216, "of everybody in the project"),
    }
    cells = {
        ("run-42", "/plans/plan.md"): "own",
        ("run-42", "/old.md"): "gone",
        ("user/ada", "/notes.md"): "low",
        ("project/acme", "/handbook.md"): "low",
        ("project/acme", "/plans/plan.md"): "hid",
        ("project/acme", "/old.md"): "hid",
    }
    labels = {"own": "changed", "low": "visible", "hid": "hidden", "gone": "removed"}
    body = [text(24, 34, "The run reads through its chain, and writes only to itself", "bold")]
    for name, x in columns.items():
        body.append(text(x + 65, 66, name, "mono", "middle"))
        body.append(arrow(f"M{x + 65} 76V92", "see"))
    for name, (y, note) in rows.items():
        body.append(box(16, y, 784, 50, "layer"))
        body.append(text(30, y + 22, name, "bold"))
        body.append(text(30, y + 40, note, "quiet"))
    for (scope, name), kind in cells.items():
        body.append(box(columns[name], rows[scope][0] + 8, 130, 34, kind, labels[kind]))
    body.append(arrow("M824 236V126"))
    body.append(arrow("M846 126V236"))
    body.append(text(835, 96, "reads", "quiet", "middle"))
    body.append(text(835, 258, "promotes", "quiet", "middle"))
    body.append(
        text(
            24,
            296,
            "A child's edit or removal hides the parent's file everywhere: in reads, lists, grep and search.",
            "quiet",
        )
    )
    return svg(880, 314, "A run, its user and their project as three layers of files", body)


def promotion() -> str:
    """What becomes of a run: promoted, proposed or gone."""
    body = [
        text(24, 34, "A run that succeeds promotes what it learned; a run that fails leaves nothing behind", "bold")
    ]
    body += [
        box(24, 70, 150, 54, "layer"),
        text(99, 92, "user/ada", "bold", "middle"),
        text(99, 110, "lasts", "quiet", "middle"),
    ]
    body += [arrow("M174 97H262"), text(218, 88, "spawn", "quiet", "middle")]
    body += [
        box(264, 70, 150, 54, "own"),
        text(339, 92, "run-42", "bold", "middle"),
        text(339, 110, "writes to itself", "quiet", "middle"),
    ]
    body += [arrow("M414 84C470 60 500 60 556 66"), text(486, 54, "promote", "quiet", "middle")]
    body += [box(560, 44, 296, 44, "layer"), text(708, 71, "merged into user/ada, in one transaction", "", "middle")]
    body += [arrow("M414 97H556"), text(486, 91, "propose", "quiet", "middle")]
    body += [box(560, 96, 296, 44, "layer"), text(708, 123, "waits until somebody approves it", "", "middle")]
    body += [arrow("M414 110C470 140 500 160 556 168"), text(448, 168, "discard, ttl", "quiet", "middle")]
    body += [box(560, 148, 296, 44, "gone"), text(708, 175, "gone, as if it had never been", "", "middle")]
    return svg(880, 212, "A session and its three ends", body)


DRAWINGS = {"overlay.svg": overlay, "promotion.svg": promotion}


def main() -> None:
    for name, draw in DRAWINGS.items():
        (HERE / name).write_text(draw())


if __name__ == "__main__":
    main()
