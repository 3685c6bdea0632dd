"""Chooses and masks tokens for masked language modelling.

KerasHub's `MaskedLMMaskGenerator` runs on TF Text, draws from TensorFlow's
global random state (a seed cannot be given) and works on ragged tensors. This
is the same recipe in stock operations, stateless: the same seed gives the
same masks, wherever and in whatever order it runs.
"""

import typing

import tensorflow as tf

# A longer word is several: a text without spaces would be one word.
LONGEST_WORD = 12


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
    word_starts: tf.Tensor | None = None,
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
        seed: int32 `(2,)`, as TensorFlow's stateless functions take it, or
            `(b, 2)`, one for each row: what is masked in a row then does not
            depend on the rows beside it.
        selection_rate: the part of the selectable tokens to select.
        selection_length: the `k` of the result, or `None` for the most that a
            row of this batch needs.
        mask_token_rate: the part of the selected tokens to mask.
        random_token_rate: the part of the selected tokens to replace.
        word_starts: bool `(b, n)`, `True` at tokens that start a word, to
            select whole words, as many as fit; or `None`. A word ends before
            a token that is not selectable, and after `LONGEST_WORD` tokens.

    Reference: [Devlin et al., 2018](https://arxiv.org/abs/1810.04805), 3.1.
    """
    seeds = tf.cast(seed, tf.int32)
    scores = _uniform(seeds, 0, tf.shape(token_ids))
    counts = tf.reduce_sum(tf.cast(selectable, tf.float32), 1)
    counts = tf.cast(tf.math.ceil(counts * selection_rate), tf.int32)
    if selection_length is None:
        length = tf.reduce_max(tf.concat([counts, [0]], 0))
    else:
        length = selection_length
    if word_starts is not None:
        counts = tf.minimum(counts, length)
        selectable = _choose_words(selectable, word_starts, counts, scores)
        counts = tf.reduce_sum(tf.cast(selectable, tf.int32), 1)
    positions, is_real = _choose(selectable, counts, length, scores)
    originals = tf.gather(token_ids, positions, batch_dims=1)
    originals = tf.where(is_real, originals, 0)
    shape = tf.shape(positions)
    dice = _uniform(seeds, 1, shape)
    random_ids = _uniform(seeds, 2, shape, vocabulary_size)
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


def selection_length(token_ids: tf.Tensor, rate: float) -> int | tf.Tensor:
    """Returns the `k` that rows of these columns never need more of.

    An int where the number of columns is known.

    Args:
        token_ids: int32 `(b, n)`.
        rate: float, the part of the tokens to select.
    """
    columns = token_ids.shape[1]
    if columns is not None:
        return int(columns * rate) + 1
    columns = tf.cast(tf.shape(token_ids)[1], tf.float32)
    return tf.cast(columns * rate, tf.int32) + 1


def _uniform(seeds, number, shape, below=None):
    """Returns random numbers of `shape`, `(b, ...)`.

    float32 in [0, 1), or int32 from 0 to `below`; for each of the numbers 0,
    1 and 2 others.
    """
    kind = {} if below is None else {"minval": 0, "maxval": below}
    dtype = tf.float32 if below is None else tf.int32

    def draw(seed, shape):
        seed = tf.random.split(seed, 3)[number]
        return tf.random.stateless_uniform(shape, seed, dtype=dtype, **kind)

    if seeds.shape.rank == 1:
        return draw(seeds, shape)
    return tf.map_fn(
        lambda seed: draw(seed, shape[1:]), seeds, fn_output_signature=dtype
    )


def _choose_words(selectable, word_starts, counts, scores):
    """Returns bool `(b, n)`, the tokens of words taken at random.

    Words are taken in the order of their scores while they fit into
    `counts`; those that are longer by themselves are left out.
    """
    b, n = tf.unstack(tf.shape(selectable))
    columns = tf.range(n)[None]
    after = tf.pad(~selectable[:, :-1], [[0, 0], [1, 0]], constant_values=True)
    starts = selectable & (word_starts | after[:, :n])
    words = _count(starts)
    first = tf.math.unsorted_segment_min(
        tf.where(starts, columns, n), words, b * (n + 1)
    )
    within = columns - tf.gather(first, words)
    starts |= selectable & tf.equal(within % LONGEST_WORD, 0)
    words = _count(starts)
    sizes = tf.math.unsorted_segment_sum(
        tf.cast(selectable, tf.int32), words, b * (n + 1)
    )
    # Column 0 would be the tokens before a row's first word: there are none.
    sizes = tf.reshape(sizes, [b, n + 1])[:, 1:]
    fit = (sizes > 0) & (sizes <= counts[:, None])
    order = tf.argsort(tf.where(fit, scores, -1.0), 1, "DESCENDING")
    sizes = tf.where(fit, sizes, 0)
    taken = tf.cumsum(tf.gather(sizes, order, batch_dims=1), 1)
    taken = taken <= counts[:, None]
    taken = fit & tf.gather(taken, tf.argsort(order, 1), batch_dims=1)
    taken = tf.pad(taken, [[0, 0], [1, 0]])
    return selectable & tf.gather(tf.reshape(taken, [-1]), words)


def _count(starts):
    """Returns int32 `(b, n)`: which of `(b, n + 1)` words a token is of."""
    b, n = tf.unstack(tf.shape(starts))
    words = tf.cumsum(tf.cast(starts, tf.int32), 1)
    return words + (n + 1) * tf.range(b)[:, None]


def _choose(selectable, counts, length, scores):
    """Returns `counts[i]` random selectable columns of each row, ascending.

    Returns:
        int32 `(b, length)` columns, 0 after the chosen ones, and bool
        `(b, length)`, `True` at the chosen ones.
    """
    size = tf.shape(selectable)[1]
    width = tf.minimum(length, size)
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
