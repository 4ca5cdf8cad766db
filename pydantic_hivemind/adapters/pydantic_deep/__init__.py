"""pydantic-deep: its two lines, its checkpoint store, and the scope that a run works in."""
