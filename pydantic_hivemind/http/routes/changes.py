"""Changes of a part of a file, of what is said of it, of directories; and promotion."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import APIRouter, Response
from pydantic import Field, model_validator

from pydantic_hivemind.base.json_values import JsonBytes
from pydantic_hivemind.base.promotion_words import check_fields
from pydantic_hivemind.base.validation import SentVersion, TextList
from pydantic_hivemind.base.values import Conflict, Edited, File, OnConflict, PromotionReport, Stat
from pydantic_hivemind.base.version_names import VersionName
from pydantic_hivemind.errors import PromotionConflict
from pydantic_hivemind.hive.internals import promoted_to
from pydantic_hivemind.http.access import (
    Addable,
    Editable,
    ExpectedVersion,
    OperationId,
    Own,
    Promotable,
    TheGrant,
    Writable,
    etag_of,
)
from pydantic_hivemind.http.problems import documented
from pydantic_hivemind.http.route import TokenRoute
from pydantic_hivemind.http.shapes import Asked
from pydantic_hivemind.tokens import Grant

router = APIRouter(tags=["changing"], route_class=TokenRoute)

ThePath = Annotated[str, Field(description="An absolute path in the workspace.")]


class Write(Asked):
    """A file to write."""

    path: ThePath
    data: JsonBytes = Field(description="What will be in it.")
    tags: TextList | None = Field(None, description="Its tags; without them it keeps those it has.")


class Edit(Asked):
    """Text to replace in a file."""

    path: ThePath
    old: str = Field(description="It must be there once, exactly so.")
    new: str
    replace_all: bool = Field(default=False, description="Replace it wherever it is.")


class Base(Asked):
    """A file as it was read."""

    version: SentVersion
    data: JsonBytes


class Merge(Asked):
    """What was made from a file as it was read."""

    path: ThePath
    data: JsonBytes = Field(description="The new content.")
    base: Base | None = Field(description="What it was made from; `null` if there was no file.")


class MakeDir(Asked):
    """A directory to make."""

    path: ThePath


class Tag(Asked):
    """The tags that a file is to have."""

    path: ThePath
    tags: TextList


class Restore(Asked):
    """A version to bring back."""

    path: ThePath
    version: SentVersion | None = Field(None, description="Without it, what was there before the last.")


class Promote(Asked):
    """What to promote where."""

    to: str | None = Field(None, description="The ancestor; the parent if none is named.")
    tags: TextList | None = Field(None, description="Only files that have one of these.")
    paths: TextList | None = Field(
        None, description="Only paths that match one of these globs, or are in one of these directories."
    )
    also: TextList | None = Field(
        None, description="Files and directories to take along of what mounts leave behind, such as `/uploads`."
    )
    on_conflict: OnConflict = Field(
        "fail", description="Where both sides changed the same: fail, keep the target's side, or take the source's."
    )
    dry_run: bool = Field(default=False, description="Report the same and change nothing.")

    _refuse_strategy = model_validator(mode="before")(check_fields)


class Revert(Asked):
    """A promotion to undo."""

    promotion_id: str


@router.post("/write", response_model=Stat, responses=documented(404, 409, 412, 507))
def write(
    scope: Addable, asked: Write, response: Response, expected: ExpectedVersion, operation_id: OperationId = None
) -> Any:
    """Write a file as `PUT` does: the same change, for tags that are too long for an address."""
    stat = scope.write_bytes(
        asked.path, asked.data, tags=asked.tags, expected_version=expected, operation_id=operation_id
    )
    response.headers["ETag"] = etag_of(stat.version)
    return stat


@router.post("/edit", response_model=Edited, responses=documented(404, 409, 412, 415, 507))
def edit(
    scope: Editable, asked: Edit, response: Response, expected: ExpectedVersion, operation_id: OperationId = None
) -> Any:
    """Replace text in a file: of two edits at once both land."""
    edited = scope.edit(
        asked.path,
        asked.old,
        asked.new,
        replace_all=asked.replace_all,
        expected_version=expected,
        operation_id=operation_id,
    )
    response.headers["ETag"] = etag_of(edited.stat.version)
    return edited


@router.post("/merge", response_model=Stat, responses=documented(404, 409, 507))
def merge(scope: Editable, asked: Merge, response: Response, operation_id: OperationId = None) -> Any:
    """Write what was made from a file as it was read, keeping what others wrote since then."""
    base = None
    if asked.base is not None:
        # A number tells a retry apart, and is compared with nothing.
        size, version = len(asked.base.data), cast(VersionName, asked.base.version)
        base = File(Stat(asked.path, False, size, version, (), 0.0, 0.0, scope.name), asked.base.data)  # noqa: FBT003
    stat = scope.merge(asked.path, asked.data, base=base, operation_id=operation_id)
    response.headers["ETag"] = etag_of(stat.version)
    return stat


@router.post("/make_dir", status_code=204, responses=documented(404, 409, 412, 507))
def make_dir(scope: Writable, asked: MakeDir, expected: ExpectedVersion, operation_id: OperationId = None) -> None:
    """Make a directory and those above it; fine if it is there."""
    scope.make_dir(asked.path, expected_version=expected, operation_id=operation_id)


@router.post("/tag", response_model=Stat, responses=documented(404, 409, 412, 507))
def tag(
    scope: Writable, asked: Tag, response: Response, expected: ExpectedVersion, operation_id: OperationId = None
) -> Any:
    """Give a file these tags in place of those it has; a new version with the same bytes."""
    stat = scope.tag(asked.path, asked.tags, expected_version=expected, operation_id=operation_id)
    response.headers["ETag"] = etag_of(stat.version)
    return stat


@router.post("/restore", response_model=Stat | None, responses=documented(404, 409, 412, 507))
def restore(scope: Writable, asked: Restore, expected: ExpectedVersion, operation_id: OperationId = None) -> Any:
    """Bring back a version of a file; `null` where that means that there is no file."""
    return scope.restore(asked.path, asked.version, expected_version=expected, operation_id=operation_id)


@router.post("/promote", response_model=PromotionReport, responses=documented(404, 409, 507))
def promote(scope: Promotable, grant: TheGrant, asked: Promote, operation_id: OperationId = None) -> Any:
    """Merge the workspace's own changes into its parent or another ancestor: all of them or nothing.

    What is in conflicting files is told to those who may read them; others see `null`.
    """
    try:
        report = scope.promote(**asked.model_dump(), operation_id=operation_id)
    except PromotionConflict as error:
        raise PromotionConflict(str(error), _told(error.report, grant)) from None
    return _told(report, grant)


@router.post("/revert", response_model=list[str], responses=documented(404, 409, 507))
def revert(scope: Own, grant: TheGrant, asked: Revert, operation_id: OperationId = None) -> Any:
    """Undo what a promotion did to the workspace, all or nothing; the paths.

    A promotion that the workspace made itself is undone where it went, by whoever may promote.
    """
    target = promoted_to(scope, asked.promotion_id)
    grant.require("write" if target is None else "promote")
    if target is not None:
        # Undoing changes the same workspace as promoting.
        grant.narrowing.check("promote", {"to": target}, lambda: None)
    return scope.revert(asked.promotion_id, operation_id=operation_id)


def _told(report: PromotionReport, grant: Grant) -> PromotionReport:
    """What of a report its reader may know."""
    if "read" in grant.can:
        return report
    named = tuple(Conflict(conflict.path, None, None, None) for conflict in report.conflicts)
    return replace(report, conflicts=named)
