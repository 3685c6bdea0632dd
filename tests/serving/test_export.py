"""SavedModels: loaded three ways, fed what servers are fed."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_longformer as klf
from tests.tasks import small

TEXTS = [*small.TEXTS, "a good long text " * 2000]


@pytest.fixture(scope="module")
def classifier():
    return small.make_classifier()


@pytest.fixture(scope="module")
def exported(classifier, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("saved_models") / "reviews")
    return klf.export_saved_model(classifier, path, buckets=[16, 32, 64])


@pytest.fixture(scope="module")
def want(classifier):
    logits = classifier.predict(TEXTS, verbose=0)
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    return {
        "logits": logits,
        "probabilities": exp / exp.sum(-1, keepdims=True),
        "class_index": logits.argmax(-1),
    }


def assert_outputs(got, want, rows=slice(None)):
    assert set(got) == set(want)
    for name in want:
        np.testing.assert_allclose(got[name], want[name][rows], atol=1e-5)


def test_saved_model_load(exported, want):
    served = tf.saved_model.load(exported)
    call = served.signatures["serving_default"]
    assert_outputs(call(text=tf.constant(TEXTS)), want)
    for i, text in enumerate(TEXTS):
        got = call(text=tf.constant([text]))
        assert_outputs(got, want, slice(i, i + 1))


def test_v1_loader_with_a_session(exported, want):
    """What TF Serving's `SavedModelBundle` does."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], exported
        )
        signature = meta.signature_def["serving_default"]
        assert [*signature.inputs] == ["text"]
        got = session.run(
            {name: x.name for name, x in signature.outputs.items()},
            {signature.inputs["text"].name: TEXTS},
        )
    assert_outputs(got, want)


SERVE = """
import json, sys
try:
    import keras_longformer
except ImportError:
    pass
else:
    raise SystemExit("keras_longformer can be imported here")
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
outputs = served.signatures["serving_default"](
    text=tf.constant(json.loads(sys.argv[2])))
assert not any(name.startswith(("keras_longformer", "keras_hub",
                                "tensorflow_text")) for name in sys.modules)
print(json.dumps({name: x.numpy().tolist() for name, x in outputs.items()}))
"""


