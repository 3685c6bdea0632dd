"""Compiles HLO for GPUs with TensorFlow's own XLA, on a machine without one."""
