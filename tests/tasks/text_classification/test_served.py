"""What an exported classifier of texts returns."""

import numpy as np
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small

NAMES = ["O", "GOOD", "BAD"]
TEXTS = ["a good  Ünïcödé text", "", "bad " * 70]


def make_classifier(num_classes, **config):
    return small.scaled(
        klf.LongformerTextClassifier(
            small.make_backbone(),
            num_classes=num_classes,
            preprocessor=small.make_classifier().preprocessor,
            **config,
        )
    )


def test_several_labels(tmp_path):
    task = make_classifier(
        3, problem_type="multi_label", threshold=[0.5, 0.4, 0.6]
    )
    exported = exports.export(
        task, tmp_path, class_names=NAMES, **exports.QUICK
    )
    got = exported.signature("serving_default")(text=tf.constant(small.TEXTS))
    want = tf.sigmoid(task.predict(small.TEXTS, verbose=0)).numpy()
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-4)
    above = want > [0.5, 0.4, 0.6]
    assert 0 < above.sum() < above.size
    np.testing.assert_array_equal(got["is_label"], above)
    for row, labels in enumerate(got["labels"].numpy()):
        best = [i for i in np.argsort(-want[row]) if above[row, i]]
        names = [NAMES[i].encode() for i in best]
        assert labels.tolist() == names + [b""] * (3 - len(names))


def test_numbers(tmp_path):
    task = make_classifier(1, problem_type="regression")
    exported = exports.export(task, tmp_path, **exports.QUICK)
    got = exported.signature("serving_default")(text=tf.constant(small.TEXTS))
    assert set(got) == {"value"}
    want = task.predict(small.TEXTS, verbose=0)[:, 0]
    np.testing.assert_allclose(got["value"], want, atol=1e-4)
