"""pydantic-deep: its two lines, the checkpoint store, and the scope of a run."""
