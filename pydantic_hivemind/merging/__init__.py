"""Merging of file versions, independent of any store."""
