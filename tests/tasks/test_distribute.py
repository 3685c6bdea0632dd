"""`fit` under `tf.distribute`: the numbers of one device."""

import json
import subprocess
import sys

import numpy as np
import pytest

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
import sys
from tests.tasks.table import BY_NAME

kind = BY_NAME[sys.argv[1]]

def rows(x):
    if isinstance(x, dict):
        return {name: rows(values) for name, values in x.items()}
    if isinstance(x, tuple):
        return tuple(map(rows, x))
    ragged = any(isinstance(row, list) for row in x)
    return tf.ragged.constant(x) if ragged else tf.constant(x)

def fit(strategy, in_memory):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        task = kind.make(dropout=0.0)
        task.compile(optimizer=keras.optimizers.SGD(0.1))
    parts = (rows(kind.x),) if kind.y is None else (rows(kind.x), rows(kind.y))
    data = tf.data.Dataset.from_tensor_slices(parts)
    size = len(data)
    if in_memory:
        task.fit(
            *parts, batch_size=size, epochs=2, shuffle=False, verbose=0
        )
    else:
        task.fit(data.batch(size, drop_remainder=True), epochs=2, verbose=0)
    return np.ravel(kind.predict(task)).tolist()

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = fit(tf.distribute.get_strategy(), in_memory=False)
two = fit(mirrored, in_memory=False)
three = fit(mirrored, in_memory=True)
print(json.dumps([one, two, three]))
"""


# The ranking of an embedder is within a replica's share of the batch, the mask
# of a masked LM is random, and words are averaged over a replica's own.
NAMES = [
    "text_classification",
    pytest.param("question_answering", marks=pytest.mark.slow),
    pytest.param("multiple_choice", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", NAMES)
def test_mirrored_strategy_gives_the_same_numbers(name, pytestconfig):
    result = subprocess.run(
        [sys.executable, "-c", FIT, name],
        capture_output=True,
        text=True,
        cwd=pytestconfig.rootpath,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two, three = json.loads(result.stdout.splitlines()[-1])
    np.testing.assert_allclose(two, one, atol=1e-5)
    np.testing.assert_allclose(three, one, atol=1e-5)
