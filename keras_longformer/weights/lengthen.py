"""Makes the arrays of a short encoder long.

Two things separate RoBERTa's weights from Longformer's: the number of
positions and the projections for global tokens.

Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 5.
"""

from collections.abc import Mapping
from numbers import Integral

import numpy as np

POSITION_TABLE = "embeddings/position_embedding/embeddings"
POSITIONS = ("copy", "sinusoidal", "random")
LOCAL_PROJECTIONS = ("query", "key", "value")
GLOBAL_PROJECTIONS = "attention/global_*"  # A pattern, as `assign` takes it.

RANDOM_STDDEV = 0.02  # RoBERTa's own initializer, config.json of roberta-base.


def make_long(
    arrays: Mapping[str, np.ndarray],
    *,
    max_sequence_length: int | None = None,
    positions: str = "copy",
    position_offset: int = 2,
    seed: int = 0,
    position_table: str = POSITION_TABLE,
) -> dict[str, np.ndarray]:
    """Gives an encoder more positions and projections for global tokens.

    Args:
        arrays: mapping of our name to array, RoBERTa's or Longformer's.
        max_sequence_length: int or `None`, the tokens that the model shall
            read; `None` and the present number keep the table as it is.
        positions: `"copy"`, `"sinusoidal"` or `"random"`, see
            `long_positions`.
        position_offset: int, rows of the table before the first position.
        seed: int, for random positions.
        position_table: str, our name of the encoder's positions.

    Returns:
        Dict of our name to array. Global projections that are missing are the
        local ones' arrays, not copied: do not write into them.

    Raises:
        ValueError: another word for `positions`, or no number of tokens.
    """
    check_positions(positions)
    arrays = dict(arrays)
    table = arrays.get(position_table)
    if table is not None and max_sequence_length is not None:
        arrays[position_table] = long_positions(
            np.asarray(table),
            max_sequence_length,
            positions=positions,
            position_offset=position_offset,
            seed=seed,
        )
    return copy_global_projections(arrays)


def long_positions(
    table: np.ndarray,
    max_sequence_length: int,
    *,
    positions: str = "copy",
    position_offset: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Returns a position table of another length.

    The first `position_offset` rows stay; what follows is

    - `"copy"`: the source's rows over and over, the last copy clipped, as in
      the paper. With rows `a b c` and 7 positions: `a b c a b c a`. A neighbour
      keeps its offset everywhere but where two copies meet.
    - `"sinusoidal"`: sines and cosines of the position, [Vaswani et al.,
      2017](https://arxiv.org/abs/1706.03762), 3.5: sines in even columns. The
      paper does not try them here. They are scaled to the root mean square of
      the source's rows, since LayerNorm of the sum with the word's embedding
      makes their relative size matter.
    - `"random"`: normal numbers of deviation 0.02, the paper's control.

    Args:
        table: float `(position_offset + n, m)`.
        max_sequence_length: int, positions wanted, more or fewer than `n`.
        positions: str, one of the above.
        position_offset: int, rows of `table` before the first position.
        seed: int, for `"random"`.

    Returns:
        float32 `(position_offset + max_sequence_length, m)`. For the present
        length it is `table` itself, whatever `positions` says.

    Raises:
        ValueError: another word for `positions`, or no number of tokens.
    """
    check_positions(positions)
    if not isinstance(max_sequence_length, Integral) or max_sequence_length < 1:
        raise ValueError(
            "`max_sequence_length` must be an integer, at least 1. "
            f"Received: max_sequence_length={max_sequence_length!r}."
        )
    rows = table[position_offset:]
    if len(rows) == max_sequence_length:
        return table
    shape = (max_sequence_length, table.shape[1])
    if positions == "copy":
        rows = rows[np.arange(max_sequence_length) % len(rows)]
    elif positions == "sinusoidal":
        root_mean_square = np.sqrt(np.mean(np.square(rows, dtype=np.float64)))
        rows = sinusoids(*shape)
        rows *= root_mean_square / np.sqrt(np.mean(np.square(rows)))
    else:
        rows = np.random.default_rng(seed).normal(0.0, RANDOM_STDDEV, shape)
    long_table = np.concatenate([table[:position_offset], rows])
    return long_table.astype(np.float32)


def check_positions(positions: str) -> None:
    """Raises `ValueError` for a way to make positions that there is not."""
    if positions not in POSITIONS:
        raise ValueError(
            f"`positions` must be one of {POSITIONS}. "
            f"Received: positions={positions!r}."
        )


def sinusoids(num_positions: int, width: int) -> np.ndarray:
    """Returns float64 `(num_positions, width)`: sine, cosine, sine, ..."""
    column = np.arange(width)
    frequency = 10000.0 ** (-(column - column % 2) / width)
    angle = np.arange(num_positions)[:, None] * frequency
    return np.where(column % 2, np.cos(angle), np.sin(angle))


def copy_global_projections(
    arrays: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Adds the global projections, equal to the local ones.

    Arrays that have any are left as they are: a checkpoint with only some of
    them is broken, and `assign` says so.
    """
    arrays = dict(arrays)
    if any("/attention/global_" in name for name in arrays):
        return arrays
    for name in list(arrays):
        head, _, tail = name.partition("/attention/")
        if tail.split("/")[0] in LOCAL_PROJECTIONS:
            arrays[f"{head}/attention/global_{tail}"] = arrays[name]
    return arrays
