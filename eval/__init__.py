"""Scores, one subject a file; importing any of them needs NumPy and this package only."""
