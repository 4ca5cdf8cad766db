"""Foundations: values, paths, mounts, matching, fork safety, and file permissions."""
