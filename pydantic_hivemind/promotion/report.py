"""What a plan says: the report of a promotion, and the changes that `diff` lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic_hivemind.base.values import Change, Conflict, PromotionReport
from pydantic_hivemind.errors import PromotionConflict
from pydantic_hivemind.promotion.contents import Contents
from pydantic_hivemind.promotion.draft import Content
from pydantic_hivemind.promotion.steps import Clash, MakeDirectory, Plan, Remove, Skip, Step, TakeFile

BATCH = 64
"""Steps whose contents are fetched at a time."""


def report_of(plan: Plan, *, id: str, source: str, target: str, dry_run: bool) -> PromotionReport:
    """Return what a promotion by this plan did, or would do."""
    return PromotionReport(
        id=id,
        source=source,
        target=target,
        dry_run=dry_run,
        applied=tuple(step.path for step in plan.steps if _is_applied(step)),
        merged=tuple(step.path for step in plan.steps if isinstance(step, TakeFile) and step.merged),
        deleted=tuple(step.path for step in plan.steps if isinstance(step, Remove)),
        skipped=tuple(step.path for step in plan.steps if isinstance(step, Skip)),
        conflicts=tuple(Conflict(step.path, step.base, step.ours, step.theirs) for step in plan.clashes),
        left_behind=plan.left_behind,
    )


def _is_applied(step: Step) -> bool:
    """Whether the target gets something just as the source has it."""
    return (isinstance(step, TakeFile) and not step.merged) or (isinstance(step, MakeDirectory) and step.is_empty)


def refusal(plan: Plan, report: PromotionReport) -> PromotionConflict:
    """Return the error that says why nothing was promoted."""
    first = f"{len(plan.clashes)} path(s) changed on both sides, the first is {plan.clashes[0].path!r}"
    too_many = next((step.path for step in plan.clashes if not step.was_compared), None)
    if too_many is not None:
        first += f"; {too_many!r} differs in too many places to be merged"
    return PromotionConflict(
        f"{first}; nothing was promoted. Settle them and promote again, or choose on_conflict='keep_target' or "
        "'take_source'",
        report,
    )


def changes_of(plan: Plan, contents: Contents) -> Iterator[Change]:
    """Return what a promotion by this plan changes in the target, by path.

    Raises:
        PlanOutdated: A version was pruned meanwhile.
    """
    for start in range(0, len(plan.steps), BATCH):
        batch = plan.steps[start : start + BATCH]
        contents.fetch(_versions_of(batch))
        for step in batch:
            yield from _changes_of(step, contents)
        contents.forget()


def _versions_of(steps: Sequence[Step]) -> Iterator[int]:
    for step in steps:
        if isinstance(step, TakeFile):
            if isinstance(step.content, int):
                yield step.content
            if step.before is not None:
                yield step.before.version
        elif isinstance(step, Remove):
            yield from (head.version for head in step.files)


def _changes_of(step: Step, contents: Contents) -> Iterator[Change]:
    if isinstance(step, TakeFile):
        before = None if step.before is None else contents.of(step.before.version)
        kind = "added" if before is None else "modified"
        after = _bytes_of(step.content, contents)
        yield Change(step.path, kind, before, after, step.tags, "merged" if step.merged else "applied")
    elif isinstance(step, Remove):
        for head in step.files:
            yield Change(head.path, "deleted", contents.of(head.version), None)
    elif isinstance(step, MakeDirectory):
        yield Change(step.path, "directory", None, None)
    elif isinstance(step, Clash):
        yield _clash(step)


def _bytes_of(content: Content, contents: Contents) -> bytes | None:
    return contents.of(content) if isinstance(content, int) else content


def _clash(step: Clash) -> Change:
    before = None if step.stands_elsewhere else step.ours
    if step.is_directory:
        return Change(step.path, "directory", None, None, (), "conflict")
    if step.theirs is None:
        return Change(step.path, "deleted", before, None, (), "conflict")
    return Change(step.path, "added" if before is None else "modified", before, step.theirs, step.tags, "conflict")
