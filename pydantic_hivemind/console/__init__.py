"""The console: pages in which people see what agents remember, and decide on it."""

from pydantic_hivemind.console.console_app import create_console

__all__ = ["create_console"]