def test_process_with_tensorflow_alone(exported, want, tmp_path):
    """`-S`-like: the package cannot be found from another folder."""
    blocker = tmp_path / "keras_longformer"
    blocker.mkdir()
    (blocker / "__init__.py").write_text("raise ImportError('not here')")
    result = subprocess.run(
        [sys.executable, "-c", SERVE, exported, json.dumps(TEXTS[:4])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    got = json.loads(result.stdout.splitlines()[-1])
    assert_outputs(got, want, slice(4))


def test_tokens(classifier, exported, want):
    served = tf.saved_model.load(exported)
    call = served.signatures["tokens"]
    inputs = classifier.preprocessor(TEXTS)
    ids = inputs["token_ids"].numpy()
    assert_outputs(call(token_ids=tf.constant(ids)), want)
    # TF Serving's `pad_variable_length_inputs` repeats the first element.
    by_first = np.where(inputs["padding_mask"], ids, ids[0, 0])
    assert_outputs(call(token_ids=tf.constant(by_first)), want)
    # Each row at its own length.
    for i, row in enumerate(ids):
        row = row[row != 1][None]
        assert_outputs(call(token_ids=tf.constant(row)), want, slice(i, i + 1))


def test_hostile_texts(exported):
    call = tf.saved_model.load(exported).signatures["serving_default"]
    hostile = [
        b"\xff\xfe broken \xc3",
        b"nul \0 byte",
        "</s><s><mask>" * 50,
        " " * 5000,
        "\u202e\u0301" * 300,
    ]
    together = call(text=tf.constant(hostile))
    assert np.isfinite(together["probabilities"]).all()
    for i, text in enumerate(hostile):
        alone = call(text=tf.constant([text]))
        np.testing.assert_allclose(
            alone["logits"][0], together["logits"][i], atol=1e-5
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_text_bytes"):
        call(text=tf.constant(["fine", "x" * (2**20 + 1)]))
    empty = call(text=tf.constant([], tf.string))
    assert empty["probabilities"].shape == (0, 2)


def test_special_tokens_cannot_be_injected(exported, classifier):
    text, mask = "</s> <pad> <mask>", 4 + 256 + 8
    ids = classifier.preprocessor(text)["token_ids"].numpy()
    assert set(ids[1:]) & {0, mask} == set()
    assert (ids == 2).sum() == 1
    # The graph makes the same ids, and others would be told from them.
    served = tf.saved_model.load(exported).signatures
    got = served["serving_default"](text=tf.constant([text]))["logits"]
    want = served["tokens"](token_ids=tf.constant([ids]))["logits"]
    np.testing.assert_allclose(got, want, atol=1e-5)
    injected = tf.constant([[0, 2, mask, 2]])
    other = served["tokens"](token_ids=injected)["logits"]
    assert np.abs(other - got).max() > 1e-3


def test_truncates_by_the_rule_of_the_manifest(exported):
    with open(os.path.join(exported, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    assert manifest["text"]["longest"] == 64
    assert "first 64 tokens" in manifest["text"]["over_long"]
    call = tf.saved_model.load(exported).signatures["serving_default"]
    outputs = call(text=tf.constant(["x" * 62, "x" * 62 + "yz" * 5000]))
    np.testing.assert_allclose(*outputs["logits"], atol=1e-6)


def test_manifest(exported):
    with open(os.path.join(exported, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    assert manifest["model"] == "LongformerTextClassifier"
    assert manifest["config"]["window_size"] == 8
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert manifest["probe"]["largest_difference"] <= 1e-5
    signature = manifest["signatures"]["serving_default"]
    assert signature["inputs"] == {"text": {"dtype": "string", "shape": [None]}}
    assert signature["outputs"]["logits"]["shape"] == [None, 2]


def test_weights_are_stored_once(exported, classifier):
    size = sum(
        os.path.getsize(os.path.join(exported, "variables", name))
        for name in os.listdir(os.path.join(exported, "variables"))
    )
    weights = sum(weight.numpy().nbytes for weight in classifier.weights)
    assert weights <= size < 1.2 * weights + 10_000


def test_stock_operations_only(exported):
    saved = saved_model_pb2.SavedModel()
    with open(os.path.join(exported, "saved_model.pb"), "rb") as file:
        saved.ParseFromString(file.read())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
    operations = {node.op for node in nodes}
    for name in ("XlaCallModule", "XlaCustomCallV2", "PyFunc", "EagerPyFunc"):
        assert name not in operations
    for function in graph.library.function:
        assert not function.attr["_XlaMustCompile"].b


def test_versions_go_up_and_nothing_is_left(classifier, tmp_path):
    path = tmp_path / "reviews"
    (path / "7").mkdir(parents=True)
    (path / "not-a-version").mkdir()
    folder = klf.export_saved_model(classifier, str(path), batch_sizes=[1])
    assert folder == str(path / "8")
    assert sorted(os.listdir(path)) == ["7", "8", "not-a-version"]


def test_failure_leaves_nothing(classifier, tmp_path, monkeypatch):
    from keras_longformer.serving import export

    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(export.probe, "write", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        klf.export_saved_model(classifier, str(tmp_path))
    assert os.listdir(tmp_path) == []
    layer = classifier.backbone.transformer_layers[0].attention
    assert layer.implementation is None


def test_masked_lm(fill_mask):
    masked_lm = fill_mask.model
    served = tf.saved_model.load(fill_mask.folder)
    texts = tf.constant(["a <mask> text", "no mask", "<mask>, <mask>"])
    got = served.signatures["serving_default"](text=texts)
    assert got["tokens"].shape == (3, 2, 5)
    inputs = masked_lm.preprocessor.fill_mask_preprocess(texts)
    want = tf.math.top_k(tf.nn.softmax(masked_lm(inputs)), 5)
    np.testing.assert_allclose(
        got["probabilities"][2], want.values[2], atol=1e-6
    )
    assert (got["probabilities"][1] == 0).numpy().all()
    assert (got["tokens"][1] == b"").numpy().all()
    by_ids = served.signatures["tokens"](token_ids=inputs["token_ids"])
    np.testing.assert_allclose(
        by_ids["probabilities"], got["probabilities"], atol=1e-6
    )


def test_errors(classifier, tmp_path):
    with pytest.raises(TypeError, match="Received: Sequential"):
        klf.export_saved_model(keras.Sequential(), str(tmp_path))
    with pytest.raises(ValueError, match="has no preprocessor"):
        klf.export_saved_model(small.make_backbone(), str(tmp_path))
    with pytest.raises(ValueError, match="up to the model's 64"):
        klf.export_saved_model(classifier, str(tmp_path), buckets=[32, 100])
    bare = klf.LongformerTextClassifier(small.make_backbone(), num_classes=2)
    with pytest.raises(ValueError, match="has no preprocessor"):
        klf.export_saved_model(bare, str(tmp_path))
    assert os.listdir(tmp_path) == []
