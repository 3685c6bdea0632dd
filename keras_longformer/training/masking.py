"""Chooses and masks tokens for masked language modelling.

KerasHub's `MaskedLMMaskGenerator` runs on TF Text, draws from TensorFlow's
global random state (a seed cannot be given) and works on ragged tensors. This
is the same recipe in stock operations, stateless: the same seed gives the
same masks, wherever and in whatever order it runs.
"""

import typing

import tensorflow as tf


class Masked(typing.NamedTuple):
    """A masked batch; `k` masked positions a row.

    Attributes:
        token_ids: int32 `(b, n)`, with some tokens replaced.
        mask_positions: int32 `(b, k)`, columns of `token_ids`, ascending; 0
            where a row has fewer than `k`.
        mask_ids: int32 `(b, k)`, what stood there; 0 where a row has fewer.
        mask_weights: float32 `(b, k)`, 1 at real positions, otherwise 0.
    """

    token_ids: tf.Tensor
    mask_positions: tf.Tensor
    mask_ids: tf.Tensor
    mask_weights: tf.Tensor


def mask_tokens(
    token_ids: tf.Tensor,
    selectable: tf.Tensor,
    *,
    mask_id: int,
    vocabulary_size: int,
    seed: tf.Tensor,
    selection_rate: float = 0.15,
    selection_length: int | tf.Tensor | None = None,
    mask_token_rate: float = 0.8,
    random_token_rate: float = 0.1,
) -> Masked:
    """Masks some tokens of each row, as BERT and RoBERTa do.

    Of a row with `s` selectable tokens, `ceil(s * selection_rate)` are
    selected, at most `selection_length`. Of the selected ones 80 % become the
    mask token, 10 % a random token and 10 % stay as they are, and all have to
    be predicted.

    Args:
        token_ids: int32 `(b, n)`.
        selectable: bool `(b, n)`, `True` at tokens that may be selected.
        mask_id: the mask token's id.
        vocabulary_size: random tokens are drawn from the ids below it.
        seed: int32 `(2,)`, as TensorFlow's stateless functions take it.
        selection_rate: the part of the selectable tokens to select.
        selection_length: the `k` of the result, or `None` for the most that a
            row of this batch needs.
        mask_token_rate: the part of the selected tokens to mask.
        random_token_rate: the part of the selected tokens to replace.

    Reference: [Devlin et al., 2018](https://arxiv.org/abs/1810.04805), 3.1.
    """
    select_seed, replace_seed, token_seed = tf.unstack(
        tf.random.split(tf.cast(seed, tf.int32), 3)
    )
    counts = tf.reduce_sum(tf.cast(selectable, tf.float32), 1)
    counts = tf.cast(tf.math.ceil(counts * selection_rate), tf.int32)
    if selection_length is None:
        length = tf.reduce_max(tf.concat([counts, [0]], 0))
    else:
        length = selection_length
    positions, is_real = _choose(selectable, counts, length, select_seed)
    originals = tf.gather(token_ids, positions, batch_dims=1)
    originals = tf.where(is_real, originals, 0)
    shape = tf.shape(positions)
    dice = tf.random.stateless_uniform(shape, replace_seed)
    random_ids = tf.random.stateless_uniform(
        shape, token_seed, 0, vocabulary_size, tf.int32
    )
    is_random = dice < mask_token_rate + random_token_rate
    new_ids = tf.where(is_random, random_ids, originals)
    new_ids = tf.where(dice < mask_token_rate, mask_id, new_ids)
    return Masked(
        token_ids=_replaced(token_ids, positions, new_ids, is_real),
        mask_positions=positions,
        mask_ids=originals,
        mask_weights=tf.cast(is_real, tf.float32),
    )


def find_tokens(
    token_ids: tf.Tensor, token_id: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the columns of each row at which `token_id` stands.

    Returns:
        int32 `(b, k)` columns, ascending, 0 where a row has fewer than the
        `k` of the row that has the most, and bool `(b, k)`, `True` where the
        column is real.
    """
    found = tf.equal(token_ids, token_id)
    counts = tf.reduce_sum(tf.cast(found, tf.int32), 1)
    columns = tf.cast(tf.where(found)[:, 1], tf.int32)
    rows = tf.RaggedTensor.from_row_lengths(columns, counts, validate=False)
    return rows.to_tensor(0), tf.sequence_mask(counts)


def _choose(selectable, counts, length, seed):
    """Returns `counts[i]` random selectable columns of each row, ascending.

    Returns:
        int32 `(b, length)` columns, 0 after the chosen ones, and bool
        `(b, length)`, `True` at the chosen ones.
    """
    size = tf.shape(selectable)[1]
    width = tf.minimum(length, size)
    scores = tf.random.stateless_uniform(tf.shape(selectable), seed)
    scores = tf.where(selectable, scores, -1.0)
    _, positions = tf.math.top_k(scores, width)
    is_real = tf.sequence_mask(tf.minimum(counts, width), width)
    positions = tf.sort(tf.where(is_real, positions, size), 1)
    positions = tf.where(is_real, positions, 0)
    padding = [[0, 0], [0, length - width]]
    positions, is_real = tf.pad(positions, padding), tf.pad(is_real, padding)
    if isinstance(length, int):
        positions.set_shape([None, length])
        is_real.set_shape([None, length])
    return positions, is_real


def _replaced(token_ids, positions, new_ids, is_real):
    """Returns `token_ids` with `new_ids` at `positions` where `is_real`."""
    at = tf.where(is_real)
    columns = tf.cast(tf.gather_nd(positions, at), at.dtype)
    return tf.tensor_scatter_nd_update(
        token_ids,
        tf.stack([at[:, 0], columns], 1),
        tf.gather_nd(new_ids, at),
    )
