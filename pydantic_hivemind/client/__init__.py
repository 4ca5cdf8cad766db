"""Clients of a Hivemind server: a workspace with the methods of `Scope`."""

from pydantic_hivemind.client.asynchronous import AsyncHivemindClient
from pydantic_hivemind.client.blocking import HivemindClient
from pydantic_hivemind.client.workspaces import Issued, TokenInfo, Workspace

__all__ = ["AsyncHivemindClient", "HivemindClient", "Issued", "TokenInfo", "Workspace"]
