"""Message histories: conversations, checkpoints, and the encoding of messages."""
