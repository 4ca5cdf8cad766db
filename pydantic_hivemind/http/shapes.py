"""The JSON of the API, beside the package's own values: what is asked, and pages."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, create_model

from pydantic_hivemind.base.validation import StrictModel


class Shape(BaseModel):
    """What is answered: made from anything that has its fields."""

    model_config = ConfigDict(from_attributes=True)


class Asked(StrictModel):
    """What is asked: a field that nobody knows is a mistake."""


def page_of(value: type[object], **more: Any) -> type[Shape]:
    """Return the model of a page of such values, with more fields as for `pydantic.create_model`."""
    make = cast(Any, create_model)
    return make(
        f"PageOf{value.__name__}",
        __base__=Shape,
        __doc__="Some of the items, and where the next ones are: give `next` as `cursor`; `null` after the last.",
        items=(cast(Any, list)[value], ...),
        next=(str | None, ...),
        **more,
    )
