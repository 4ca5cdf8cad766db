"""For whoever runs the store: its health and size, and what keeps it tidy."""

from __future__ import annotations

from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.errors import InvalidOption


def overview(asked: Asked) -> Answer:
    """Show the size of the store and, where asked for, its problems."""
    asked.viewer.require_operator()
    is_checked = asked.query.flag("check")
    findings = asked.hive.doctor() if is_checked else []
    return Page("upkeep", {"size": asked.hive.size(), "findings": findings, "is_checked": is_checked})


def work(asked: Asked) -> Answer:
    """Repair what can be repaired, or remove what has ended."""
    asked.viewer.require_operator()
    action = asked.form.exact("action")
    if action == "mend":
        asked.hive.doctor(fix=True)
        return See(address("upkeep", check=True, done="mended"))
    if action == "collect":
        asked.hive.gc(compact=False)
        return See(address("upkeep", done="collected"))
    raise InvalidOption("the form asks for nothing that this page does; open it again")
