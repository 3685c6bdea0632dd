"""Files for servers, and what `verify_saved_model` says of broken exports."""

import builtins
import contextlib
import json
import os
import pathlib
import shutil

import pytest
import tensorflow as tf

from keras_longformer.serving import verify
from keras_longformer.serving import warmup
from keras_longformer.serving.verify import verify_saved_model
from tests.serving import exports
from tests.tasks import small

text_format = pytest.importorskip("google.protobuf.text_format")
apis = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


def read_manifest(folder):
    return json.loads(pathlib.Path(folder, "manifest.json").read_text("utf-8"))


def test_warmup_has_each_signature_bucket_and_size(embedder):
    path = os.path.join(embedder.folder, warmup.WARMUP_FILE)
    seen, tokenizer = [], small.make_tokenizer()
    for record in tf.data.TFRecordDataset(path):
        request = apis.PredictionLog.FromString(
            record.numpy()
        ).predict_log.request
        assert request.model_spec.name == "embedder"
        (value,) = request.inputs.values()
        value = tf.make_ndarray(value)
        if value.ndim == 1:
            length = len(tokenizer.tokenize(value[0])) + 2
        else:
            length = value.shape[1]
        bucket = min(x for x in exports.BUCKETS if x >= length)
        seen.append((request.model_spec.signature_name, bucket, len(value)))
    names = ["serving_default", "embed", "embed_tokens", "embed_tokens_xla"]
    assert seen == [
        (name, bucket, size)
        for name in names
        for bucket in exports.BUCKETS
        for size in exports.BATCH_SIZES
    ]
    assert read_manifest(embedder.folder)["warmup"]["requests"] == len(seen)


def test_configs_are_the_servers_own(reviews):
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(
        pathlib.Path(reviews.path, "models.config").read_text("utf-8"),
        model_server_config_pb2.ModelServerConfig(),
    ).model_config_list.config[0]
    assert (config.name, config.base_path) == ("reviews", "/models/reviews")
    assert "prometheus_config" in pathlib.Path(
        reviews.path, "monitoring.config"
    ).read_text("utf-8")
    batching = pathlib.Path(reviews.folder, "batching_params.pbtxt")
    assert "max_batch_size { value: 4 }" in batching.read_text("utf-8")


def test_manifest_states_the_rules(reviews, embedder, fill_mask):
    manifest = read_manifest(reviews.folder)
    assert manifest["class_names"] == ["bad", "good"]
    assert "`error` says why" in manifest["text"]["bad_texts"]
    assert "windows" in read_manifest(embedder.folder)["text"]["over_long"]
    assert read_manifest(fill_mask.folder)["text"]["max_masks"] == 128


def test_whole_export(embedder):
    report = verify_saved_model(embedder.path)
    assert report["path"] == embedder.folder
    assert report["tensorflow"] == tf.__version__
    assert report["largest_difference"] <= 1e-5
    assert report["warmup"]["requests"] == 18
    assert report["warmup"]["skipped_xla"] == 6


def test_lists_changed_files(reviews, tmp_path):
    folder = shutil.copytree(reviews.folder, tmp_path / "1")
    variables = next((folder / "variables").glob("*.data*"))
    variables.write_bytes(variables.read_bytes()[:-100])
    (folder / "batching_params.pbtxt").unlink()
    (folder / "extra").write_text("")
    with pytest.raises(ValueError, match="is not what was exported") as info:
        verify_saved_model(tmp_path)
    message = str(info.value)
    assert "changed   variables/" in message
    assert "missing   batching_params.pbtxt" in message
    assert "too many  extra" in message


def test_other_answers(reviews, fill_mask, tmp_path):
    """Files as listed, but answers and signatures of something else, which a
    newer TensorFlow may be the reason of."""
    folder = shutil.copytree(reviews.folder, tmp_path / "1")
    shutil.copy(os.path.join(fill_mask.folder, "probe.npz"), folder)
    manifest = read_manifest(folder)
    manifest["signatures"]["tokens"]["inputs"] = {}
    manifest["versions"]["tensorflow"] = "2.99.0"
    from keras_longformer.serving.manifest import describe_files

    manifest["files"] = describe_files(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="not those of the manifest") as info:
        verify_saved_model(folder)
    message = str(info.value)
    assert "output serving_default/probabilities has the shape" in message
    assert "was exported with TensorFlow 2.99.0" in message
    assert "Take TensorFlow, and TF Serving, 2.99 or newer" in message


@pytest.mark.parametrize(
    ("version", "is_newer"),
    [("2.99.1", True), ("3.0.0", True), (tf.__version__, False)]
    + [("2.9.3", False), ("1.15.0", False)],
)
def test_newer_tensorflow(reviews, tmp_path, monkeypatch, version, is_newer):
    """Where it works all the same, it is said in a warning."""
    folder = shutil.copytree(reviews.folder, tmp_path / "1")
    manifest = read_manifest(folder)
    manifest["versions"]["tensorflow"] = version
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(verify, "_replay", lambda *_: ({}, []))
    expected = contextlib.nullcontext()
    if is_newer:
        expected = pytest.warns(UserWarning, match=f"with TensorFlow {version}")
    with expected:
        assert verify_saved_model(folder)["exported_with"] == version


def test_no_export(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no manifest.json"):
        verify_saved_model(tmp_path)
    (tmp_path / "3").mkdir()
    with pytest.raises(FileNotFoundError, match="3' has no manifest.json"):
        verify_saved_model(tmp_path)


def test_without_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("tensorflow_serving"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.warns(UserWarning, match=r"keras_longformer\[serving\]"):
        exported = exports.export(exports.make_limited(), tmp_path)
    warmup_ = read_manifest(exported.folder)["warmup"]
    assert warmup_["requests"] == 0
    assert "not installed" in warmup_["missing"]
    assert not os.path.exists(os.path.join(exported.folder, "assets.extra"))
