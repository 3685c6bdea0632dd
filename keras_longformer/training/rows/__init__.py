"""Tokens of a corpus to rows, and rows to masked batches."""
