"""What several faces print: hits and patches."""
