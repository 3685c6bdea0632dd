"""Embeddings: training on pairs, pooling, long texts."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.layers.pooling import LongformerPooling
from keras_longformer.layers.pooling import token_sums
from keras_longformer.tasks.embedding.loss import RankingLoss
from keras_longformer.tasks.embedding.loss import SimilarityLoss
from tests.golden.reading import GOLDEN
from tests.tasks import small

FIRST = ["good text", "bad", "a long whale " * 9, "Ünïcödé"]
SECOND = ["goodness", "the bad", "whales", "日本語 🙂"]


def make(dtype="float32", **config):
    return klf.LongformerEmbedder(
        small.make_backbone(dropout=0.0, dtype=dtype),
        preprocessor=klf.LongformerEmbedderPreprocessor(
            small.shared_tokenizer(), sequence_length=64, pad_to=[32, 64]
        ),
        **config,
    )


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    "objective, jit_compile, dtype",
    [
        ("ranking", True, "float32"),
        ("ranking", False, "mixed_bfloat16"),
        ("similarity", False, "float32"),
    ],
)
def test_fit_on_pairs(objective, jit_compile, dtype):
    embedder = make(dtype, objective=objective)
    embedder.compile(
        optimizer=keras.optimizers.AdamW(5e-3), jit_compile=jit_compile
    )
    scores = None if objective == "ranking" else [1.0, 0.0, -0.5, 0.5] * 8
    history = embedder.fit(
        (FIRST * 8, SECOND * 8), scores, batch_size=4, epochs=2, verbose=0
    ).history["loss"]
    assert history[1] < history[0]
    vectors = embedder.predict(FIRST, verbose=0)
    assert vectors.dtype == np.float32 and vectors.shape == (4, 24)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1.0, rtol=1e-3)
    pairs = embedder.predict((FIRST, SECOND), verbose=0)
    np.testing.assert_allclose(pairs[:, 0], vectors, atol=1e-2)


def test_triples_and_datasets():
    embedder = make()
    data = tf.data.Dataset.from_tensor_slices(((FIRST, SECOND, FIRST[::-1]),))
    assert np.isfinite(embedder.fit(data.batch(2), verbose=0).history["loss"])
    scored = make(objective="similarity")
    data = tf.data.Dataset.from_tensor_slices(((FIRST, SECOND), [1.0] * 4))
    assert np.isfinite(scored.evaluate(data.batch(2), verbose=0))


def test_losses():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 3, 5)).astype("float32")
    cosines = unit(x[:, 0]) @ unit(np.concatenate([x[:, 1], x[:, 2]])).T
    logits = cosines / 0.1
    want = np.log(np.exp(logits).sum(-1)) - np.diag(logits)
    loss = RankingLoss(temperature=0.1)
    np.testing.assert_allclose(loss(np.zeros(3), x), want.mean(), rtol=1e-5)
    again = RankingLoss.from_config(loss.get_config())
    assert again.temperature == 0.1
    scores = np.array([0.5, -1.0, 1.0], "float32")
    want = (np.diag(unit(x[:, 0]) @ unit(x[:, 1]).T) - scores) ** 2
    np.testing.assert_allclose(
        SimilarityLoss()(scores, x[:, :2]), want.mean(), rtol=1e-5
    )
    with pytest.raises(ValueError, match="tuples of 3"):
        SimilarityLoss()(scores, x)


def test_pooling():
    states = np.arange(24, dtype="float32").reshape(2, 3, 4)
    mask = np.array([[True, True, False], [False] * 3])
    mean = LongformerPooling("mean")(states, mask)
    np.testing.assert_allclose(mean[0], states[0, :2].mean(0))
    assert not np.asarray(mean[1]).any()
    start = LongformerPooling("start")(states, mask)
    np.testing.assert_array_equal(start, states[:, 0])
    total, count = token_sums(states, mask)
    np.testing.assert_array_equal(count, [[2], [0]])
    np.testing.assert_array_equal(total[0], states[0, :2].sum(0))
    with pytest.raises(ValueError, match="`pooling` must be one of"):
        LongformerPooling("max")


@pytest.mark.parametrize("pooling", ["mean", "start"])
def test_windows_weigh_their_tokens(pooling):
    embedder = make(pooling=pooling)
    for weight in embedder.trainable_weights:  # So that windows differ.
        weight.assign(weight * 10)
    texts = ["bad", "x" * 100 + "good " * 30]
    inputs, windows = embedder.preprocessor.windows(texts, stride=40)
    states = embedder.backbone(inputs).numpy()
    mask = inputs["padding_mask"].numpy()[..., None]
    of = windows.text_index.numpy()
    want = []
    for text in (0, 1):
        rows = of == text
        if pooling == "mean":
            total = (states * mask)[rows].sum((0, 1))
            want.append(total / mask[rows].sum())
        else:
            want.append(states[rows, 0].mean(0))
    got = embedder.predict_windows(texts, stride=40, verbose=0)
    np.testing.assert_allclose(got, unit(np.stack(want)), atol=1e-5)
    np.testing.assert_allclose(
        got[:1], embedder.predict(texts[:1], verbose=0), atol=1e-5
    )


def test_errors():
    for config, match in (
        ({"objective": "rank"}, "`objective` must be one of"),
        ({"temperature": 0}, "must be above 0"),
        ({"pooling": "max"}, "`pooling` must be one of"),
    ):
        with pytest.raises(ValueError, match=match):
            make(**config)
    with pytest.raises(ValueError, match="needs scores"):
        make(objective="similarity").fit((FIRST, SECOND))
    with pytest.raises(ValueError, match="pairs without scores"):
        make().fit((FIRST, SECOND), [1.0] * 4)
    with pytest.raises(ValueError, match="learns from pairs"):
        make().fit(FIRST)


def write_sentence(folder, mode, *more):
    """An encoder in the folder that sentence-transformers puts it into."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *more]
    kinds = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in modules
    ]
    for name in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / "roberta-base" / name, folder / name)
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({mode: True}))


def test_sentence_transformers(tmp_path):
    def open_it(**options):
        return klf.LongformerEmbedder.from_preset(
            str(tmp_path), preprocessor=None, **options
        )

    write_sentence(tmp_path, "pooling_mode_cls_token")
    embedder = open_it()
    assert (embedder.pooling, embedder.normalize) == ("start", False)
    write_sentence(
        tmp_path, "pooling_mode_mean_tokens", ("2_Normalize", "Normalize")
    )
    embedder = open_it()
    assert (embedder.pooling, embedder.normalize) == ("mean", True)
    write_sentence(tmp_path, "pooling_mode_max_tokens", ("2_Dense", "Dense"))
    with pytest.raises(ValueError, match="max_tokens, and not by .*Dense"):
        open_it()
    assert open_it(pooling="mean").pooling == "mean"
    # Others need only the encoder.
    klf.LongformerTextClassifier.from_preset(
        str(tmp_path), num_classes=2, preprocessor=None
    )
