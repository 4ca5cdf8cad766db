"""A hive over HTTP: `create_app` makes a FastAPI app of it, `serve` runs that."""

from pydantic_hivemind.http.app import create_app
from pydantic_hivemind.http.server import serve

__all__ = ["create_app", "serve"]
