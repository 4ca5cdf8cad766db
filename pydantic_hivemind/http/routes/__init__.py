"""What answers a path: files, changes, finding, workspaces, tokens."""
