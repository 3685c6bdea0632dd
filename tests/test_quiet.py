"""What is printed where all is well: nothing."""

import os
import subprocess
import sys

PROGRAM = """
import keras
import numpy as np
import tensorflow as tf
import keras_longformer as klf
from tests.tasks import small

tokens = keras.Input((None,), dtype="int32")
x = keras.layers.Embedding(50, 16, mask_zero=True)(tokens)
x = klf.LongformerAttention(num_heads=2, key_dim=8, window_size=4)(x)
model = keras.Model(tokens, keras.layers.Dense(1)(x[:, 0]))
model.compile("adam", "mse")
model.fit(np.ones((4, 9)), np.ones((4, 1)), verbose=0)

classifier = small.make_classifier()
pairs = tf.data.Dataset.from_tensor_slices((small.TEXTS, small.LABELS))
classifier.fit(small.TEXTS, small.LABELS, batch_size=3, verbose=0)
classifier.fit(pairs.batch(3), verbose=0)
classifier.predict(small.TEXTS, verbose=0)
small.make_masked_lm().fit(small.TEXTS, batch_size=3, verbose=0)
"""


def run(program):
    """What a program writes to stderr, TensorFlow's own lines left out."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stderr


def test_import_prints_nothing():
    assert run("import keras_longformer") == ""


def test_training_warns_of_nothing():
    """Neither of gradients that there are not, nor of shuffling."""
    lines = run(PROGRAM).splitlines()
    # `-W default` shows other packages' deprecations as well.
    assert not [line for line in lines if "UserWarning" in line]
