"""The core: the hive, its scopes, and what reads them."""
