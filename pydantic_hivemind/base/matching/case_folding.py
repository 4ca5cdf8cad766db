"""Which characters are one another in another case, as `re.IGNORECASE` has it."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

_CASED_PLANES = 0x20000
"""Code points below this are looked at for letters that have a case; beyond there are none, which a test checks."""

_BLOCK = 0x100


def variants(char: str, *, ascii_only: bool = False) -> str:
    """Return the characters that match `char` without regard to case, itself included."""
    if ascii_only:
        return f"{char.lower()}{char.upper()}" if char.isascii() and char.isalpha() else char
    return _variants_by_fold().get(fold(char), char)


def fold(char: str) -> str:
    """Return the text that a character has in common with those that differ from it by case alone."""
    # Of what lower-cases to several characters, such as U+0130, `re` takes the first.
    return char.lower()[0].upper()


@cache
def _variants_by_fold() -> dict[str, str]:
    """The characters that have a variant, by what `fold` makes of them."""
    found: defaultdict[str, str] = defaultdict(str)
    for start in range(0, _CASED_PLANES, _BLOCK):
        if 0xD800 <= start <= 0xDFFF:  # noqa: PLR2004 - surrogates are no characters
            continue
        block = "".join(map(chr, range(start, start + _BLOCK)))
        if block.lower() == block == block.upper():
            continue
        for char in block:
            found[fold(char)] += char
    return {folded: chars for folded, chars in found.items() if len(chars) > 1}
