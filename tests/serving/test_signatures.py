"""What the signatures return, for each kind of model and option."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.serving import rows as reading
from keras_longformer.serving.groups import run_in_groups
from tests.serving import exports
from tests.tasks import small

TEXTS = [*small.TEXTS, "a good long text " * 100]


def normalized(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def embeddings(backbone, preprocessor, texts):
    inputs = preprocessor(texts)
    states = backbone(inputs, training=False).numpy()
    mask = inputs["padding_mask"].numpy()[..., None]
    return {
        "mean_embedding": normalized((states * mask).sum(1) / mask.sum(1)),
        "start_embedding": normalized(states[:, 0]),
    }


def assert_equal(got, want, atol=1e-5):
    assert set(got) == set(want)
    for name, x in want.items():
        np.testing.assert_allclose(got[name], x, atol=atol, err_msg=name)


def test_embed_of_a_task(reviews):
    got = reviews.signature("embed")(text=tf.constant(TEXTS))
    want = embeddings(reviews.model.backbone, reviews.model.preprocessor, TEXTS)
    error = got.pop("error")
    assert set(error.numpy()) == {b""}
    assert_equal(got, want)


def test_embed_of_a_masked_lm_has_no_global_token(fill_mask):
    got = fill_mask.signature("embed")(text=tf.constant(TEXTS))
    inputs = fill_mask.model.preprocessor.fill_mask_preprocess(TEXTS)
    backbone = fill_mask.model.backbone
    del inputs["mask_positions"]
    states = backbone(inputs, training=False).numpy()
    np.testing.assert_allclose(
        got["start_embedding"], normalized(states[:, 0]), atol=1e-5
    )


def test_embed_of_a_backbone(embedder):
    preprocessor = exports.make_limited().preprocessor
    want = embeddings(embedder.model, preprocessor, small.TEXTS[2:])
    ids = preprocessor(small.TEXTS[2:])["token_ids"]
    for name in ("serving_default", "embed"):
        got = embedder.signature(name)(text=tf.constant(small.TEXTS[2:]))
        assert_equal(got, want)
    for name in ("embed_tokens", "embed_tokens_xla"):
        assert_equal(embedder.signature(name)(token_ids=ids), want)


def test_windows_are_averaged(embedder):
    """64 tokens a window, 62 of the text, neighbours share 7 or more."""
    tokenizer = small.make_tokenizer()
    text = "x" * 100
    ids = tokenizer.tokenize(text).numpy()
    windows = np.stack([ids[:62], ids[38:]])  # The last ends with the text.
    windows = np.pad(windows, [(0, 0), (1, 0)], constant_values=0)
    windows = np.pad(windows, [(0, 0), (0, 1)], constant_values=2)
    mask = np.ones_like(windows, bool)
    states = embedder.model(
        {
            "token_ids": windows,
            "padding_mask": mask,
            "global_mask": mask & (np.arange(64) == 0),
        }
    ).numpy()
    got = embedder.signature("embed")(text=tf.constant(["short", text]))
    np.testing.assert_allclose(
        got["mean_embedding"][1],
        normalized(states.mean(1).mean(0)),
        atol=1e-5,
    )


def test_rows_of_tokens():
    """Any padding behind the last `</s>`; `<pad>` anywhere."""
    ids = [[0, 5, 2, 0, 0], [0, 5, 6, 7, 2], [0, 5, 2, 2, 9], [1, 1, 1, 1, 1]]
    rows = reading.rows_of_tokens(tf.constant(ids), end_id=2, pad_id=1)
    assert rows.to_list() == [[0, 5, 2], [0, 5, 6, 7, 2], [0, 5, 2, 2], []]


def test_groups_keep_the_order_and_the_limit():
    shapes = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, name="token_ids"),
            tf.TensorSpec([None, None], tf.bool, name="padding_mask"),
            tf.TensorSpec([None], tf.int32, name="index"),
        ]
    )
    def count(token_ids, padding_mask, index):
        tf.py_function(lambda x: shapes.append(tuple(x.shape)), [token_ids], [])
        real = tf.reduce_sum(tf.cast(padding_mask, tf.int32), 1)
        return {"real": real, "index": index}

    function = count.get_concrete_function()
    lengths = [3, 9, 1, 20, 4, 5, 16, 0, 2, 4]
    rows = tf.RaggedTensor.from_row_lengths(
        tf.ones([sum(lengths)], tf.int32), lengths
    )
    index = tf.range(len(lengths))
    options = {"buckets": [4, 16, 20], "pad_id": 1, "tokens_at_once": 16}
    got = run_in_groups(function, rows, {"index": index}, **options)
    assert got["real"].numpy().tolist() == lengths
    assert got["index"].numpy().tolist() == [*range(10)]
    assert shapes == [(4, 4), (2, 4), (1, 16), (1, 16), (1, 16), (1, 20)]
    none = run_in_groups(function, rows[:0], {"index": index[:0]}, **options)
    assert none["real"].shape == (0,)


def test_labels_and_reported_texts(reviews):
    call = reviews.signature("serving_default")
    good = call(text=tf.constant(["good"]))
    got = call(text=tf.constant([exports.HOSTILE, "good", ""]))
    assert (
        b"3100 bytes, more than max_text_bytes=2000" in got["error"][0].numpy()
    )
    assert got["error"][1:].numpy().tolist() == [b"", b""]
    assert got["probabilities"][0].numpy().tolist() == [0, 0]
    assert got["label"][0] == b""
    names = np.array([b"bad", b"good"])[good["class_index"].numpy()]
    assert good["label"].numpy().tolist() == names.tolist()
    np.testing.assert_allclose(got["logits"][1], good["logits"][0], atol=1e-6)


def test_reported_token_ids(reviews):
    call = reviews.signature("tokens")
    long = [0] + [5] * 70 + [2]
    fine = [0, 5, 6, 2] + [1] * 68
    unknown = [0, 5, 10_000, 2] + [1] * 68
    got = call(token_ids=tf.constant([long, fine, unknown]))
    assert b"72 tokens; the model reads 64" in got["error"][0].numpy()
    assert got["error"][1] == b""
    assert b"token id 10000" in got["error"][2].numpy()
    alone = call(token_ids=tf.constant([fine]))
    np.testing.assert_allclose(got["logits"][1], alone["logits"][0], atol=1e-6)


def test_too_many_masks(fill_mask, monkeypatch, tmp_path):
    call = fill_mask.signature("serving_default")
    with pytest.raises(tf.errors.InvalidArgumentError, match="bytes"):
        call(text=tf.constant(["fine", "<mask>" * 200_000]))
    assert call(text=tf.constant(["<mask>" * 10_000]))["tokens"].shape[1] == 62
    from keras_longformer.tasks.masked_lm import served as heads

    monkeypatch.setattr(heads, "MAX_MASKS", 3)
    limited = exports.export(
        fill_mask.model, tmp_path, batch_sizes=[1], buckets=[64]
    )
    call = limited.signature("serving_default")
    assert call(text=tf.constant(["<mask>" * 3]))["tokens"].shape == (1, 3, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="4 masks, more"):
        call(text=tf.constant(["fine", "<mask>" * 4]))


def test_errors(reviews, fill_mask, tmp_path):
    for options, message in (
        ({"over_long": "all"}, "`over_long` must be one of"),
        ({"bad_texts": "drop"}, "`bad_texts` must be one of"),
        ({"class_names": ["one"]}, "1 names for 2 classes"),
        ({"batch_sizes": [4, 2]}, "positive and ascending"),
        ({"batch_sizes": [*range(1, 200)]}, "TF Serving allows 1000"),
        ({"buckets": []}, "from 4 up to the model's 64"),
    ):
        with pytest.raises(ValueError, match=message):
            exports.export(reviews.model, tmp_path / "x", **options)
    for options, message in (
        ({"over_long": "windows"}, "cannot read text by"),
        ({"xla": True}, "number of masks"),
        ({"class_names": ["a", "b"]}, "are for a task with classes"),
    ):
        with pytest.raises(ValueError, match=message):
            exports.export(fill_mask.model, tmp_path / "x", **options)
    free = small.make_backbone(max_global_tokens=None)
    with pytest.raises(ValueError, match="max_global_tokens=1"):
        exports.export(
            free,
            tmp_path / "x",
            xla=True,
            preprocessor=reviews.model.preprocessor,
        )


def test_bfloat16_and_a_softmax(tmp_path):
    """Half the bytes on disk; answers are float32 still."""
    preprocessor = exports.make_limited().preprocessor
    classifier = klf.LongformerTextClassifier(
        small.make_backbone(dtype="bfloat16"),
        num_classes=3,
        preprocessor=preprocessor,
        activation="softmax",
    )
    exported = exports.export(
        classifier, tmp_path, batch_sizes=[1], buckets=[64]
    )
    got = exported.signature("serving_default")(text=tf.constant(TEXTS))
    assert set(got) == {"probabilities", "class_index"}
    assert got["probabilities"].dtype == tf.float32
    want = tf.cast(classifier(preprocessor(TEXTS)), tf.float32)
    np.testing.assert_allclose(got["probabilities"], want, atol=2e-2)
    embedding = exported.signature("embed")(text=tf.constant(TEXTS))
    np.testing.assert_allclose(
        tf.norm(embedding["mean_embedding"], axis=-1), 1.0, atol=1e-5
    )
