"""Tools with which agents search their scope and keep notes."""
