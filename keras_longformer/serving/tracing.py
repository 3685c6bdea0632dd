"""Which implementation of the attention goes into an exported graph."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from keras_longformer.ops import native
from keras_longformer.ops.attention import imposed


@contextlib.contextmanager
def stock_operations() -> Iterator[None]:
    """Traces with TensorFlow's own operations, for servers as they are."""
    with imposed("chunked"):
        yield


@contextlib.contextmanager
def native_kernel() -> Iterator[None]:
    """Traces with the compiled kernel, for GPUs even where there is none."""
    with imposed("native"), native.portable():
        yield


def check_native(model: keras.Model) -> list[str]:
    """Returns the kinds of device that `native_kernel` traces for.

    Raises:
        ValueError: the kernel cannot compute all of the model's attention.
    """
    problems, platforms = {}, []
    with native.portable():
        for layer in _attention_layers(model):
            query = tf.TensorSpec(
                [None, None, layer.num_heads, layer.key_dim],
                layer.compute_dtype,
            )
            reason = native.reason_against(query)
            if reason is not None:
                problems[layer.path] = reason
            else:
                platforms = native.platforms(query)
    if problems:
        raise ValueError(
            "`native=True` needs attention that the compiled kernel can "
            "compute on a GPU. Export without it.\n  "
            + "\n  ".join(f"{name}: {why}" for name, why in problems.items())
        )
    return platforms


def _attention_layers(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, LongformerAttention)
    ]
