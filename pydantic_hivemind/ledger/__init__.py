"""The ledger: all SQL, and the rows that it reads and writes."""
