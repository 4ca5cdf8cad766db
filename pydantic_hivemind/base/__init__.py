"""The ground: values, paths, mounts, matching, and what keeps a store's files and forks safe."""
