"""The ledger: all the SQL, and the rows it reads and writes."""
