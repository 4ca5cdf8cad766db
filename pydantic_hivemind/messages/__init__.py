"""Message histories: conversations, checkpoints, and how messages are stored."""
