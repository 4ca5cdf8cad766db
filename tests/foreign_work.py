"""A foreign workspace at work, and transcripts that tell whether anybody else noticed."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import ModelRequest, UserPromptPart

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base.json_values import to_json_value
from pydantic_hivemind.tokens import Tokens

FOREIGN = "f0reign"
"""In the names, the files and the tags of what nobody here may notice."""

_ID = re.compile(r"hm_[0-9a-f]{32}_[A-Za-z0-9_-]+|[0-9a-f]{32}|v[0-9a-f]{12}(?![0-9a-f])")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?|\b1[6-9]\d{8}(\.\d+)?\b|[A-Z][a-z]{2}, \d\d [A-Z][^\"]* GMT"
)
_CURSOR = re.compile(r'(?<="next": ")[A-Za-z0-9_=-]+(?=")')


class ForeignWork:
    """What a stranger and a sibling do: each kind of change that moves something of the store."""

    def __init__(self, hive: Hivemind) -> None:
        self._hive = hive
        self._numbers = itertools.count()
        # Both stores have them.
        self.stranger = hive.scope(f"{FOREIGN}-stranger")
        self.sibling = hive.scope(f"{FOREIGN}-sibling", "project")

    def some(self) -> None:
        """Do some of everything."""
        number = next(self._numbers)
        for scope in (self.stranger, self.sibling):
            for size in range(3):
                scope.write_text(
                    f"/{FOREIGN}/{number}.md", f"apples of {FOREIGN} {number}\n" * (size + 1), tags=[FOREIGN]
                )
            scope.write_text("/own.md", f"apples {number}\n", operation_id=f"once-{number}")
            scope.conversation("talk").append([ModelRequest(parts=[UserPromptPart(f"{FOREIGN} {number}")])])
            run = scope.spawn(f"{FOREIGN}-{scope.name}-{number}")
            run.write_text(f"/notes-{number}.md", f"{FOREIGN}\n")
            run.propose(note=FOREIGN)
            run.write_text(f"/run-{number}.md", f"{FOREIGN}\n")
            report = run.promote(scope)
            if number % 2:
                scope.revert(report.id)
            run.destroy()
            scope.search("apples")
        Tokens(self._hive).create(self.stranger, label=FOREIGN)


class Transcript:
    """What was answered, in order; of times and random ids only whether they are the same ones."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self._ids: dict[str, str] = {}

    def note(self, step: str, answer: object) -> None:
        """Keep an answer."""
        text = json.dumps(to_json_value(answer, readable_bytes=True), default=repr, sort_keys=True)
        self.steps.append((step, self._plain(text)))

    def call(self, step: str, work: Callable[[], Any]) -> Any:
        """Do something and keep what comes of it, also of a failure."""
        try:
            answer = work()
        except Exception as error:
            self.note(step, [type(error).__name__, str(error), {k: v for k, v in vars(error).items() if k[0] != "_"}])
            return None
        self.note(step, answer)
        return answer

    def _plain(self, text: str) -> str:
        text = _CURSOR.sub(lambda found: base64.urlsafe_b64decode(found[0]).decode().replace('"', "'"), text)
        text = _TIME.sub("TIME", text)
        return _ID.sub(lambda found: self._ids.setdefault(found[0], f"ID{len(self._ids)}"), text)


def differences(quiet: Transcript, busy: Transcript) -> list[tuple[str, str, str]]:
    """Return the steps whose answers differ."""
    assert [step for step, _ in quiet.steps] == [step for step, _ in busy.steps]
    pairs = zip(quiet.steps, busy.steps, strict=True)
    return [(step, one, other) for (step, one), (_, other) in pairs if one != other]
