"""The tree of workspaces, one level at a time, and the sessions that are live."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic_hivemind.base.values import ScopeInfo
from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.hive.descendants import level_below, named_like
from pydantic_hivemind.hive.internals import latest_own
from pydantic_hivemind.limits import CONSOLE_ROWS


def tree(asked: Asked) -> Answer:
    """Show the first level of the workspaces that the viewer sees, or those of a name."""
    text, after = asked.query.text("name"), asked.query.text("after")
    if text:
        found = named_like(asked.hive, text, under=asked.viewer.own, after=after, limit=CONSOLE_ROWS + 1)
        own = asked.viewer.own
        if own is not None and not after and text.lower() in own.name.lower():
            found = [own.info(), *found]
        if not asked.viewer.is_admin:
            found = [info for info in found if asked.viewer.sees(info.name) and info.name == _own_name(asked)]
        rows = [(info, False) for info in found]
        return _page("workspaces", rows, name=text, flat=True, parent="")
    own = asked.viewer.own
    if own is not None:
        has_more = asked.viewer.is_admin and bool(level_below(asked.hive, own, limit=1))
        return _page("workspaces", [(own.info(), has_more)], name="", flat=False, parent="")
    return _page(
        "workspaces", level_below(asked.hive, None, after=after, limit=CONSOLE_ROWS + 1), name="", flat=False, parent=""
    )


def level(asked: Asked) -> Answer:
    """Show what is directly under a workspace: a page of its own, and what the tree's script puts into it."""
    asked.viewer.require("admin")
    parent, after = asked.workspace(), asked.query.text("after")
    rows = level_below(asked.hive, parent, after=after, limit=CONSOLE_ROWS + 1)
    return _page("level", rows, name="", flat=False, parent=parent.name)


def sessions(asked: Asked) -> Answer:
    """Show the sessions directly under a workspace, and what each wrote last."""
    asked.viewer.require("admin")
    scope, after = asked.workspace(), asked.query.text("after")
    rows: list[dict[str, object]] = []
    found = level_below(asked.hive, scope, after=after, limit=CONSOLE_ROWS + 1)
    for info, has_more in found[:CONSOLE_ROWS]:
        if info.session:
            may_look = asked.viewer.may("read") and not asked.viewer.is_narrowed
            latest = latest_own(scope.session(info.name)) if may_look else None
            rows.append({"info": info, "has_more": has_more, "latest": latest, "left": _left(info)})
    more = found[CONSOLE_ROWS - 1][0].name if len(found) > CONSOLE_ROWS else None
    return Page("sessions", {"scope": scope, "rows": rows, "more": more})


def end_session(asked: Asked) -> Answer:
    """End a session: what was not promoted is gone."""
    asked.viewer.require("admin")
    scope = asked.workspace()
    session = scope.session(asked.form.exact("session"))
    asked.viewer.check(session, "destroy")
    if not asked.form.flag("sure"):
        raise InvalidOption("tick the box that says that what was not promoted will be removed")
    session.destroy(cascade=True)
    return See(address("sessions", workspace=scope.name, done="ended"))


def _own_name(asked: Asked) -> str | None:
    return None if asked.viewer.own is None else asked.viewer.own.name


def _left(info: ScopeInfo) -> float | None:
    return None if info.expires_at is None else max(0.0, info.expires_at - time.time())


def _page(template: str, rows: Sequence[tuple[ScopeInfo, bool]], **values: object) -> Page:
    shown = [(info, has_more, _left(info)) for info, has_more in rows[:CONSOLE_ROWS]]
    more = shown[-1][0].name if len(rows) > CONSOLE_ROWS else None
    return Page(template, {"rows": shown, "more": more, **values})
