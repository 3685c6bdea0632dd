"""The compiled kernel: C++ sources, their build and their loading.

Only `keras_longformer.ops` uses it. Nothing is compiled on import:
`python -m keras_longformer.native.build` does that, once.
"""
