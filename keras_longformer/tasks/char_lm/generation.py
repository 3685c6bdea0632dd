"""Going on with a text, a token at a time, at a cost that does not grow."""

import tensorflow as tf

from keras_longformer.layers import rolling_cache
from keras_longformer.tasks.generating import until_stop

EMPTY = (
    "A prompt is empty. Give one character at least, or train with "
    "`add_start_token=True` of the preprocessor."
)


def position_keys(backbone):
    """Returns what each layer's attention adds for the distance of its keys.

    It follows from the weights alone: compute it once, before a loop.
    """
    return [
        block.attention.position_keys() for block in backbone.transformer_layers
    ]


def build_cache(backbone, token_ids):
    """Returns the rings of each layer after tokens, int32 `(b, n)`."""
    x, cache = backbone.token_embedding(token_ids), []
    for block in backbone.transformer_layers:
        normalized = block.attention_layer_norm(x)
        cache.append(rolling_cache.fill(block.attention, normalized))
        x = block(x, training=False)
    return cache


def step(backbone, token_ids, cache, index, keys=None):
    """Runs the backbone on one more token.

    Args:
        backbone: a `LongformerDecoderBackbone`.
        token_ids: int32 `(b, 1)`.
        cache: what `build_cache` or `step` gave.
        index: int32 scalar, how many tokens came before.
        keys: what `position_keys` gives, by default computed here.

    Returns:
        logits `(b, 1, v)`; hidden states `(b, 1, m)`; the new cache.
    """
    if keys is None:
        keys = position_keys(backbone)
    index = tf.cast(index, tf.int32)
    x, new = backbone.token_embedding(token_ids), []
    for block, rings, key in zip(
        backbone.transformer_layers, cache, keys, strict=True
    ):
        normalized = block.attention_layer_norm(x)
        attended, rings = rolling_cache.step(
            block.attention, normalized, rings, index, key
        )
        new.append(rings)
        x = x + attended
        x = x + block.feed_forward(block.output_layer_norm(x))
    x = backbone.layer_norm(x)
    return backbone.token_embedding(x, reverse=True), x, new


def generate_step(task, inputs, stop_token_ids=None):
    """Fills the columns behind prompts: see `LongformerCharLM.generate_step`.

    Raises:
        InvalidArgumentError: an empty prompt, from which nothing follows.
    """
    token_ids = tf.cast(inputs["token_ids"], tf.int32)
    padding_mask = tf.cast(inputs["padding_mask"], tf.bool)
    lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=-1)
    index = tf.reduce_min(lengths)
    check = tf.debugging.Assert(index > 0, [EMPTY])
    with tf.control_dependencies([] if check is None else [check]):
        index = tf.identity(index)
    # The loop's first step runs the last of these tokens again, and writes the
    # same keys to the same place.
    cache = build_cache(task.backbone, token_ids[:, :index])
    keys = position_keys(task.backbone)

    def next(prompt, cache, index):
        place = index - 1
        logits, hidden, cache = task.call_with_cache(
            prompt[:, place : place + 1], cache, place, keys
        )
        return logits[:, 0], hidden[:, 0], cache

    token_ids = task.sampler(
        next=next,
        prompt=token_ids,
        cache=cache,
        index=index,
        mask=padding_mask,
        stop_token_ids=stop_token_ids,
        model=task,
    )
    padding_mask = until_stop(token_ids, padding_mask, stop_token_ids)
    return {"token_ids": token_ids, "padding_mask": padding_mask}
