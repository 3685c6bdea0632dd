"""Puts together what a model says of the windows of a text.

`keras_longformer/text/windows.py` cuts them. What is one answer a text, a class
or an embedding, is averaged; what is one a token is taken from the window in
which the token has most context; spans of an answer are taken by their score
(`spans.py`). Stock TensorFlow, eagerly and in exported graphs.
"""

import tensorflow as tf

from keras_longformer.text.windows import Windows


def mean_of_windows(outputs: tf.Tensor, windows: Windows) -> tf.Tensor:
    """Returns float `(b, ...)`, the mean of each text's rows.

    Args:
        outputs: float `(r, ...)`, one of each row.
        windows: the `Windows` of the rows.
    """
    return tf.math.unsorted_segment_mean(
        outputs, windows.text_index, windows.num_texts
    )


def tokens_of_windows(outputs: tf.Tensor, windows: Windows) -> tf.RaggedTensor:
    """Returns ragged `(b, None, ...)`, one output for each token of a text.

    Each is taken from the window in which the token has the most tokens on
    its shorter side; where a text begins or ends, nothing is missing. Special
    tokens and prefixes are left out.

    Args:
        outputs: `(r, n, ...)`, one of each column of each row.
        windows: the `Windows` of the rows.
    """
    of, first_token = windows.text_index, windows.first_token
    sizes = windows.num_tokens
    ends = first_token + sizes
    text_ends = tf.math.unsorted_segment_max(ends, of, windows.num_texts)
    # All windows' tokens, one after another.
    within = tf.ragged.range(sizes)
    row = tf.cast(within.value_rowids(), tf.int32)
    within = within.values
    token = tf.gather(first_token, row) + within
    far = tf.int32.max
    before = tf.where(tf.gather(first_token, row) > 0, within, far)
    has_more = tf.gather(ends < tf.gather(text_ends, of), row)
    behind = tf.gather(sizes, row) - 1 - within
    context = tf.minimum(before, tf.where(has_more, behind, far))
    # The best window of each token, the first of equals.
    text_starts = tf.cumsum(text_ends, exclusive=True)
    place = tf.gather(text_starts, tf.gather(of, row)) + token
    num_tokens = tf.reduce_sum(text_ends)
    best = tf.math.unsorted_segment_max(context, place, num_tokens)
    index = tf.range(tf.size(place))
    index = tf.where(tf.equal(context, tf.gather(best, place)), index, far)
    chosen = tf.math.unsorted_segment_min(index, place, num_tokens)
    column = tf.gather(windows.first_column, row) + within
    at = tf.gather(tf.stack([row, column], 1), chosen)
    return tf.RaggedTensor.from_row_lengths(
        tf.gather_nd(outputs, at), tf.cast(text_ends, tf.int64), validate=False
    )
