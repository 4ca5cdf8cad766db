"""Detection of files that git would commit although they contain a secret."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path


def how_to_keep_out(place: Path) -> str | None:
    """Return the command that keeps a file out of commits; `None` if git would not commit it."""
    place = place.resolve()
    ignored = _git(place, "check-ignore", "--quiet", "--", place.name)
    if ignored is None or ignored.returncode != 1:
        return None
    if _said(place, "ls-files", "--", place.name):
        return shlex.join(["git", "-C", os.path.relpath(place.parent), "update-index", "--skip-worktree", place.name])
    pattern = f"/{_said(place, 'rev-parse', '--show-prefix')}{place.name}"
    excluded = os.path.relpath(place.parent / _said(place, "rev-parse", "--git-path", "info/exclude"))
    return f"echo {shlex.quote(pattern)} >> {shlex.quote(excluded)}"


def _said(place: Path, *arguments: str) -> str:
    ran = _git(place, *arguments)
    return "" if ran is None else ran.stdout.strip()


def _git(place: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    words = ["git", *arguments]
    try:
        return subprocess.run(words, cwd=place.parent, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
