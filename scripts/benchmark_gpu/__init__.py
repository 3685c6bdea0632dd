"""What `benchmark_gpu.sh` runs, and the estimate that needs no GPU.

No module here imports `keras_longformer` where it is imported itself, for that
needs TensorFlow: the kernels and the case table are loaded by path
(`package.py`), so that PyTorch, Triton and JAX are enough.
"""
