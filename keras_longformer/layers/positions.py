"""Which row of the position table each token takes, by named rules.

For `pad_token_id=1` and the padding on the left:

    token_ids           1   1   0   31414  232   2
    "padding_offset"    1   1   2   3      4     5
    "absolute"          0   1   2   3      4     5

- `"padding_offset"`, fairseq's, of RoBERTa and Longformer: counted over the
  tokens that are not padding, wherever it is, from `pad_token_id + 1`.
- `"absolute"`, of BERT and LED: the column.
"""

import tensorflow as tf

POSITION_RULES = ("padding_offset", "absolute")


def check_position_rule(rule):
    """Raises `ValueError` for a rule that there is not."""
    if rule not in POSITION_RULES:
        raise ValueError(
            f"`position_rule` must be one of {POSITION_RULES}. "
            f"Received: position_rule={rule!r}."
        )


def position_offset(rule, pad_token_id):
    """Returns the number of rows before the first position's."""
    return pad_token_id + 1 if rule == "padding_offset" else 0


def count_positions(rule, token_ids, pad_token_id, segment_ids=None):
    """Counts each row's tokens.

    Args:
        rule: one of `POSITION_RULES`.
        token_ids: int32 `(b, n)`.
        pad_token_id: int, the padding's id.
        segment_ids: int32 `(b, n)`, the document of each token, or `None`:
            counting starts anew wherever it changes.

    Returns:
        int32 `(b, n)` or `(1, n)`: 1, 2, 3, ... for tokens that take a position
        of their own, and 0 for the padding where it takes none. The row of the
        table is this plus `position_offset(...) - 1`.
    """
    if rule == "absolute":
        real = tf.ones_like(token_ids if segment_ids is not None else [[0]])
        counts = 1 + tf.range(tf.shape(token_ids)[1])[None]
    else:
        real = tf.cast(tf.not_equal(token_ids, pad_token_id), tf.int32)
        counts = tf.cumsum(real, axis=1)
    if segment_ids is not None:
        counts -= _counted_before(counts, real, segment_ids)
    return counts * real


def _counted_before(counts, real, segment_ids):
    """Returns int32 `(b, n)`, what was counted before each token's document.

    That is the count at the first token of a run of equal segments, less its
    own.
    """
    b, n = tf.shape(segment_ids)[0], tf.shape(segment_ids)[1]
    changes = tf.not_equal(segment_ids[:, 1:], segment_ids[:, :-1])
    first = tf.ones_like(segment_ids[:, :1], tf.bool)
    begins = tf.concat([first, changes], axis=1)
    run = tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1
    run += n * tf.range(b)[:, None]
    # Each run has one place, and all that begin none share the last: adding
    # and assigning are the same.
    place = tf.where(begins, run, b * n)
    counted = tf.where(begins, counts - real, 0)
    before = tf.scatter_nd(place[..., None], counted, [b * n + 1])
    return tf.gather(before, run)
