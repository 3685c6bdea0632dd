"""Window attention on GPUs: kernels in Triton and the IR made from them.

See README.md. Only `export` and the kernels need the triton package; `ir`
reads what they were made into.
"""
