"""What a text means: embedders, exact search, and Chroma with what keeps it safe."""
