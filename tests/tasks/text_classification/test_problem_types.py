"""A text classifier of one label, of several, and of numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.text_classification.problem_types import (
    MultiLabelAccuracy,
)
from keras_longformer.weights.families.config import head_keywords
from tests.tasks import small
from tests.tasks.small import TEXTS

NAMES = ["good", "long", "odd"]
MULTI_HOT = [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 1]]


def make(num_classes, **config):
    return klf.LongformerTextClassifier(
        small.make_backbone(dropout=0.0, dtype=config.pop("dtype", "float32")),
        num_classes=num_classes,
        preprocessor=small.make_classifier().preprocessor,
        **config,
    )


def fit(classifier, labels, steps=15, rate=1e-2, jit_compile="auto"):
    classifier.compile(
        optimizer=keras.optimizers.AdamW(rate), jit_compile=jit_compile
    )
    history = classifier.fit(
        TEXTS * steps,
        labels * steps,
        batch_size=6,
        epochs=2,
        shuffle=False,  # Each batch is all texts.
        verbose=0,
    )
    return history.history


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_several_labels(activation):
    classifier = make(
        3, problem_type="multi_label", class_names=NAMES, activation=activation
    )
    assert classifier.loss.from_logits == (activation is None)
    history = fit(classifier, MULTI_HOT)
    assert history["loss"][1] < history["loss"][0]
    assert history["binary_accuracy"][1] > 0.8
    outputs = classifier.predict(TEXTS, verbose=0)
    if activation == "sigmoid":
        assert ((outputs >= 0) & (outputs <= 1)).all()
    is_label = outputs > (0 if activation is None else 0.5)
    assert is_label.any() and not is_label.all()
    got = classifier.decode_predictions(outputs)
    assert [set(labels) for labels in got] == [
        {name for name, x in zip(NAMES, row) if x} for row in is_label
    ]


def test_thresholds():
    classifier = make(3, problem_type="multi_label", threshold=[0.5, 0.9, 0.1])
    logits = np.array([[1.0, 2.0, -1.0], [-0.1, 2.5, -3.0]], "float32")
    assert classifier.decode_predictions(logits) == [[0, 2], [1]]
    metric = MultiLabelAccuracy([0.0, 2.2, -2.2])
    metric.update_state([[1, 0, 1], [1, 1, 0]], logits)
    np.testing.assert_allclose(metric.result(), 5 / 6)
    again = MultiLabelAccuracy.from_config(metric.get_config())
    assert again.threshold == metric.threshold
    with pytest.raises(ValueError, match="one for each of the 3 classes"):
        make(3, problem_type="multi_label", threshold=[0.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        make(3, problem_type="multi_label", threshold=1.0)


@pytest.mark.parametrize(
    "jit_compile, dtype", [(True, "float32"), (False, "mixed_bfloat16")]
)
def test_regression(jit_compile, dtype):
    classifier = make(1, problem_type="regression", dtype=dtype)
    lengths = [min(len(text) / 100, 2.0) for text in TEXTS]
    history = fit(classifier, lengths, jit_compile=jit_compile)
    assert history["loss"][1] < history["loss"][0]
    assert "mean_absolute_error" in history
    outputs = classifier.predict(TEXTS, verbose=0)
    values = classifier.decode_predictions(outputs)
    assert values.shape == (len(TEXTS),)
    # Not the mean of all rows by a broadcast, but each its own.
    assert np.corrcoef(values, lengths)[0, 1] > 0.8


def test_labels_by_name():
    classifier = make(3, class_names=NAMES)
    names = [NAMES[i] for i in (0, 1, 2, 0, 0, 2)]
    history = fit(classifier, names, steps=6)
    assert np.isfinite(history["loss"]).all()
    outputs = np.eye(3)[[2, 0]]
    assert classifier.decode_predictions(outputs) == ["odd", "good"]
    data = tf.data.Dataset.from_tensor_slices((TEXTS, names)).batch(2)
    assert np.isfinite(classifier.evaluate(data, verbose=0)).all()
    with pytest.raises(ValueError, match="No class has.*'evil', in row 1"):
        classifier.evaluate(TEXTS[:2], ["good", "evil"], verbose=0)
    with pytest.raises(ValueError, match="which class has which name"):
        make(3).evaluate(TEXTS, names, verbose=0)


def test_saved_and_loaded(tmp_path):
    classifier = make(
        3, problem_type="multi_label", threshold=0.3, class_names=NAMES
    )
    want = classifier.predict(TEXTS, verbose=0)
    classifier.save(tmp_path / "task.keras")
    classifier.save_to_preset(tmp_path / "preset")
    for again in (
        keras.saving.load_model(tmp_path / "task.keras"),
        klf.LongformerTextClassifier.from_preset(tmp_path / "preset"),
    ):
        assert again.get_config() == classifier.get_config()
        assert isinstance(again.loss, keras.losses.BinaryCrossentropy)
        np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), want)


def test_a_config_without_problem_type_still_loads():
    classifier = make(2)
    config = classifier.get_config()
    for name in ("problem_type", "threshold", "class_names"):
        del config[name]
    again = klf.LongformerTextClassifier.from_config(config)
    assert again.problem_type == "single_label"


@pytest.mark.parametrize(
    "kind, num_classes, head",
    [
        ("multi_label", 3, {"class_names": NAMES}),
        ("regression", 1, {}),
        ("single_label", 3, {}),
    ],
)
def test_hugging_face_and_back(kind, num_classes, head, tmp_path):
    classifier = make(num_classes, problem_type=kind, **head)
    klf.save_hugging_face(classifier, tmp_path)
    again = klf.LongformerTextClassifier.from_preset(tmp_path)
    assert again.problem_type == kind
    assert again.class_names == head.get("class_names")
    np.testing.assert_allclose(
        again.predict(TEXTS, verbose=0),
        classifier.predict(TEXTS, verbose=0),
        atol=1e-5,
    )
    # A new head has neither the names nor the kind of the old one.
    fresh = klf.LongformerTextClassifier.from_preset(tmp_path, num_classes=4)
    assert fresh.problem_type == "single_label"
    assert fresh.class_names is None


def test_transformers_names():
    assert head_keywords(
        {
            "id2label": {"1": "b", "0": "a"},
            "problem_type": "multi_label_classification",
        }
    ) == {"class_names": ["a", "b"], "problem_type": "multi_label"}
    assert head_keywords({"id2label": {"0": "LABEL_0"}}) == {}


def test_errors():
    for config, match in (
        ({"problem_type": "rank"}, "`problem_type` must be one of"),
        ({"activation": "sigmoid"}, "is not for `problem_type='single_label'"),
        ({"class_names": ["a", "a"]}, "must name each class once"),
    ):
        with pytest.raises(ValueError, match=match):
            make(2, **config)
