"""Dropout of probabilities: the same ones everywhere, and chosen by chance."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import IMPLEMENTATIONS
from keras_longformer.ops import chunked
from keras_longformer.ops import dropout
from keras_longformer.ops import native
from keras_longformer.ops import reference
from keras_longformer.ops import window_attention
from tests.native.kernel import compiler as compiler
from tests.native.kernel import instructions as instructions
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.ops.gradients import assert_same
from tests.ops.gradients import run
from tests.tolerances import assert_close

SEED = [-7, 2**31 - 1]
NAMES = (
    "one-token", "several-chunks", "causal-chunks", "global-unequal",
    "global-chunks", "all-hidden", "dilation-3", "dilation-chunks",
    "dilation-per-head-mixed", "segments-chunks", "positions-chunks",
    "positions-dilation-per-head", "bfloat16",
)  # fmt: skip
SOME = [case for case in CASES if case.name in NAMES]
# Where a tile of the kernel begins with the second key of a pair, and where
# global keys fill more than one.
TILES = [
    Case("odd-reach", n=193, d=17, window_size=130, causal=True),
    Case("global-tiles", n=130, d=3, window_size=6, g=67, key_mask="some",
         dilation=(1, 2, 1), global_count=(67, 5)),
]  # fmt: skip


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.native if name == "native" else ())
        for name in IMPLEMENTATIONS
    ]
)
def implementation(request):
    """Each in turn; the kernel is built first."""
    if request.param == "native":
        request.getfixturevalue("kernel")
    return request.param


def mix(key, x):
    """The module's docstring, in Python's own integers."""
    z = ((key ^ x) + 0x9E3779B9) % 2**32
    z = (z ^ z >> 16) * 0x85EBCA6B % 2**32
    z = (z ^ z >> 13) * 0xC2B2AE35 % 2**32
    return z ^ z >> 16


def is_kept(rate, seed, b, h, q, j, is_global):
    words = [number % 2**32 for number in seed]
    row = column = 0
    for first in (1, 2):
        key = first
        for x in (*words, b, h):
            key = mix(key, x)
        row, column = column, key
    row = mix(row, q) | 1
    column = mix(column, j // 2 + 2**31 * is_global) | 1
    z = row * column % 2**32
    z = (z ^ z >> 16) * 0xC2B2AE35 % 2**32
    half = z >> 16 if j % 2 else z % 2**16
    return half >= round(rate * 2**16)


def shown(n, g, b, h, rate, seed, **options):
    """bool `(b, q, h, g + k)`, what a call keeps: equal scores, values of 1."""
    one_hot = np.eye(g + n, dtype="float32")[None, :, None, :]
    values = np.tile(one_hot, (b, 1, h, 1))
    outputs = window_attention(
        tf.zeros((b, n, h, g + n)),
        tf.zeros((b, n, h, g + n)),
        values[:, g:],
        global_key=tf.zeros((b, g, h, g + n)),
        global_value=values[:, :g],
        global_key_mask=tf.ones((b, g), tf.bool),
        dropout_rate=rate,
        dropout_seed=seed,
        **options,
    )
    return outputs.numpy()


@pytest.mark.parametrize(
    "hashed, number",
    # MurmurHash3 (x86, 32 bits) of no bytes is its finalizer of the seed.
    [(0x514E28B7, 1), (0x81F16F39, 0xFFFFFFFF)],
    ids=hex,
)
def test_mixes_as_murmur_hash_3(hashed, number):
    x = tf.constant((number - 0x9E3779B9) % 2**32, tf.uint32)
    assert dropout.mix(x, tf.zeros((), tf.uint32)).numpy() == hashed


def test_drops_what_the_formula_says(implementation):
    n, g, rate, dilation = 37, 5, 0.4, (1, 2, 3)
    got = shown(
        n, g, 2, 3, rate, SEED,
        window_size=14, dilation=dilation, implementation=implementation,
    )  # fmt: skip
    for b, q, h in itertools.product(range(2), range(n), range(3)):
        keys = [(j, True) for j in range(g)]
        keys += [(k // dilation[h], False) for k in range(n)]
        kept = np.array([is_kept(rate, SEED, b, h, q, *key) for key in keys])
        steps = np.arange(n) - q
        seen = (abs(steps) <= 7 * dilation[h]) & (steps % dilation[h] == 0)
        kept[g:] &= seen
        weight = 1 / (g + seen.sum()) / dropout.kept_share(rate)
        np.testing.assert_allclose(got[b, q, h], kept * weight, rtol=1e-5)


def check(module, case, rate=0.3):
    options = dict(dropout_rate=rate, dropout_seed=SEED)
    want = run({**cases.to_float64(case.inputs()), **options}, reference)
    got = run({**case.inputs(), **options}, module)
    assert_same(got, want, case.dtype)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_chunked_matches_reference(case):
    check(chunked, case)


@pytest.mark.native
@pytest.mark.parametrize("case", SOME, ids=str)
def test_native_matches_reference(kernel, case):
    check(native, case)


@pytest.mark.native
@pytest.mark.parametrize("case", TILES + SOME[-3:], ids=str)
def test_all_instructions_match_reference(instructions, case):
    check(native, case)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
@pytest.mark.parametrize("name", ["chunked", "native"])
def test_compiles(request, name, jit):
    """Seeds too are given at run time, and sizes but under XLA."""
    if name == "native":
        request.getfixturevalue("kernel")
    case = Case("any", n=277, window_size=10, g=3, key_mask="some")
    tensors, options = cases.split(case.inputs())
    tensors["dropout_seed"] = tf.constant(SEED)
    options |= dict(dropout_rate=0.3, implementation=name)

    def size(name, x):
        shape = [None, None, *x.shape[2:]]
        if jit or name == "dropout_seed":
            shape = x.shape
        return tf.TensorSpec(shape, x.dtype)

    function = tf.function(
        lambda tensors: window_attention(**tensors, **options),
        input_signature=[{k: size(k, x) for k, x in tensors.items()}],
        jit_compile=jit,
    )
    inputs = {**cases.to_float64(tensors), **options}
    want = window_attention(**{**inputs, "implementation": "reference"})
    assert_close(function(tensors), want)


@pytest.mark.native
def test_same_bits_whatever_the_threads(instructions):
    case = Case("any", n=1201, d=16, window_size=100, g=3, dilation=(1, 2, 1))
    inputs = {**case.inputs(), "dropout_rate": 0.1, "dropout_seed": SEED}
    first = run(inputs)
    for _ in range(3):
        again = run(inputs)
        for name in first:
            np.testing.assert_array_equal(first[name], again[name], name)


def test_a_rate_of_0_changes_no_bit(implementation):
    inputs = Case("any", n=157, g=3, key_mask="some").inputs()
    want = window_attention(**inputs, implementation=implementation)
    for rate in (0.0, 2**-18):
        got = window_attention(
            **inputs,
            dropout_rate=rate,
            dropout_seed=SEED,
            implementation=implementation,
        )
        np.testing.assert_array_equal(got, want)


def test_scores_are_those_before_dropout():
    for inputs in (Case("any", g=2).inputs(), Case("any", n=307).inputs()):
        options = dict(implementation="chunked", return_scores=True)
        _, want = window_attention(**inputs, **options)
        options |= dict(dropout_rate=0.5, dropout_seed=SEED)
        _, got = window_attention(**inputs, **options)
        np.testing.assert_array_equal(got, want)


def test_the_mean_is_that_without_dropout(implementation):
    """Rows of a batch with the same tokens differ in what they drop."""
    case = Case("any", b=400, n=11, g=2, global_count=(2,) * 400)
    inputs = {
        name: tf.repeat(x[:1], 400, axis=0) if tf.is_tensor(x) else x
        for name, x in case.inputs().items()
    }
    options = dict(implementation=implementation)
    want = window_attention(**inputs, **options)[0]
    options |= dict(dropout_rate=0.25, dropout_seed=SEED)
    got = window_attention(**inputs, **options).numpy()
    error = got.std(axis=0) / np.sqrt(400)
    # Of 165 independent means, one in 10,000 such tests has one so far off.
    assert (np.abs(got.mean(axis=0) - want) < 5 * error).all()


def kept(seed, rate=0.1, n=512):
    """bool `(b, h, q, k)` of two rows and two heads."""
    row_keys, column_keys = dropout.head_keys(tf.constant(seed), 2, 2)
    rows = tf.transpose(dropout.rows(row_keys, n), (0, 2, 1))[..., None]
    pairs = tf.cast(tf.range(n // 2), tf.uint32)
    columns = dropout.columns(column_keys[:, :, None, None], pairs)
    return dropout.kept(rows, columns, rate).numpy()


def test_chance():
    """Standard scores of shares and correlations, of 2**20 pairs and more.

    Of 64 that are independent, one in 30,000 such tests has one beyond 5.5.
    """
    share = dropout.kept_share(0.1)
    scale = np.sqrt(share * (1 - share))
    # As a layer's generator gives them, step after step.
    steps = [(kept([3, step]) - share) / scale for step in range(3)]
    x, next_step, _ = steps
    products = {
        "heads": x[:, 0] * x[:, 1],
        "rows of the batch": x[0] * x[1],
        "steps": x * next_step,
        "queries and keys": (x * x.swapaxes(2, 3))[
            ..., *np.triu_indices(512, 1)
        ],
    }
    products |= {f"share {i}": step for i, step in enumerate(steps)}
    near = (0, 1, 2, 3, 16, 64, 128)
    for i, j in itertools.product(near, near):
        if i or j:
            a, b = x[:, :, i:, j:], x[:, :, : 512 - i, : 512 - j]
            products[f"neighbours {i}, {j}"] = a * b
    a, b = x[:, :, 1:], x[:, :, :-1]
    products["rectangles"] = a[..., 1:] * a[..., :-1] * b[..., 1:] * b[..., :-1]
    scores = {k: v.sum() / np.sqrt(v.size) for k, v in products.items()}
    assert len(scores) == 56
    assert {k: z for k, z in scores.items() if abs(z) > 5.5} == {}
    # No query and no key is dropped more often than the others.
    for axis in (2, 3):
        sums = x.sum(axis) / np.sqrt(512)
        assert abs((sums**2).mean() - 1) < 5 * np.sqrt(2 / sums.size)
        assert abs(sums).max() < 5.5


def test_halves_are_spread_evenly():
    """Chi-square of 1024 classes of both halves, and of them together."""
    row_keys, column_keys = dropout.head_keys(tf.constant([0, 0]), 1, 1)
    rows = dropout.rows(row_keys, 1024)[0]
    pairs = tf.cast(tf.range(1024), tf.uint32)
    z = dropout.halves(rows, dropout.columns(column_keys, pairs)).numpy()
    low, high = z % 2**16, z >> 16
    for classes in (low >> 6, high >> 6, low >> 11 << 5 | high >> 11):
        count = np.bincount(classes.ravel(), minlength=1024)
        assert abs((count - 1024) ** 2 / 1024).sum() < 1023 + 5 * np.sqrt(2046)


@pytest.mark.parametrize(
    "seed, error, match",
    [
        ([1, 2, 3], ValueError, r"must have the shape \(2,\)"),
        ([0.1, 0.2], TypeError, "must be int32.*float32"),
    ],
    ids=["shape", "dtype"],
)
def test_errors(seed, error, match):
    with pytest.raises(error, match=match):
        window_attention(
            **Case("any").inputs(), dropout_rate=0.1, dropout_seed=seed
        )
