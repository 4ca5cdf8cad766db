"""What was done last, what a workspace changed, and what becomes of it: promoted, proposed, undone."""

from __future__ import annotations

from pydantic_hivemind.base.values import Changes, OnConflict, PromotionReport
from pydantic_hivemind.console import differences
from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.errors import InvalidOption, PromotionConflict
from pydantic_hivemind.hive.internals import promoted_to
from pydantic_hivemind.limits import CONSOLE_ROWS

SETTLEMENTS: dict[str, OnConflict] = {"fail": "fail", "keep_target": "keep_target", "take_source": "take_source"}


def activity(asked: Asked) -> Answer:
    """Show what was done last in a workspace and what it inherits from."""
    asked.viewer.require("read")
    scope = asked.workspace()
    asked.viewer.check(scope, "diff")
    return Page(
        "activity",
        {
            "scope": scope,
            "versions": asked.viewer.known(scope, scope.recent(limit=CONSOLE_ROWS)),
            "may_undo": asked.viewer.may("write"),
            "may_undo_own": asked.viewer.may("promote"),
        },
    )


def undo(asked: Asked) -> Answer:
    """Undo a promotion."""
    scope, id = asked.workspace(), asked.form.exact("promotion")
    target = promoted_to(scope, id)
    asked.viewer.require("write" if target is None else "promote")
    asked.viewer.check(scope, "revert", promotion_id=id)
    if target is not None:
        asked.viewer.check(scope, "promote", to=target)
    scope.revert(id)
    return See(address("activity", workspace=scope.name, done="undone"))


def changes(asked: Asked) -> Answer:
    """Show what promoting a workspace would do in an ancestor."""
    asked.viewer.require("read")
    scope = asked.workspace()
    asked.viewer.check(scope, "diff")
    if scope.parent is None:
        return Page("changes", {"scope": scope, "to": None, "rows": [], "left_behind": (), **_rights(asked)})
    to = asked.query.text("to", scope.chain[1])
    found = scope.diff(to)
    report = scope.promote(to, dry_run=True, on_conflict="keep_target") if _conflicts(found) else None
    return Page("changes", {"scope": scope, "to": to, **shown(found, report), **_rights(asked)})


def promote(asked: Asked) -> Answer:
    """Promote or propose what is chosen."""
    scope = asked.workspace()
    to, action = asked.form.exact("to"), asked.form.exact("action")
    settlement = SETTLEMENTS.get(asked.form.text("on_conflict", "fail"))
    if action not in ("promote", "propose") or settlement is None:
        raise InvalidOption("the form asks for nothing that this page does; open it again")
    asked.viewer.require("promote" if action == "promote" else "propose")
    chosen, everything = asked.form.many("path"), asked.form.flag("everything")
    if not chosen and not everything:
        raise InvalidOption("choose at least one file")
    paths = None if everything else [literal(path) for path in chosen]
    checked = None if everything else chosen
    asked.viewer.check(scope, action, to=to, paths=checked)
    if action == "propose":
        note = asked.form.text("note") or None
        made = scope.propose(to, paths=paths, note=note, on_conflict=settlement)
        return See(address("proposal", workspace=scope.name, id=made.id, done="proposed"))
    try:
        report = scope.promote(to, paths=paths, on_conflict=settlement)
    except PromotionConflict as error:
        asked.viewer.require("read")
        found = scope.diff(to)
        values = {"scope": scope, "to": to, **shown(found, error.report), **_rights(asked), "conflicted": True}
        return Page("changes", values, 409)
    return Page("promoted", {"scope": scope, "report": report})


def shown(found: Changes, report: PromotionReport | None) -> dict[str, object]:
    """Return what a page needs to show a plan: each change with its lines, and both sides of each conflict."""
    sides = {} if report is None else {conflict.path: conflict for conflict in report.conflicts}
    rows: list[dict[str, object]] = []
    for change in found[:CONSOLE_ROWS]:
        conflict = sides.get(change.path)
        row: dict[str, object] = {"change": change, "difference": differences.of_change(change), "sides": None}
        if conflict is not None:
            row["sides"] = (
                differences.between(conflict.base, conflict.ours),
                differences.between(conflict.base, conflict.theirs),
            )
        rows.append(row)
    return {
        "rows": rows,
        "left_behind": found.left_behind,
        "hidden": max(0, len(found) - CONSOLE_ROWS),
        "conflicts": len(_conflicts(found)),
        "conflicted": False,
    }


def literal(path: str) -> str:
    """Return a glob that matches one path only."""
    return "".join(f"[{character}]" if character in "*?[{" else _escaped(character) for character in path)


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "]}!\\," else character


def _conflicts(found: Changes) -> list[str]:
    return [change.path for change in found if change.outcome == "conflict"]


def _rights(asked: Asked) -> dict[str, object]:
    return {"may_promote": asked.viewer.may("promote"), "may_propose": asked.viewer.may("propose")}
