"""The pages of the console, for tests."""

from pydantic_hivemind.console.pages import PAGES


def signed_in_pages() -> list[str]:
    """Those that somebody has to sign in for."""
    return sorted(PAGES)
