"""The steps of `scripts/load_test.py`."""
