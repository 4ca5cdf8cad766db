"""What a page says."""

import re
from html import unescape


def words(page: str) -> str:
    """Its text, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
