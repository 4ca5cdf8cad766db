"""Promotion: what a scope changed, merged into an ancestor, previewed and taken back."""
