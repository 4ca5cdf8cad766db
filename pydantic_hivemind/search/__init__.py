"""Search: indexes of the scopes of a chain that follow the ledger, and one ranking of their passages."""
