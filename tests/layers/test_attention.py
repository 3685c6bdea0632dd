"""LongformerAttention against the definition of the whole layer."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from tests.tolerances import assert_close

B, N, M, H, D = 2, 37, 31, 3, 7


def softmax(scores, visible):
    """Over what is visible; a row that sees nothing is 0."""
    weights = np.where(visible, np.exp(scores - scores.max()), 0)
    total = weights.sum(-1, keepdims=True)
    return np.divide(
        weights, total, out=np.zeros_like(weights), where=total > 0
    )


def definition(layer, x, padding_mask=None, global_mask=None):
    """The layer in dense NumPy, float64, straight from the paper."""
    x = np.asarray(x, "float64")
    b, n, _ = x.shape
    real = np.ones((b, n), bool) if padding_mask is None else padding_mask
    is_global = np.zeros((b, n), bool) if global_mask is None else global_mask
    is_global = is_global & real

    def project(name):
        part = getattr(layer, name)
        kernel = np.asarray(part.kernel, "float64")
        return np.einsum("bnm,mhd->bhnd", x, kernel) + np.asarray(
            part.bias, "float64"
        ).reshape(layer.num_heads, 1, -1)

    def scores(query, key):
        return np.einsum("bhqd,bhkd->bhqk", query, key) / layer.key_dim**0.5

    steps = np.arange(n) - np.arange(n)[:, None]
    dilation = np.broadcast_to(layer.dilation, layer.num_heads)[:, None, None]
    window = abs(steps) <= layer.window_size // 2 * dilation
    window &= steps % dilation == 0
    if layer.causal:
        window &= steps <= 0
    seen = (window | is_global[:, None, None, :]) & real[:, None, None, :]
    local = np.einsum(
        "bhqk,bhkd->bqhd",
        softmax(scores(project("query"), project("key")), seen),
        project("value"),
    )
    rows = np.einsum(
        "bhqk,bhkd->bqhd",
        softmax(
            scores(project("global_query"), project("global_key")),
            np.broadcast_to(real[:, None, None, :], seen.shape),
        ),
        project("global_value"),
    )
    context = np.where(is_global[..., None, None], rows, local)
    context = np.where(real[..., None, None], context, 0)
    kernel = np.asarray(layer.attention_output.kernel, "float64")
    return np.einsum("bnhd,hdm->bnm", context, kernel) + np.asarray(
        layer.attention_output.bias, "float64"
    )


def make_layer(**config):
    config = {"window_size": 6, **config}
    layer = LongformerAttention(
        num_heads=H,
        key_dim=D,
        bias_initializer=keras.initializers.RandomNormal(stddev=0.5),
        **config,
    )
    layer.build((None, None, M))
    return layer


def make_inputs(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(B, n, M)).astype("float32")


def padding(kind, n=N):
    position = np.arange(n)[None].repeat(B, 0)
    return {
        "none": None,
        "all-real": np.ones((B, n), bool),
        "right": position < np.array([[n], [n // 2]]),
        "left": position >= np.array([[0], [n // 3]]),
        "middle": abs(position - n // 2) > n // 6,
        "all-padding": np.zeros((B, n), bool),
    }[kind]


def marks(kind, n=N):
    position = np.arange(n)[None].repeat(B, 0)
    return {
        "none": None,
        "no-token": np.zeros((B, n), bool),
        "first": position == 0,
        "unequal": np.isin(position, [0, 3, n - 1]) & ([[True], [False]]),
        "scattered": np.random.default_rng(5).random((B, n)) < 0.2,
        "all": np.ones((B, n), bool),
    }[kind]


@pytest.mark.parametrize(
    "global_kind",
    ["none", "no-token", "first", "unequal", "scattered", "all"],
)
@pytest.mark.parametrize(
    "padding_kind",
    ["none", "all-real", "right", "left", "middle", "all-padding"],
)
def test_matches_definition(padding_kind, global_kind):
    layer, x = make_layer(), make_inputs()
    masks = dict(
        padding_mask=padding(padding_kind), global_mask=marks(global_kind)
    )
    assert_close(layer(x, **masks), definition(layer, x, **masks))


@pytest.mark.parametrize(
    "config",
    [
        dict(causal=True),
        dict(dilation=3),
        dict(dilation=[1, 4, 2]),
        dict(window_size=2),
        dict(window_size=96),
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [1, 5, 37, 301])
def test_windows_and_lengths(config, n):
    layer, x = make_layer(**config), make_inputs(n)
    masks = dict(
        padding_mask=padding("right", n), global_mask=marks("first", n)
    )
    assert_close(layer(x, **masks), definition(layer, x, **masks))


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_static_global_tokens(jit):
    """With `max_global_tokens` the shapes are static, the numbers the same."""
    layer, x = make_layer(max_global_tokens=13), make_inputs()
    assert layer.supports_jit
    masks = dict(padding_mask=padding("left"), global_mask=marks("scattered"))
    call = tf.function(layer.__call__, jit_compile=jit)
    got = call(x, **{name: tf.constant(m) for name, m in masks.items()})
    assert_close(got, definition(layer, x, **masks))


def test_unknown_shapes():
    layer, x = make_layer(), make_inputs()
    assert not layer.supports_jit
    mask = tf.TensorSpec([None, None], tf.bool)
    call = tf.function(
        lambda x, p, g: layer(x, padding_mask=p, global_mask=g),
        input_signature=[tf.TensorSpec([None, None, M]), mask, mask],
    )
    for n in (2, 37, 211):
        x, p, g = make_inputs(n), padding("right", n), marks("scattered", n)
        assert_close(call(x, p, g), definition(layer, x, p, g))


@pytest.mark.parametrize("g", ["static", "dynamic"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_folding_changes_nothing(g, use_bias, monkeypatch):
    """Values, dropout's included, and gradients of every weight."""
    layer = LongformerAttention(
        num_heads=H,
        key_dim=D,
        window_size=6,
        dropout=0.3,
        use_bias=use_bias,
        max_global_tokens=5 if g == "static" else None,
    )
    x = tf.constant(make_inputs())
    masks = dict(padding_mask=padding("right"), global_mask=marks("unequal"))

    def run(way):
        monkeypatch.setattr(
            layer,
            "_cheaper",
            lambda rows, inputs, folded, projected: (
                folded() if way == "folded" else projected()
            ),
        )
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, **masks, training=True, dropout_seed=[3, 4])
            loss = tf.reduce_sum(y * y)
        weights = [w.value for w in layer.trainable_weights]
        return y, *tape.gradient(loss, [x, *weights])

    for folded, projected in zip(run("folded"), run("projected"), strict=True):
        assert_close(folded, projected, factor=20)


