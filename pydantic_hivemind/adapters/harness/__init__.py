"""pydantic-ai-harness: a scope as the store of its memory."""
