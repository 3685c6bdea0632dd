"""`fit` under `tf.distribute`: the numbers of one device."""

import json
import subprocess
import sys

import numpy as np

# In a process of its own: devices are split before TensorFlow starts.
FIT = """
import json
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from tests.tasks import small

def fit(strategy):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        classifier = small.make_classifier(dropout=0.0)
        classifier.compile(
            optimizer=keras.optimizers.SGD(0.1),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    data = tf.data.Dataset.from_tensor_slices((small.TEXTS, small.LABELS))
    data = data.batch(6)
    classifier.fit(data, epochs=2, verbose=0)
    loss = classifier.evaluate(data, verbose=0)
    logits = classifier.predict(small.TEXTS, verbose=0)
    return np.ravel(loss).tolist() + np.ravel(logits).tolist()

one = fit(tf.distribute.get_strategy())
two = fit(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
print(json.dumps([one, two]))
"""


def test_mirrored_strategy_gives_the_same_numbers(pytestconfig):
    result = subprocess.run(
        [sys.executable, "-c", FIT],
        capture_output=True,
        text=True,
        cwd=pytestconfig.rootpath,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = json.loads(result.stdout.splitlines()[-1])
    np.testing.assert_allclose(two, one, atol=1e-5)
