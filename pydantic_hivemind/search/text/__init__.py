"""Text analysis: chunks, terms, and BM25."""
