"""pydantic-ai: a scope as the workspace of a run."""
