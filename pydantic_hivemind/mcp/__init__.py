"""MCP: the tools and files of a workspace for clients such as Claude Code, over stdio and streamable HTTP."""

from pydantic_hivemind.mcp.http_app import create_app
from pydantic_hivemind.mcp.protocol import create_server, create_token_server
from pydantic_hivemind.mcp.stdio import serve

__all__ = ["create_app", "create_server", "create_token_server", "serve"]
