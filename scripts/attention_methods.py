"""The ways to compute attention that `benchmark_attention.py` compares.

Functions of query, key and value, `(b, n, h, d)`, without global tokens or
padding.
"""

import importlib.util

import tensorflow as tf

from keras_longformer.native import library
from keras_longformer.ops import window_attention

# One function for each pass and length is what is wanted here.
tf.get_logger().setLevel("ERROR")

HEADS, HEAD_SIZE, WINDOW_SIZE = 12, 64, 512
REACH = WINDOW_SIZE // 2


def dense(query, key, value):
    """Every token sees every token."""
    scores = tf.einsum("bqhd,bkhd->bhqk", query * HEAD_SIZE**-0.5, key)
    return tf.einsum("bhqk,bkhd->bqhd", tf.nn.softmax(scores), value)


def loop(query, key, value):
    """One diagonal of the scores after the other."""
    n = query.shape[1]
    padding = [[0, 0], [REACH, REACH], [0, 0], [0, 0]]
    key, value = tf.pad(key, padding), tf.pad(value, padding)
    position = tf.range(n)[:, None]
    offsets = tf.range(2 * REACH + 1)

    def diagonal(j):
        scores = tf.einsum("bnhd,bnhd->bnh", query, key[:, j : j + n])
        inside = (position + j >= REACH) & (position + j < n + REACH)
        return tf.where(inside, scores * HEAD_SIZE**-0.5, -1e30)

    scores = tf.map_fn(diagonal, offsets, fn_output_signature=tf.float32)
    weights = tf.nn.softmax(scores, axis=0)  # (keys, b, n, h)
    _, output = tf.while_loop(
        lambda j, _: j < 2 * REACH + 1,
        lambda j, total: (
            j + 1,
            total + weights[j][..., None] * value[:, j : j + n],
        ),
        (0, tf.zeros_like(query)),
    )
    return output


def ours(implementation):
    def attend(query, key, value):
        return window_attention(
            query,
            key,
            value,
            window_size=WINDOW_SIZE,
            implementation=implementation,
        )

    return attend


def in_tensorflow(attend, jit=None):
    """Makes `attend` a function of a pass, which gives a function of arrays."""

    def make(backward):
        def run(query, key, value, upstream):
            if not backward:
                return [attend(query, key, value)]
            with tf.GradientTape() as tape:
                tape.watch([query, key, value])
                output = attend(query, key, value)
            return tape.gradient(
                output, [query, key, value], output_gradients=upstream
            )

        run = tf.function(run, jit_compile=jit, autograph=False)
        return run, tf.constant

    return make


def in_torch(attend):
    def make(backward):
        import torch

        def run(query, key, value, upstream):
            if not backward:
                with torch.no_grad():
                    return [attend(query, key, value)]
            inputs = [query, key, value]
            for x in inputs:
                x.requires_grad_(True)
            return torch.autograd.grad(attend(*inputs), inputs, upstream)

        return run, torch.tensor

    return make


def hugging_face_tensorflow():
    from transformers import LongformerConfig
    from transformers.models.longformer import modeling_tf_longformer as hf

    layer = hf.TFLongformerSelfAttention(
        LongformerConfig(attention_window=[WINDOW_SIZE]), layer_id=0
    )

    def attend(query, key, value):
        scores = layer._sliding_chunks_query_key_matmul(
            query * HEAD_SIZE**-0.5, key, REACH
        )
        return layer._sliding_chunks_matmul_attn_probs_value(
            tf.nn.softmax(scores), value, REACH
        )

    return in_tensorflow(attend)


def hugging_face_torch():
    import torch
    from transformers import LongformerConfig
    from transformers.models.longformer import modeling_longformer as hf

    layer = hf.LongformerSelfAttention(
        LongformerConfig(attention_window=[WINDOW_SIZE]), layer_id=0
    )

    def attend(query, key, value):
        scores = layer._sliding_chunks_query_key_matmul(
            query * HEAD_SIZE**-0.5, key, REACH
        )
        return layer._sliding_chunks_matmul_attn_probs_value(
            torch.softmax(scores, -1), value, REACH
        )

    return in_torch(attend)


def flex_attention():
    import torch
    from torch.nn.attention import flex_attention as flex

    compiled = torch.compile(flex.flex_attention, dynamic=False)
    masks = {}

    def attend(query, key, value):
        n = query.shape[1]
        if n not in masks:
            masks[n] = flex.create_block_mask(
                lambda b, h, q, k: (q - k).abs() <= REACH,
                *(None, None, n, n),
                device="cpu",
            )
        heads_first = [x.transpose(1, 2) for x in (query, key, value)]
        return compiled(*heads_first, block_mask=masks[n]).transpose(1, 2)

    return in_torch(attend)


def methods(peers):
    """The methods that are installed: name -> function of nothing."""
    found = {
        "dense": lambda: in_tensorflow(dense),
        "loop": lambda: in_tensorflow(loop),
        "chunked": lambda: in_tensorflow(ours("chunked")),
        "chunked, XLA": lambda: in_tensorflow(ours("chunked"), jit=True),
    }
    if library.available():
        found["native"] = lambda: in_tensorflow(ours("native"))
    if peers and importlib.util.find_spec("transformers"):
        if importlib.util.find_spec("tf_keras"):
            found["HF TensorFlow"] = hugging_face_tensorflow
        if importlib.util.find_spec("torch"):
            found["HF PyTorch"] = hugging_face_torch
    if peers and importlib.util.find_spec("torch"):
        found["FlexAttention"] = flex_attention
    return found


def offers(name, backward):
    return not (name == "FlexAttention" and backward)