@pytest.mark.parametrize("max_global_tokens", [None, 13])
def test_attention_scores(max_global_tokens):
    """In Hugging Face's shapes; they give the context when applied."""
    layer = make_layer(max_global_tokens=max_global_tokens)
    x, p, g = make_inputs(), padding("right"), marks("scattered")
    got, scores, global_scores = layer(
        x, padding_mask=p, global_mask=g, return_attention_scores=True
    )
    assert_close(got, layer(x, padding_mask=p, global_mask=g))
    is_global = g & p
    most = max_global_tokens or is_global.sum(1).max()
    assert scores.shape == (B, H, N, most + 6 + 1)
    assert global_scores.shape == (B, H, N, most)
    local = p & ~is_global
    assert_close(tf.reduce_sum(scores, -1), local[:, None] * np.ones((H, 1)))
    # A query sees itself in the middle of its window.
    assert (
        scores.numpy()[..., most + 3][local[:, None] & np.ones((H, 1), bool)]
        > 0
    ).all()
    count = is_global.sum(1)[:, None, None]
    want = (np.arange(most) < count) * np.ones((1, H, 1))
    assert_close(tf.reduce_sum(global_scores, 2), want)
    *_, none = layer(x, return_attention_scores=True)
    assert none.shape == (B, H, N, 0)


def test_too_many_global_tokens_raise():
    layer = make_layer(max_global_tokens=2)
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"(?s)max_global_tokens=2.*\[3 0\]",
    ):
        layer(make_inputs(), global_mask=marks("unequal"))
    # Padding is not counted.
    p = np.ones((B, N), bool)
    p[0, 3] = False
    layer(make_inputs(), global_mask=marks("unequal"), padding_mask=p)


def test_too_many_global_tokens_are_nan_under_xla():
    layer = make_layer(max_global_tokens=2)
    call = tf.function(layer.__call__, jit_compile=True)
    got = call(make_inputs(), global_mask=tf.constant(marks("unequal")))
    assert np.isnan(got[0]).all()
    assert np.isfinite(got[1]).all()


