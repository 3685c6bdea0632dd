"""Texts with one class, several labels or a number."""

import numpy as np
import tensorflow as tf

import keras_longformer
from finetune import pictures
from finetune.outcomes import Outcome
from finetune.settings import Settings
from keras_longformer.tasks.text_classification import data
from keras_longformer.tasks.text_classification import (
    metrics as classification_metrics,
)
from keras_longformer.tasks.text_classification.data import labels_of

PROBLEM_TYPES = {
    "text_classification": "single_label",
    "multi_label": "multi_label",
    "regression": "regression",
}
READERS = {
    "text_classification": data.read_classes,
    "multi_label": data.read_label_sets,
    "regression": data.read_numbers,
}
METRICS = {
    "text_classification": "accuracy",
    "multi_label": "micro_f1",
    "regression": "pearson",
}


class TextClassification:
    """Three tasks of `LongformerTextClassifier`."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.metric = METRICS[settings.task]
        self.problem_type = PROBLEM_TYPES[settings.task]
        self.labels = None

    def read(self, path, labels=None):
        if path.lower().endswith(".xml"):
            if self.problem_type != "single_label":
                raise ValueError("Hyperpartisan's XML has one class a text.")
            return data.read_hyperpartisan(path)
        options = dict(self.settings.columns)
        if self.problem_type != "regression":
            options["known_labels"] = labels
        return READERS[self.settings.task](path, **options)

    def learn_labels(self, examples):
        """Fixes the labels, those of the training examples."""
        if self.problem_type != "regression":
            self.labels = labels_of(examples)
            if self.problem_type == "single_label" and len(self.labels) < 2:
                raise ValueError(
                    "There must be two classes at least. The training "
                    f"examples have {self.labels}."
                )
        return self.labels

    def group(self, example):
        return example.text

    def open(self, **options):
        return keras_longformer.LongformerTextClassifier.from_preset(
            self.settings.preset,
            num_classes=len(self.labels) if self.labels else 1,
            problem_type=self.problem_type,
            class_names=self.labels,
            **options,
        )

    def tensors(self, examples, model):
        return tf.constant([e.text for e in examples]), tf.constant(
            self._targets(examples)
        )

    def look_up(self, x, y):
        return x, y

    def measure(self, model, examples):
        texts = tf.data.Dataset.from_tensor_slices([e.text for e in examples])
        outputs = model.predict(texts.batch(self.settings.rows), verbose=0)
        outputs = outputs.astype("float32")
        targets = self._targets(examples)
        measure = getattr(self, f"_{self.problem_type}")
        metrics, draw, said = measure(outputs, targets)
        predictions = [
            {"id": e.id or e.place, "gold": e.label, **one}
            for e, one in zip(examples, said)
        ]
        return Outcome(metrics, predictions, draw)

    def _targets(self, examples):
        if self.problem_type == "regression":
            return np.array([e.label for e in examples], "float32")
        index = {label: i for i, label in enumerate(self.labels)}
        if self.problem_type == "single_label":
            return np.array([index[e.label] for e in examples], "int32")
        targets = np.zeros((len(examples), len(self.labels)), "int32")
        for row, example in zip(targets, examples):
            row[[index[label] for label in example.label]] = 1
        return targets

    def _single_label(self, logits, targets):
        probabilities = tf.nn.softmax(logits).numpy()
        guesses = probabilities.argmax(-1)
        matrix = classification_metrics.confusion_matrix(
            targets, guesses, len(self.labels)
        )
        table, error = classification_metrics.reliability(
            guesses == targets, probabilities.max(-1)
        )
        metrics = classification_metrics.class_scores(matrix)
        metrics["calibration_error"] = error

        def draw(figure):
            left, right = figure.subplots(1, 2)
            pictures.confusion(left, matrix, self.labels)
            pictures.reliability(right, table)

        said = [
            {
                "prediction": self.labels[i],
                "probabilities": dict(zip(self.labels, map(float, row))),
            }
            for i, row in zip(guesses, probabilities)
        ]
        return metrics, draw, said

    def _multi_label(self, logits, targets):
        probabilities = tf.sigmoid(logits).numpy()
        guesses = probabilities > 0.5
        metrics = classification_metrics.label_set_scores(targets, guesses)
        table, error = classification_metrics.reliability(
            (targets > 0).ravel(), probabilities.ravel()
        )
        metrics["calibration_error"] = error
        said = [
            {
                "prediction": [n for n, is_on in zip(self.labels, on) if is_on],
                "probabilities": dict(zip(self.labels, map(float, row))),
            }
            for on, row in zip(guesses, probabilities)
        ]

        def draw(figure):
            pictures.reliability(figure.subplots(), table)

        return metrics, draw, said

    def _regression(self, outputs, targets):
        numbers = outputs[:, 0]
        metrics = classification_metrics.regression_scores(targets, numbers)

        def draw(figure):
            pictures.scatter(figure.subplots(), targets, numbers)

        return metrics, draw, [{"prediction": float(x)} for x in numbers]
