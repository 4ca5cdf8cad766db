"""pydantic-ai-backends: a scope as a storage backend, and the session manager."""
