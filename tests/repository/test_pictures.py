"""The pictures of the documentation are those that its script draws."""

import runpy
from pathlib import Path

import pytest

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
DRAWINGS = runpy.run_path(str(PICTURES / "draw.py"))["DRAWINGS"]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_as_drawn(name):
    assert (PICTURES / name).read_text() == DRAWINGS[name](), "run `python docs/pictures/draw.py`"


def test_every_picture_has_a_script():
    assert {path.name for path in PICTURES.glob("*.svg")} == set(DRAWINGS)
