"""`hivemind demo`: two users of one project, real agents, a real server, and a crash."""

from __future__ import annotations

SERVICE_LOG = "\n".join(f"{number} GET /health 200" for number in range(20_000))
"""What the agents' tool returns: far above the 20,000 tokens from which pydantic-deep evicts a tool result."""
