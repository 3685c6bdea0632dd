"""A new task is one folder: it fits, saves, loads, converts and serves."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.golden import reading
from tests.serving import exports
from tests.tasks import small
from tests.toy.model import ToneRater
from tests.toy.preprocessor import TonePreprocessor

GOLDEN = pathlib.Path(reading.__file__).parent
TEXTS = [*small.TEXTS, "A GOOD TEXT", "a good text"]
TONES = [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4


def make_rater():
    return ToneRater(
        small.make_backbone(num_layers=2, max_global_tokens=3, dropout=0.0),
        preprocessor=TonePreprocessor(small.shared_tokenizer()),
    )


def test_fits_and_follows_its_preprocessor():
    rater = make_rater()
    rater.compile(optimizer=keras.optimizers.Adam(1e-2))
    loss = rater.fit(TEXTS, np.array(TONES), epochs=3, verbose=0).history[
        "loss"
    ]
    assert loss[-1] < loss[0]
    tone = rater.predict(TEXTS, verbose=0)
    assert tone.shape == (8, 2) and (tone > 0).all() and (tone < 1).all()
    np.testing.assert_allclose(tone[-2], tone[-1], atol=1e-6)  # Lower case.
    windows = rater.predict_windows(TEXTS, verbose=0)
    assert windows.shape == tone.shape
    assert not np.allclose(windows[1], tone[1], atol=1e-4)  # A long text.
    np.testing.assert_allclose(windows[3:], tone[3:], atol=1e-5)


@pytest.mark.parametrize("file", ["task.keras", "preset"])
def test_saves_and_loads(file, tmp_path):
    rater = make_rater()
    want = rater.predict(TEXTS, verbose=0)
    path = str(tmp_path / file)
    if file == "preset":
        rater.save_to_preset(path)
        again = ToneRater.from_preset(path)
    else:
        rater.save(path)
        again = keras.saving.load_model(path)
    assert type(again.preprocessor) is TonePreprocessor
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), want)


def test_converts_a_roberta(caplog):
    rater = ToneRater.from_preset(
        GOLDEN / "roberta-base",
        max_sequence_length=64,
        window_size=8,
        preprocessor=None,
    )
    assert rater.backbone.max_sequence_length == 64
    assert "tone/bias" in caplog.text  # It starts from random numbers.


def test_is_not_for_hugging_face(tmp_path):
    with pytest.raises(ValueError, match="ToneRater.*save_to_preset"):
        klf.save_hugging_face(make_rater(), tmp_path)


@pytest.mark.parametrize("over_long", ["truncate", "head_tail", "windows"])
def test_serves(over_long, tmp_path):
    rater = make_rater()
    for weight in rater.trainable_weights:
        weight.assign(weight * 5)
    exported = exports.export(
        rater, tmp_path, over_long=over_long, batch_sizes=[1]
    )
    served = exported.signature("serving_default")(text=tf.constant(TEXTS))
    read = rater.preprocessor
    if over_long == "windows":
        want = rater.predict_windows(TEXTS, verbose=0)
    else:
        rater.preprocessor = read.limited_to(64, over_long)
        want = rater.predict(TEXTS, batch_size=8, verbose=0)
    np.testing.assert_allclose(served["urgency"], want[:, 0], atol=1e-5)
    np.testing.assert_allclose(served["politeness"], want[:, 1], atol=1e-5)
    assert klf.verify_saved_model(exported.path)["largest_difference"] < 1e-5
