"""Questions with choices."""

import numpy as np
import tensorflow as tf

import keras_longformer
from finetune import pictures
from finetune.outcomes import Outcome
from finetune.settings import Settings
from keras_longformer.tasks.multiple_choice import data
from keras_longformer.tasks.text_classification import (
    metrics as classification_metrics,
)


class MultipleChoice:
    """The task of `LongformerMultipleChoice`."""

    metric = "accuracy"

    def __init__(self, settings: Settings):
        self.settings = settings
        self.labels = None

    def read(self, path, labels=None):
        return data.read_choices(path, **self.settings.columns)

    def learn_labels(self, examples):
        """There are none."""

    def group(self, example):
        return example.context

    def open(self, **options):
        return keras_longformer.LongformerMultipleChoice.from_preset(
            self.settings.preset, **options
        )

    def tensors(self, examples, model):
        return _inputs(examples), tf.constant([e.label for e in examples])

    def look_up(self, x, y):
        return x, y

    def measure(self, model, examples):
        choices = tf.data.Dataset.from_tensor_slices(_inputs(examples))
        logits = model.predict(choices.batch(self.settings.rows), verbose=0)
        probabilities = tf.nn.softmax(logits.astype("float32")).numpy()
        guesses = probabilities.argmax(-1)
        golds = np.array([e.label for e in examples])
        count = logits.shape[-1]
        matrix = classification_metrics.confusion_matrix(golds, guesses, count)
        table, error = classification_metrics.reliability(
            guesses == golds, probabilities.max(-1)
        )
        metrics = {
            "accuracy": float(np.mean(guesses == golds)),
            "chance": 1 / count,
            "calibration_error": error,
        }

        def draw(figure):
            left, right = figure.subplots(1, 2)
            names = [str(i) for i in range(count)]
            pictures.confusion(left, matrix, names)
            pictures.reliability(right, table)

        predictions = [
            {
                "id": e.id,
                "gold": e.label,
                "prediction": int(guess),
                "probabilities": row.tolist(),
            }
            for e, guess, row in zip(examples, guesses, probabilities)
        ]
        return Outcome(metrics, predictions, draw)


def _inputs(examples):
    inputs = {
        "context": tf.constant([e.context for e in examples]),
        "choices": tf.constant([e.choices for e in examples]),
    }
    if examples[0].question is not None:
        inputs["question"] = tf.constant([e.question for e in examples])
    return inputs
