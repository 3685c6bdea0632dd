import numpy as np
import pytest

from keras_longformer.weights import lengthen
from keras_longformer.weights.lengthen import POSITION_TABLE
from keras_longformer.weights.lengthen import long_positions
from keras_longformer.weights.lengthen import make_long


@pytest.fixture
def table():
    return np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.mark.parametrize("offset", [1, 2])
@pytest.mark.parametrize("length", [1, 3, 4, 6, 11, 20, 23])
def test_copy_is_the_notebook(table, length, offset):
    """The loop of allenai's notebook, with the last copy clipped."""
    want = np.empty((length + offset, 3), np.float32)
    want[:offset] = table[:offset]
    k = offset
    while k < len(want):
        step = min(len(table) - offset, len(want) - k)
        want[k : k + step] = table[offset : offset + step]
        k += step
    got = long_positions(table, length, position_offset=offset)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.float32


def test_rows_before_the_first_position_stay(table):
    for positions in lengthen.POSITIONS:
        got = long_positions(table, 9, positions=positions)
        assert got.shape == (11, 3) and got.dtype == np.float32
        np.testing.assert_array_equal(got[:2], table[:2])


@pytest.mark.parametrize("positions", lengthen.POSITIONS)
def test_the_present_length_keeps_the_table(table, positions):
    assert long_positions(table, 5, positions=positions) is table


def test_sinusoidal():
    table = np.random.default_rng(0).normal(0, 0.1, (34, 6))
    got = long_positions(table, 50, positions="sinusoidal")[2:]
    size = np.sqrt(np.mean(np.square(got)))
    np.testing.assert_allclose(
        size, np.sqrt(np.mean(np.square(table[2:]))), rtol=1e-5
    )
    # Pairs of columns lie on circles of one radius: sin² + cos² = 1.
    radius = np.hypot(got[:, 0::2], got[:, 1::2])
    np.testing.assert_allclose(radius, np.full((50, 3), radius[0, 0]), 1e-5)
    want = np.sin(7 / 10000 ** (2 / 6))
    np.testing.assert_allclose(got[7, 2] / radius[0, 0], want, rtol=1e-5)


def test_random_is_seeded(table):
    first, again, other = (
        long_positions(table, 999, positions="random", seed=seed)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert abs(first[2:].std() - 0.02) < 1e-3


def test_global_projections_are_the_local_ones(arrays):
    ours = {n: a for n, a in arrays().items() if "/global_" not in n}
    long = make_long(ours, max_sequence_length=20)
    assert set(long) == set(arrays())
    assert long[POSITION_TABLE].shape == (22, 15)
    for i in range(2):
        for part in ("query/kernel", "key/bias", "value/kernel"):
            np.testing.assert_array_equal(
                long[f"layer_{i}/attention/global_{part}"],
                ours[f"layer_{i}/attention/{part}"],
            )


def test_global_projections_that_are_there_stay(arrays):
    ours = arrays()
    long = make_long(ours, max_sequence_length=20)
    name = "layer_1/attention/global_key/kernel"
    assert long[name] is ours[name]
    assert ours[POSITION_TABLE].shape == (13, 15)  # the source is untouched


def test_some_global_projections_are_left_to_assign(arrays):
    ours = arrays()
    del ours["layer_1/attention/global_key/kernel"]
    assert set(make_long(ours)) == set(ours)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"positions": "copied"}, "Received: positions='copied'"),
        ({"max_sequence_length": 0}, "at least 1"),
        ({"max_sequence_length": 9.0}, "must be an integer"),
    ],
)
def test_errors(table, options, match):
    options = {"max_sequence_length": 9} | options
    with pytest.raises(ValueError, match=match):
        long_positions(table, **options)
