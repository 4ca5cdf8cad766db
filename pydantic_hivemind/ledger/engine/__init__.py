"""The database engine under the ledger: drivers, connections, compiled statements, the queue of writers."""
