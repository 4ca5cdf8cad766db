"""Promotion as requests to a server, like the operations of `calls`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_hivemind.base.promotion_words import check_on_conflict
from pydantic_hivemind.base.values import OnConflict, PromotionReport
from pydantic_hivemind.client.exchange import Steps, change, many, one, strings

NO_PATH = "\0"
"""A glob that matches nothing: no path has that character."""


def promote(
    to: str | None = None,
    *,
    tags: str | Sequence[str] | None = None,
    paths: str | Sequence[str] | None = None,
    also: str | Sequence[str] | None = None,
    on_conflict: OnConflict = "fail",
    dry_run: bool = False,
    operation_id: str | None = None,
    strategy: None = None,
) -> Steps[PromotionReport]:
    """Merge the workspace's own changes into its parent or another ancestor, as `Scope.promote` does.

    Raises:
        PromotionConflict: Both sides changed the same lines and `on_conflict` is `fail`.
        ScopeNotFound: The workspace has no parent, or `to` is not one of its ancestors.
        InvalidOption: `on_conflict` is not one of its values, or `strategy` is passed.
        InvalidTag: A tag is not text, or a merged file would have too many tags.
        InvalidPattern: One of `paths` is not a valid glob.
        InvalidPath: One of `also` is not a valid path.
        FileTooLarge: A merged file would exceed `MAX_FILE_BYTES`.
        OperationConflict: The operation id was used for something else.
    """
    check_on_conflict(on_conflict, strategy)
    wanted, places = strings(tags), strings(paths)
    if wanted == [] or places == []:
        # What is empty is the default to the API, and selects nothing here.
        wanted, places = wanted or None, [NO_PATH]
    asked = {"to": to, "tags": wanted, "paths": places, "on_conflict": on_conflict, "dry_run": dry_run}
    if also is not None:
        # Servers of before know no such field.
        asked["also"] = strings(also)
    return one(PromotionReport, (yield change("promote", asked, None, operation_id)))


def revert(promotion_id: str, *, operation_id: str | None = None) -> Steps[list[str]]:
    """Undo what a promotion did to the workspace, all of it or nothing, and return the paths.

    Raises:
        VersionNotFound: The workspace received no such promotion, or not all of its versions are still kept.
        VersionConflict: One of the paths was changed since, or another entry is at its place.
        NotADirectory: A parent of one of the paths is a file now.
        OperationConflict: The operation id was used for something else.
    """
    return many(str, (yield change("revert", {"promotion_id": promotion_id}, None, operation_id)))
