"""The steps of `scripts/quickstart.py`, in the order of their use."""
