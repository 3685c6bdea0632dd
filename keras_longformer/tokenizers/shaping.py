"""The axes of texts, given to what was made of them in one row."""

import tensorflow as tf


def shaped_as(
    texts: tf.Tensor | tf.RaggedTensor,
    values: tf.RaggedTensor,
    *,
    sequence_length: int | None,
    padding: int,
) -> tf.Tensor | tf.RaggedTensor:
    """Returns the values of flat texts with the axes of `texts`, and one more.

    Args:
        texts: strings of any rank, ragged too.
        values: ragged `(texts, None)`, those of each text.
        sequence_length: int or `None`. Pads, or cuts off, to so many.
        padding: int, what pads.

    Returns:
        For one text its values. For more, ragged, or with `sequence_length`
        dense wherever `texts` is.
    """
    if sequence_length is not None:
        values = values.to_tensor(padding, shape=[None, sequence_length])
    if isinstance(texts, tf.RaggedTensor):
        return texts.with_flat_values(values)
    if texts.shape.rank == 0:
        return values[0] if isinstance(values, tf.Tensor) else values.values
    if isinstance(values, tf.Tensor):
        shape = tf.concat([tf.shape(texts), [sequence_length]], 0)
        return tf.reshape(values, shape)
    sizes = tf.shape(texts, tf.int64)
    for axis in range(texts.shape.rank - 1, 0, -1):
        rows = tf.reduce_prod(sizes[:axis])
        values = tf.RaggedTensor.from_uniform_row_length(
            values, sizes[axis], nrows=rows
        )
    return values
