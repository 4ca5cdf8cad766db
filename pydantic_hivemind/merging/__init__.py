"""Merging versions of a file. Nothing here knows a store."""
