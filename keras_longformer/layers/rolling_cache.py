"""What a causal window must remember to go on token by token.

A head of reach `r` and dilation `s` sees, of all that came, `r` keys of the
sequence of every `s`-th token, and itself. So it keeps `s` rings of `r + 1`
keys and values; token `i` goes to ring `i % s`, over the oldest one there:

    r = 2, s = 2, after token 8     ring 0    6 8 4
                                    ring 1    7 3 5

One more token costs `r + 1` products of each head, and memory stays what it
is, however long the sequence has become.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_longformer.ops import masks


class Rings(NamedTuple):
    """The keys and values of the heads of one dilation.

    Attributes:
        key: float `(b, s, r + 1, h, d)`.
        value: float `(b, s, r + 1, h, d)`.
    """

    key: tf.Tensor
    value: tf.Tensor


def head_groups(attention) -> list[tuple[int, list[int]]]:
    """Returns each dilation of a `LongformerAttention`, and its heads."""
    dilation = attention.dilation
    if isinstance(dilation, int):
        dilation = [dilation] * attention.num_heads
    return [
        (step, [head for head, own in enumerate(dilation) if own == step])
        for step in sorted(set(dilation))
    ]


def fill(attention, inputs) -> list[Rings]:
    """Returns the rings after a whole sequence.

    Args:
        attention: a causal `LongformerAttention`.
        inputs: float `(b, n, m)`, what it is called with.
    """
    key, value = attention.key(inputs), attention.value(inputs)
    n = tf.shape(inputs)[1]
    slots = attention.window_size // 2 + 1
    rings = []
    for step, heads in head_groups(attention):
        ring = tf.range(step)[:, None]
        # The round of the newest token of each ring; -1 where it has none.
        newest = (n - 1 - ring) // step
        rounds = newest - (newest - tf.range(slots)) % slots
        token = rounds * step + ring  # (s, r + 1)
        is_there = (rounds >= 0)[None, :, :, None, None]
        token = tf.maximum(token, 0)

        def take(x, heads=heads, token=token, is_there=is_there):
            x = tf.gather(tf.gather(x, heads, axis=2), token, axis=1)
            return tf.where(is_there, x, tf.zeros([], x.dtype))

        rings.append(Rings(take(key), take(value)))
    return rings


def step(attention, inputs, rings, index, position_key):
    """Attends from one more token to those before it.

    Args:
        attention: a causal `LongformerAttention`.
        inputs: float `(b, 1, m)`, the token.
        rings: list of `Rings`, of the tokens before it.
        index: int32 scalar, how many those are.
        position_key: float `(r + 1, h, d)`, what its `position_keys` gives,
            or `None` where it has no relative positions.

    Returns:
        float `(b, 1, m)`, what the layer gives for the last token of the whole
        sequence; and the new rings.
    """
    slots = attention.window_size // 2 + 1
    query, key, value = (
        layer(inputs)[:, 0]
        for layer in (attention.query, attention.key, attention.value)
    )  # (b, h, d)
    if position_key is not None:
        query, position_query = attention.positions(query)
    contexts, order, new = [], [], []
    for (dilation, heads), old in zip(
        head_groups(attention), rings, strict=True
    ):
        ring, now = index % dilation, index // dilation
        old = Rings(
            _put(old.key, tf.gather(key, heads, axis=1), ring, now % slots),
            _put(old.value, tf.gather(value, heads, axis=1), ring, now % slots),
        )
        new.append(old)
        order += heads
        # How many rounds ago each slot was written.
        age = (now - tf.range(slots)) % slots
        scores = tf.einsum(
            "bhd,bkhd->bhk",
            tf.gather(query, heads, axis=1),
            tf.gather(old.key, ring, axis=1),
        )
        if position_key is not None:
            by_distance = tf.einsum(
                "bhd,khd->bhk",
                tf.gather(position_query, heads, axis=1),
                tf.gather(position_key, heads, axis=1),
            )
            scores += tf.gather(by_distance, slots - 1 - age, axis=2)
        dtype = tf.float64 if scores.dtype == tf.float64 else tf.float32
        scores = tf.cast(scores, dtype) * attention.key_dim**-0.5
        probabilities = masks.masked_softmax(scores, age <= now)
        probabilities = tf.cast(probabilities, value.dtype)
        contexts.append(
            tf.einsum(
                "bhk,bkhd->bhd",
                probabilities,
                tf.gather(old.value, ring, axis=1),
            )
        )
    place = [order.index(head) for head in range(len(order))]
    context = tf.gather(tf.concat(contexts, axis=1), place, axis=1)
    return attention.attention_output(context[:, None]), new


def _put(ring, x, row, column):
    """Writes `x`, `(b, h, d)`, at `ring[:, row, column]`."""
    b = tf.shape(ring)[0]
    place = tf.stack(
        [tf.range(b), tf.fill([b], row), tf.fill([b], column)], axis=1
    )
    return tf.tensor_scatter_nd_update(ring, place, tf.cast(x, ring.dtype))
