"""The tokens of a workspace and of those under it: making, narrowing and revoking them."""

from __future__ import annotations

from typing import cast

from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.limits import CONSOLE_ROWS, MAX_TTL
from pydantic_hivemind.tokens import ACTIONS, Action

_DAY = 86400.0
_DAYS = int(MAX_TTL // _DAY)


def listing(asked: Asked) -> Answer:
    """Show the valid tokens."""
    return _page(asked)


def change(asked: Asked) -> Answer:
    """Make a token, or revoke one."""
    asked.viewer.require("admin")
    scope, action = asked.workspace(), asked.form.exact("action")
    grant = asked.viewer.grant
    if action == "revoke":
        asked.tokens.revoke(asked.form.exact("id"), within=scope, by=grant)
        return See(address("tokens", workspace=scope.name, done="revoked"))
    if action != "create":
        raise InvalidOption("the form asks for nothing that this page does; open it again")
    can = [action for action in asked.form.many("can") if action in ACTIONS]
    targets = [name.strip() for name in asked.form.text("promote_to").split("\n") if name.strip()]
    token = asked.tokens.create(
        scope,
        can=cast("list[Action]", can),
        ttl=max(1, asked.form.number("days", 30, _DAYS)) * _DAY,
        under=asked.form.text("under") or None,
        promote_to=targets or None,
        deletes=not asked.form.flag("keeps"),
        label=asked.form.text("label") or None,
        by=grant,
    )
    return _page(asked, token)


def _page(asked: Asked, made: str | None = None) -> Page:
    asked.viewer.require("admin")
    scope = asked.workspace()
    after = _place(asked)
    found = asked.tokens.list(within=scope, after=after, limit=CONSOLE_ROWS + 1)
    rows, last = found[:CONSOLE_ROWS], found[CONSOLE_ROWS - 1] if len(found) > CONSOLE_ROWS else None
    more = None if last is None else {"after": last.workspace, "at": repr(last.created_at), "token": last.id}
    actions = [action for action in ACTIONS if asked.viewer.may(action)]
    current = asked.viewer.grant.id if asked.viewer.grant is not None else None
    return Page(
        "tokens",
        {
            "scope": scope,
            "rows": rows,
            "more": more,
            "actions": actions,
            "made": made,
            "current": current,
            "every_action": ACTIONS,
        },
    )


def _place(asked: Asked) -> tuple[str, float, str] | None:
    """Return where a page begins.

    Raises:
        InvalidOption: The address does not say.
    """
    name = asked.query.text("after")
    if not name:
        return None
    try:
        return name, float(asked.query.text("at")), asked.query.text("token")
    except ValueError:
        raise InvalidOption("the address does not say where the page begins; open the first one") from None
