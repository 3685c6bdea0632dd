"""What a process of a cluster does in tests: fits, and says what came out.

    python -m tests.training.worker FILE.npz

With `TF_CONFIG` it is one of the workers; without, one process with two
devices, which fits on one of them and then on both.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.training.distribution import agree_on_order
from keras_longformer.training.distribution import distribution_strategy
from keras_longformer.training.distribution import read_cluster
from keras_longformer.training.distribution import wait_for_all
from keras_longformer.training.replicas import TrainsOnReplicas

COUNT = 11  # With batches of 5, the last is of one example.


class Model(TrainsOnReplicas, keras.Model):
    pass


def make():
    """Looks tokens up, some of them twice, and has a loss of its weights."""
    ids = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(5, 7)(ids)
    x = keras.layers.Dense(2, kernel_regularizer="l2")(
        keras.layers.GlobalAveragePooling1D()(x)
    )
    model = Model(ids, x)
    model.compile(
        keras.optimizers.AdamW(
            0.05,
            epsilon=1e-3,
            global_clipnorm=0.05,
            gradient_accumulation_steps=2,
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    return model


def fit(strategy):
    """Returns weights, losses and predictions."""
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 5, (COUNT, 3))
    y, weight = generator.integers(0, 2, COUNT), generator.random(COUNT)
    with strategy.scope():
        model = make()
    agree_on_order(strategy)
    history = model.fit(
        x, y, batch_size=5, epochs=3, sample_weight=weight, verbose=0
    ).history
    return {
        "weights": np.concatenate([np.ravel(w) for w in model.get_weights()]),
        "losses": np.array(history["loss"] + history["accuracy"]),
        "evaluated": np.array(model.evaluate(x, y, batch_size=5, verbose=0)),
        "predicted": model.predict(x, batch_size=5, verbose=0),
    }


class OfPairs(keras.losses.Loss):
    compares_rows = True

    def call(self, y_true, y_pred):
        return y_pred - y_true


def refused(strategy):
    """Returns what `fit` says of what would not be the same."""
    said = []
    for options in (
        {"loss": "mse", "jit_compile": True},
        {"loss": OfPairs()},
        {"loss": keras.losses.MeanSquaredError(reduction=None)},
        {"loss": lambda y, y_pred: tf.reduce_mean(y_pred)},
    ):
        with strategy.scope():
            x = keras.Input((1,))
            model = Model(x, keras.layers.Dense(1)(x))
            model.compile("sgd", **options)
        try:
            model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
        except ValueError as error:
            said.append(str(error))
    return np.array(said)


def main(path):
    if read_cluster() is not None:
        strategy = distribution_strategy("multi_worker")
        results = fit(strategy)
        wait_for_all(strategy)
    else:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
        mirrored = distribution_strategy("mirrored")
        results = {
            f"{name}/{key}": value
            for name, strategy in (
                ("one", distribution_strategy(None)),
                ("mirrored", mirrored),
            )
            for key, value in fit(strategy).items()
        }
        results["refused"] = refused(mirrored)
    np.savez(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
