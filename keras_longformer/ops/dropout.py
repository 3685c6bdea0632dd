"""Which attention probabilities are dropped: a function of their place alone.

Nothing is drawn in an order, so that every implementation drops the very same
probabilities, forward and backward, in whatever pieces and by however many
threads it computes them, and no mask need be kept. In uint32 arithmetic, with
`fmix` for the finalizer of MurmurHash3,

    mix(key, x) = fmix((key ^ x) + 0x9e3779b9)
    row         = mix(mix(mix(mix(mix(1, seed[0]), seed[1]), b), h), q) | 1
    column      = mix(mix(mix(mix(mix(2, seed[0]), seed[1]), b), h), j // 2) | 1
    z           = row * column
    z           = (z ^ (z >> 16)) * 0xc2b2ae35

`q` is the query's position. `j` numbers the keys that a head's queries meet:
`k // dilation` for the key at position `k`; for the global key of number `j`,
2**31 is added to `j // 2`. The low half of `z` is for an even `j`, the high one
for an odd, and a probability is dropped where its half is below
`threshold(rate)`.

Rows and columns are few and are hashed in full; what is left for each two pairs
are two products, a shift and a xor. That is a quarter of Philox's time in
TensorFlow's ops (n = 4096, 12 heads, window 512: 0.17 s against 0.6), and a few
per cent of the compiled kernel's. A product of two hashed odd numbers alone
would be a lattice: columns whose ratio is a small number would be alike. The
xor of its halves, which is not linear in it, breaks that and makes the low half
depend on all bits; the second product does so for the high half. In tables of
1024 x 1024 and 2048 x 2048 pairs, at rates 0.1 and 0.5, these were as chance
has them: shares, counts of halves, neighbours in all directions, rectangles of
four, heads, seeds one apart, and all pairs of rows and of columns. A smaller
such test is in `tests/ops/test_dropout.py`.

References: MurmurHash3's finalizer and its constants are
[Appleby's](https://github.com/aappleby/smhasher/wiki/MurmurHash3); counters in
place of a state are those of
[Salmon et al., 2011](https://doi.org/10.1145/2063384.2063405).
"""

import tensorflow as tf

# Of global keys, added to the number of a pair of keys.
GLOBAL = 1 << 31

_ROWS, _COLUMNS = 1, 2
_STEP = 0x9E3779B9  # 2**32 over the golden ratio
_FIRST_FACTOR, _SECOND_FACTOR = 0x85EBCA6B, 0xC2B2AE35


def threshold(rate: float) -> int:
    """What halves of 16 bits are compared with: `rate`, times 2**16.

    A rate is thus rounded to a multiple of 2**-16; none becomes 1.
    """
    return min(round(rate * 2**16), 2**16 - 1)


def kept_share(rate: float) -> float:
    """The share that is kept, of which the inverse keeps the mean."""
    return 1 - threshold(rate) / 2**16


def check_dropout(
    rate: float, seed: tf.Tensor | None
) -> tuple[float, tf.Tensor | None]:
    """Returns both as implementations take them; 0 and `None` drop nothing.

    Raises:
        ValueError: a rate outside of [0, 1), or a seed that is not there or of
            another shape than `(2,)`.
        TypeError: a seed that is not of integers.
    """
    if not 0 <= rate < 1:
        raise ValueError(
            f"`dropout_rate` must lie in [0, 1). Received: dropout_rate={rate}"
        )
    if rate and seed is None:
        raise ValueError(
            "`dropout_rate` needs a `dropout_seed`, int32 of shape (2,), such "
            "as `keras.random.SeedGenerator().next()` cast to int32."
        )
    if not threshold(rate):
        return 0.0, None
    seed = tf.convert_to_tensor(seed)
    if not seed.dtype.is_integer:
        raise TypeError(
            "`dropout_seed` must be int32. Received: "
            f"dropout_seed.dtype={seed.dtype.name}"
        )
    if not seed.shape.is_compatible_with((2,)):
        raise ValueError(
            "`dropout_seed` must have the shape (2,). Received: "
            f"dropout_seed.shape={seed.shape}"
        )
    return rate, tf.cast(seed, tf.int32)


