"""Exports with a tokenizer that runs TensorFlow Text's operations."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.serving import verify
from keras_longformer.tokenizers import LongformerSentencePieceTokenizer
from tests.serving import exports
from tests.tasks import small
from tests.tokenizers.sentence_piece.conftest import train

TEXT = "größer ﬁnal <mask> ☃"
# What TF Serving links: TensorFlow and TensorFlow Text.
LOAD = """
import sys
import tensorflow as tf
if sys.argv[2] == "with":
    import tensorflow_text
else:
    sys.modules["tensorflow_text"] = None
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](tf.constant([sys.argv[3]]))
print(outputs["logits"].numpy().tolist())
assert not {"keras_longformer", "keras_hub"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def classifier():
    tokenizer = LongformerSentencePieceTokenizer(train(vocab_size=500))
    return klf.LongformerTextClassifier(
        small.make_backbone(vocabulary_size=tokenizer.vocabulary_size()),
        num_classes=2,
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            tokenizer, sequence_length=64
        ),
    )


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", LOAD, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_served_equals_predicted(classifier, tmp_path, monkeypatch):
    exported = exports.export(classifier, tmp_path / "model", **exports.QUICK)
    folder = pathlib.Path(exported.folder).rename(tmp_path / "moved")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["probe"]["largest_difference"] <= 1e-5
    assert manifest["imports"]["packages"] == ["tensorflow_text"]
    assert "tensorflow_text" in manifest["versions"]
    assert verify.verify_saved_model(folder)["largest_difference"] <= 1e-5
    done = run(str(folder), "with", TEXT)
    want = classifier.predict([TEXT], verbose=0)
    np.testing.assert_allclose(json.loads(done.stdout), want, atol=1e-5)
    # Of the operations that are missing, TensorFlow names one.
    said = run(str(folder), "without", TEXT).stderr
    assert "Op type not registered" in said
    # Loading again, and clearing what TensorFlow caches, harms neither.
    one, other = (tf.saved_model.load(folder) for _ in range(2))
    keras.utils.set_random_seed(0)
    del other
    got = one.signatures["serving_default"](tf.constant([TEXT]))
    np.testing.assert_allclose(got["logits"], want, atol=1e-5)
    # A package that is not there is named.
    manifest["imports"]["packages"] = ["tensorflow_text", "no_such_package"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="pip install no-such-package"):
        verify.verify_saved_model(folder)


def test_saved_and_opened(classifier, tmp_path):
    want = classifier.predict([TEXT], verbose=0)
    classifier.save(tmp_path / "model.keras")
    classifier.save_to_preset(tmp_path / "preset")
    klf.save_hugging_face(classifier, tmp_path / "folder")
    kind = klf.LongformerTextClassifier
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        kind.from_preset(str(tmp_path / "preset")),
        kind.from_preset(str(tmp_path / "folder")),
    ):
        got = again.predict([TEXT], verbose=0)
        np.testing.assert_allclose(got, want, atol=1e-5)