def test_no_global_tokens_allowed():
    layer = make_layer(max_global_tokens=0)
    x = make_inputs()
    assert_close(layer(x, global_mask=marks("no-token")), layer(x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most"):
        layer(x, global_mask=marks("first"))


def test_padding_is_not_seen():
    layer, x = make_layer(), make_inputs()
    masks = dict(padding_mask=padding("middle"), global_mask=marks("scattered"))
    other = np.where(masks["padding_mask"][..., None], x, 100.0)
    kept = masks["padding_mask"]
    assert_close(layer(x, **masks)[kept], layer(other, **masks)[kept])


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(dtype):
    layer, x = make_layer(dtype=dtype), make_inputs()
    masks = dict(padding_mask=padding("right"), global_mask=marks("scattered"))
    got = layer(x, **masks)
    assert got.dtype == dtype.removeprefix("mixed_")
    assert_close(
        tf.cast(got, "float32"),
        definition(layer, x, **masks),
        dtype.removeprefix("mixed_"),
        factor=2,
    )
    assert np.isfinite(
        tf.cast(layer(x, padding_mask=padding("all-padding")), "float32")
    ).all()


def test_config_round_trip():
    layer = LongformerAttention(
        num_heads=2,
        key_dim=3,
        window_size=4,
        dilation=(1, 2),
        causal=True,
        max_global_tokens=3,
        dropout=0.1,
        use_bias=False,
        kernel_initializer="he_normal",
        implementation="chunked",
        name="mine",
        dtype="mixed_bfloat16",
    )
    config = layer.get_config()
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(again) is LongformerAttention
    assert again.get_config() == config
    assert keras.saving.get_registered_name(LongformerAttention) == (
        "keras_longformer>LongformerAttention"
    )


def test_projections_start_differently():
    layer = make_layer()
    assert np.abs(layer.query.kernel - layer.key.kernel).max() > 0.01


ERRORS = [
    (dict(window_size=7), "must be even"),
    (dict(num_heads=0), "`num_heads` must be a positive"),
    (dict(key_dim=2.5), "`key_dim` must be a positive"),
    (dict(dilation=1.5), "must be a positive integer"),
    (dict(dilation=[1, 2]), "one for each of the 3 heads"),
    (dict(max_global_tokens=-1), "non-negative"),
    (dict(dropout=1.0), r"\[0, 1\)"),
    (dict(implementation="magic"), "'magic'"),
]


def test_numpy_integers():
    sizes = dict(num_heads=3, key_dim=7, window_size=4, max_global_tokens=2)
    layer = LongformerAttention(
        **{name: np.int64(size) for name, size in sizes.items()},
        dilation=np.array([1, 2, 1]),
    )
    config = layer.get_config()
    assert json.dumps(config)
    assert {name: config[name] for name in sizes} == sizes


@pytest.mark.parametrize("config, match", ERRORS, ids=str)
def test_constructor_errors(config, match):
    with pytest.raises(ValueError, match=match):
        LongformerAttention(**{"num_heads": 3, "key_dim": 7, **config})


def test_call_errors():
    layer, x = make_layer(), make_inputs()
    with pytest.raises(TypeError, match="`padding_mask` must be bool"):
        layer(x, padding_mask=np.ones((B, N), "int32"))
    with pytest.raises(ValueError, match=r"`global_mask`.*\(2, 37\)"):
        layer(x, global_mask=np.ones((B, N + 1), bool))
    with pytest.raises(ValueError, match="known width"):
        LongformerAttention(2, 3)(np.ones((2, 3), "float32"))


@pytest.mark.parametrize("config", [{}, {"max_global_tokens": 5}], ids=str)
@pytest.mark.parametrize("dilation", [1, [1, 2, 1]], ids=str)
def test_packed_documents_see_nothing_of_each_other(config, dilation):
    """Each gets the numbers that it gets alone, also with global tokens."""
    layer = make_layer(dilation=dilation, **config)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, N, M)).astype("f")
    real = rng.random((B, N)) < 0.9
    is_global = rng.random((B, N)) < 0.1
    borders = [0, 11, 12, 30, N]
    segments = np.repeat(range(4), np.diff(borders))[None].repeat(B, 0)
    segments[1] = 7 - segments[1]  # Which number is no matter.

    @tf.function
    def packed(x, segment_ids):
        return layer(
            x,
            padding_mask=real,
            global_mask=is_global,
            segment_ids=segment_ids,
        )

    got = packed(x, segments)
    for i in range(4):
        own = slice(borders[i], borders[i + 1])
        want = layer(
            x[:, own],
            padding_mask=real[:, own],
            global_mask=is_global[:, own],
        )
        assert_close(got[:, own], want)
    assert np.abs(got - layer(x, real, is_global)).max() > 0.1
