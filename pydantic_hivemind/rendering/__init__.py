"""Output that several faces share: hits, patches, and statuses of errors."""
