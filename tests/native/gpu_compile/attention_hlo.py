"""Window attention as XLA gets it for a GPU."""

import tensorflow as tf

from keras_longformer.ops import native
from keras_longformer.ops import window_attention


def attention_hlo(
    implementation: str,
    dtype: tf.DType,
    *,
    gradient: bool,
    n: int = 4096,
    known_length: bool = True,
    h: int = 12,
    d: int = 64,
    g: int = 1,
    window_size: int = 512,
) -> str:
    """Returns the HLO of one sequence's attention, and its gradients.

    Args:
        implementation: of `window_attention`.
        dtype: of queries, keys and values.
        gradient: whether to add the gradients.
        n, h, d, g: sizes.
        known_length: whether the function is traced for `n`, or for any length.
        window_size: as in `window_attention`.
    """

    def specs(n):
        tokens = tf.TensorSpec((1, n, h, d), dtype)
        globals_ = tf.TensorSpec((1, g, h, d), dtype)
        key_mask = tf.TensorSpec((1, n), tf.bool)
        global_key_mask = tf.TensorSpec((1, g), tf.bool)
        return [*[tokens] * 3, key_mask, *[globals_] * 2, global_key_mask]

    def attend(query, key, value, key_mask, *globals_):
        global_key, global_value, global_key_mask = globals_
        with native.portable():
            return window_attention(
                query,
                key,
                value,
                window_size=window_size,
                key_mask=key_mask,
                global_key=global_key,
                global_value=global_value,
                global_key_mask=global_key_mask,
                implementation=implementation,
            )

    traced = tf.function(
        attend,
        autograph=False,
        input_signature=specs(n if known_length else None),
    )

    def run(output_gradient, *inputs):
        floats = [x for x in inputs if x.dtype == dtype]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            output = traced(*inputs)
        if not gradient:
            return output
        return output, *tape.gradient(output, floats, output_gradient)

    operands = [specs(n)[0], *specs(n)]
    function = tf.function(
        run, jit_compile=True, autograph=False, input_signature=operands
    )
    return function.experimental_get_compiler_ir(*operands)(
        stage="hlo", platform_name="GPU"
    )