def head_keys(
    seed: tf.Tensor, b: int | tf.Tensor, h: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the keys of each head's rows and columns.

    Args:
        seed: int32 `(2,)`.
        b, h: int or int32 scalar, rows of the batch and heads.

    Returns:
        Two of uint32 `(b, h)`.
    """
    keys = tf.reshape(_constants([_ROWS, _COLUMNS]), (2, 1, 1))
    words = tf.bitcast(seed, tf.uint32)
    keys = mix(mix(keys, words[0]), words[1])
    keys = mix(mix(keys, _count(b)[:, None]), _count(h))
    return keys[0], keys[1]


def rows(keys: tf.Tensor, n: int | tf.Tensor) -> tf.Tensor:
    """Returns uint32 `(b, n, h)` of the queries at positions 0 to `n - 1`."""
    return _odd(mix(keys[:, None, :], _count(n)[:, None]))


def columns(keys: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns the keys' numbers, two keys for each.

    Args:
        keys: uint32 `(b, h, ...)`, which broadcasts.
        pairs: uint32, `j // 2`, and `GLOBAL` more for global keys.
    """
    return _odd(mix(keys, pairs))


def mix(key: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Hashes a key and a number, uint32 that broadcast."""
    z = tf.bitwise.bitwise_xor(key, x) + _constants(_STEP)
    z = _fold(z, 16) * _constants(_FIRST_FACTOR)
    return _fold(_fold(z, 13) * _constants(_SECOND_FACTOR), 16)


def halves(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Returns uint32 `z`, two halves of 16 bits, for what broadcasts."""
    return _fold(row * column, 16) * _constants(_SECOND_FACTOR)


def kept(row: tf.Tensor, column: tf.Tensor, rate: float) -> tf.Tensor:
    """Returns which of pairs of neighbouring keys are kept.

    Args:
        row: uint32 `(..., 1)`.
        column: uint32 `(..., k)`; broadcasts.
        rate: float.

    Returns:
        bool `(..., 2 * k)`.
    """
    z = halves(row, column)
    # The low half comes first, on the devices that TensorFlow runs on.
    split = tf.bitcast(z, tf.uint16)
    *sizes, pairs = (_size(z, axis) for axis in range(z.shape.rank))
    split = tf.reshape(split, [*sizes, 2 * pairs])
    return split >= tf.constant(threshold(rate), tf.uint16)


def rows_and_column_keys(
    seed: tf.Tensor,
    b: int | tf.Tensor,
    n: int | tf.Tensor,
    h: int | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the bits of `rows` and of the columns' keys, for chunks.

    Both int32, `(b, n, h)` and `(b, h)`: a GPU gathers no uint32.
    """
    row_keys, column_keys = head_keys(seed, b, h)
    return (
        tf.bitcast(rows(row_keys, n), tf.int32),
        tf.bitcast(column_keys, tf.int32),
    )


def kept_in_chunks(
    rows: tf.Tensor,
    column_keys: tf.Tensor,
    chunks: int | tf.Tensor,
    size: int | tf.Tensor,
    left: int | tf.Tensor,
    band: int | tf.Tensor,
    g: int | tf.Tensor,
    rate: float,
) -> tf.Tensor:
    """Says which probabilities of queries cut into chunks are kept.

    Args:
        rows, column_keys: as `rows_and_column_keys` returns them, cut into
            phases or not.
        chunks: int or int32 scalar, number of chunks.
        size: int or int32 scalar, queries in a chunk; even, or the only one.
        left: int or int32 scalar, keys before a chunk's first query.
        band: int or int32 scalar, keys of a chunk.
        g: int or int32 scalar, global keys, which come before those.
        rate: float.

    Returns:
        bool `(b, h, chunks, size, g + band)`.
    """
    b, n, h = (_size(rows, axis) for axis in range(3))
    rows = tf.pad(rows, [[0, 0], [0, chunks * size - n], [0, 0]])
    rows = tf.reshape(tf.transpose(rows, (0, 2, 1)), [b, h, chunks, size, 1])
    rows = tf.bitcast(rows, tf.uint32)
    keys = tf.bitcast(column_keys, tf.uint32)[:, :, None, None, None]

    # A chunk's first key may be the second of its pair.
    odd = left % 2
    first = (tf.range(chunks)[:, None] * size - left - odd) // 2
    pairs = first + tf.range((band + odd + 1) // 2)  # (chunks, pairs)
    pairs = tf.bitcast(pairs, tf.uint32)[:, None, :]
    result = kept(rows, columns(keys, pairs), rate)
    result = result[..., odd : odd + band]
    if isinstance(g, int) and g == 0:
        return result
    pairs = _count((g + 1) // 2) + _constants(GLOBAL)
    of_globals = kept(rows, columns(keys, pairs), rate)[..., :g]
    return tf.concat([of_globals, result], axis=-1)


def _fold(z, bits):
    shifted = tf.bitwise.right_shift(z, _constants(bits))
    return tf.bitwise.bitwise_xor(z, shifted)


def _odd(z):
    return tf.bitwise.bitwise_or(z, _constants(1))


def _count(n):
    return tf.bitcast(tf.range(n), tf.uint32)


def _size(x, axis):
    known = x.shape[axis]
    return tf.shape(x)[axis] if known is None else known


def _constants(numbers):
    return tf.constant(numbers, tf.uint32)
