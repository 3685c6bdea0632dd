"""The compiled kernel: C++ sources, their build and their loading.

Only `keras_longformer.ops` uses it. Nothing is compiled on import: `setup.py`
does that for a wheel, or `choice.py` when it is first used.
"""
