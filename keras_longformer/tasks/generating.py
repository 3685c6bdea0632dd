"""What generated rows have in common, whatever generated them."""

import tensorflow as tf
from keras_hub.src.utils.tensor_utils import any_equal


def until_stop(token_ids, is_prompt, stop_token_ids):
    """Returns bool `(b, n)`: a row's tokens, up to the first that ends it.

    Args:
        token_ids: int32 `(b, n)`, prompts and what was generated.
        is_prompt: bool `(b, n)`, `True` at tokens of prompts, which end
            nothing.
        stop_token_ids: ints, which end a row, or `None`: nothing does.
    """
    if stop_token_ids is None:
        return tf.ones_like(token_ids, tf.bool)
    ends = any_equal(token_ids, stop_token_ids, ~is_prompt)
    ends = tf.cast(ends, tf.int32)
    return tf.equal(tf.cumsum(ends, axis=-1) - ends, 0)
