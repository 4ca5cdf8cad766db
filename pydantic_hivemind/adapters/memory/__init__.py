"""Tools by which agents search and remember."""
