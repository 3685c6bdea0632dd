"""Rows of token ids: packed, padded, cut into windows. Nothing of any task."""
