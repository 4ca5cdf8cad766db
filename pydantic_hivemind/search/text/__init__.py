"""What a text is made of: chunks, terms, and BM25 over them."""
