"""Pages of long answers.

A cursor is the place of the last item in the order of the answer and nothing else: each page is made anew for whoever
asks, from what they may see.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar, cast

from fastapi import Depends, Query

from pydantic_hivemind.base.validation import or_default
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.limits import MAX_CURSOR_CHARS, MAX_PAGE_ITEMS, PAGE_ITEMS

Item = TypeVar("Item")


class Page(NamedTuple):
    """Some of the items, and the cursor for the next ones."""

    items: list[Any]
    next: str | None


class Pager(NamedTuple):
    """Which page is wanted."""

    limit: int
    after: tuple[str | int | float, ...] | None

    def follow(
        self,
        places: tuple[type[str | float], ...],
        rows: Callable[[tuple[Any, ...], int], Sequence[Item]],
        place: Callable[[Item], tuple[str | float, ...]],
    ) -> Page:
        """Return a page of a list that the store makes a page at a time.

        Args:
            places: The types of what a place is made of.
            rows: Returns so many items at most after a place, in order; an empty place is the beginning.
            place: The place of an item.

        Raises:
            InvalidOption: The cursor is not one of this list.
        """
        after = self.after or ()
        if self.after is not None and [type(part) for part in after] != list(places):
            raise InvalidOption("the cursor is not one of this list")
        found = rows(after, self.limit + 1)
        shown = found[: self.limit]
        return Page(list(shown), _cursor(place(shown[-1])) if len(found) > len(shown) else None)

    def page(self, items: Iterable[Item], place: Callable[[Item], tuple[str | int, ...]]) -> Page:
        """The page of items in the order of their places."""
        try:
            rest = sorted((item for item in items if self.after is None or place(item) > self.after), key=place)
        except TypeError:
            raise InvalidOption("the cursor is not one of this list") from None
        shown = rest[: self.limit]
        return Page(shown, _cursor(place(shown[-1])) if len(rest) > len(shown) else None)

    def behind(self, items: Sequence[Item], place: Callable[[Item], tuple[str, float]]) -> Page:
        """The page of items that are listed newest first.

        Args:
            items: All of them.
            place: The name of an item, and its time: where the last one shown is gone, older ones follow.

        Raises:
            InvalidOption: The cursor is not one of this list.
        """
        rest = list(items)
        if self.after is not None:
            if [type(part) for part in self.after] not in ([str, float], [str, int]):
                raise InvalidOption("the cursor is not one of this list")
            last, time = cast("tuple[str, float]", self.after)
            places = [place(item) for item in items]
            begin = next((number for number, (name, _) in enumerate(places, 1) if name == last), None)
            older = (number for number, (_, at) in enumerate(places) if at < time)
            rest = rest[begin if begin is not None else next(older, len(rest)) :]
        shown = rest[: self.limit]
        return Page(shown, _cursor(place(shown[-1])) if len(rest) > len(shown) else None)


async def pager(
    limit: Annotated[
        int, or_default(PAGE_ITEMS), Query(ge=1, le=MAX_PAGE_ITEMS, description="Most items of the page.")
    ] = PAGE_ITEMS,
    cursor: Annotated[
        str | None,
        Query(description="Where to go on: `next` of the page before.", max_length=MAX_CURSOR_CHARS),
    ] = None,
) -> Pager:
    """Dependency: the wanted page."""
    return Pager(limit, _place(cursor) if cursor else None)


Paging = Annotated[Pager, Depends(pager)]


def _cursor(place: tuple[str | float, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(cursor: str) -> tuple[str | int, ...]:
    try:
        place: Any = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(place, list):
            return tuple(place)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    except (ValueError, RecursionError):
        pass
    raise InvalidOption("the cursor is not one of this list")
