"""HTTP: `create_app` returns a FastAPI app for a hive, `serve` runs it."""

from pydantic_hivemind.http.app import create_app
from pydantic_hivemind.http.server import serve

__all__ = ["create_app", "serve"]
