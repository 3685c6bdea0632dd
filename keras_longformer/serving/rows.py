"""From padded token ids to rows that the model can read."""

import tensorflow as tf

from keras_longformer.text.windows import slices


def rows_of_tokens(
    token_ids: tf.Tensor, *, end_id: int, pad_id: int
) -> tf.RaggedTensor:
    """Returns int32, ragged `(b, None)` rows without their padding.

    What stands after a row's last `</s>` is padding, whatever its id: TF
    Serving's `pad_variable_length_inputs` repeats the tensor's first element.
    A row without `</s>` is padded with `<pad>` only.
    """
    n = tf.shape(token_ids)[1]
    is_end = tf.equal(token_ids, end_id)
    last = tf.reduce_max(tf.where(is_end, tf.range(n), -1), axis=1)
    last = tf.where(last < 0, n, last)
    real = tf.range(n) <= last[:, None]
    return tf.ragged.boolean_mask(
        token_ids, real & tf.not_equal(token_ids, pad_id)
    )


def first_tokens(
    token_ids: tf.RaggedTensor, length: int | tf.Tensor
) -> tf.RaggedTensor:
    """Returns the first `length` tokens, an int or int64 `(b,)`, of rows."""
    starts = token_ids.row_starts()
    lengths = tf.minimum(token_ids.row_lengths(), length)
    return slices(token_ids, starts, lengths)
