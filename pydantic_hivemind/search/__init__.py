"""Search: one ranking over the passages of all scopes in a chain, from indexes that follow the ledger."""
