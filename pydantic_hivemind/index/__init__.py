"""The index: what makes the text of a scope findable. Derived from the ledger, it can be dropped at any time."""
