"""The database engine of the ledger: drivers, connections, compiled statements, and the write queue."""
