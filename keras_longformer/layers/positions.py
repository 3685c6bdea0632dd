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


def count_positions(rule, token_ids, pad_token_id):
    """Counts each row's tokens.

    Args:
        rule: one of `POSITION_RULES`.
        token_ids: int32 `(b, n)`.
        pad_token_id: int, the padding's id.

    Returns:
        int32 `(b, n)` or `(1, n)`: 1, 2, 3, ... for tokens that take a position
        of their own, and 0 for the padding where it takes none. The row of the
        table is this plus `position_offset(...) - 1`.
    """
    if rule == "absolute":
        return 1 + tf.range(tf.shape(token_ids)[1])[None]
    real = tf.cast(tf.not_equal(token_ids, pad_token_id), tf.int32)
    return tf.cumsum(real, axis=1) * real
