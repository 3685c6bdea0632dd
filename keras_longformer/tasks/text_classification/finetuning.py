"""Fine-tuning on texts with one class, several labels or a number."""

import abc

import numpy as np
import tensorflow as tf

from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Option
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.tasks.finetuning import Tensors
from keras_longformer.tasks.finetuning import in_parts
from keras_longformer.tasks.pictures import confusion
from keras_longformer.tasks.pictures import reliability as draw_reliability
from keras_longformer.tasks.text_classification import data
from keras_longformer.tasks.text_classification import metrics
from keras_longformer.tasks.text_classification.hyperpartisan import (
    read_hyperpartisan,
)
from keras_longformer.tasks.text_classification.pictures import scatter

TABLES = ".jsonl, .csv or .tsv"


def _columns(label):
    return (
        Option("text_column", "of the texts (text)"),
        Option("label_column", f"of what is to be said of them ({label})"),
    )


class _TextFineTuning(FineTuning):
    """What the three have in common; a subclass says what is measured."""

    problem_type: str

    def group(self, example):
        return example.text

    def open(self, preset, labels, **options):
        if labels is not None:
            options |= self.head(labels)
        model = self.task_cls.from_preset(preset, **options)
        if model.problem_type != self.problem_type:
            raise ValueError(
                f"'{preset}' has a classifier with "
                f"problem_type={model.problem_type!r}. Its task is another "
                f"than the one of {self.problem_type!r}."
            )
        return model

    def head(self, labels):
        """Returns the keywords of a new head for `labels`."""
        return {
            "num_classes": len(labels),
            "class_names": labels,
            "problem_type": self.problem_type,
        }

    def labels_of(self, model):
        return model.class_names or [str(i) for i in range(model.num_classes)]

    def tensors(self, examples, model):
        return Tensors(
            tf.constant([e.text for e in examples]),
            tf.constant(self.targets(examples, self.labels_of(model))),
        )

    def measure(self, model, examples, batch_size=8, progress=None):
        outputs = []
        for part in in_parts(examples, progress):
            texts = tf.data.Dataset.from_tensor_slices([e.text for e in part])
            outputs.append(model.predict(texts.batch(batch_size), verbose=0))
        outputs = np.concatenate(outputs).astype("float32")
        targets = self.targets(examples, self.labels_of(model))
        outcome = self.compare(model, outputs, targets)
        outcome.predictions = [
            {"id": e.id or e.place, "gold": e.label, **said}
            for e, said in zip(examples, outcome.predictions)
        ]
        return outcome

    @abc.abstractmethod
    def targets(self, examples, labels):
        """Returns the examples' labels as an array, `(b, ...)`."""

    @abc.abstractmethod
    def compare(self, model, outputs, targets) -> Outcome:
        """Measures `outputs`, float32 `(b, num_classes)`."""


class ClassFineTuning(_TextFineTuning):
    """One class of each text."""

    problem_type = "single_label"
    metric = "accuracy"
    files = (
        f"{TABLES}; Hyperpartisan's articles...xml with ground-truth...xml "
        "beside it"
    )
    options = _columns("label")

    def read(self, path, labels=None):
        if path.lower().endswith(".xml"):
            return read_hyperpartisan(path)
        return data.read_classes(path, known_labels=labels, **self.given)

    def learn_labels(self, examples):
        labels = data.labels_of(examples)
        if len(labels) < 2:
            raise ValueError(
                "There must be two classes at least. The training examples "
                f"have {labels}."
            )
        return labels

    def targets(self, examples, labels):
        index = {label: i for i, label in enumerate(labels)}
        return np.array([index[e.label] for e in examples], "int32")

    def compare(self, model, outputs, targets):
        names = self.labels_of(model)
        probabilities = _probabilities(model, outputs, tf.nn.softmax)
        guesses = probabilities.argmax(-1)
        matrix = metrics.confusion_matrix(targets, guesses, len(names))
        table, error = metrics.reliability(
            guesses == targets, probabilities.max(-1)
        )
        scores = {**metrics.class_scores(matrix), "calibration_error": error}

        def draw(figure):
            left, right = figure.subplots(1, 2)
            confusion(left, matrix, names)
            draw_reliability(right, table)

        said = [
            {
                "prediction": names[i],
                "probabilities": dict(zip(names, map(float, row))),
            }
            for i, row in zip(guesses, probabilities)
        ]
        return Outcome(scores, said, draw)


class MultiLabelFineTuning(_TextFineTuning):
    """Any number of labels of each text."""

    problem_type = "multi_label"
    metric = "micro_f1"
    files = f"{TABLES}, several labels a text"
    options = _columns("labels")

    def read(self, path, labels=None):
        return data.read_label_sets(path, known_labels=labels, **self.given)

    def learn_labels(self, examples):
        return data.labels_of(examples)

    def targets(self, examples, labels):
        index = {label: i for i, label in enumerate(labels)}
        targets = np.zeros((len(examples), len(labels)), "int32")
        for row, example in zip(targets, examples):
            row[[index[label] for label in example.label]] = 1
        return targets

    def compare(self, model, outputs, targets):
        names = self.labels_of(model)
        probabilities = _probabilities(model, outputs, tf.sigmoid)
        guesses = probabilities > np.asarray(model.threshold, "float32")
        table, error = metrics.reliability(
            (targets > 0).ravel(), probabilities.ravel()
        )
        scores = {
            **metrics.label_set_scores(targets, guesses),
            "calibration_error": error,
        }
        said = [
            {
                "prediction": [n for n, is_on in zip(names, on) if is_on],
                "probabilities": dict(zip(names, map(float, row))),
            }
            for on, row in zip(guesses, probabilities)
        ]

        def draw(figure):
            draw_reliability(figure.subplots(), table)

        return Outcome(scores, said, draw)


class RegressionFineTuning(_TextFineTuning):
    """A number of each text."""

    problem_type = "regression"
    metric = "pearson"
    files = f"{TABLES}, a number a text"
    options = _columns("label")

    def read(self, path, labels=None):
        return data.read_numbers(path, **self.given)

    def learn_labels(self, examples):
        return ()  # A number has no names.

    def labels_of(self, model):
        return None

    def head(self, labels):
        return {"num_classes": 1, "problem_type": self.problem_type}

    def targets(self, examples, labels):
        return np.array([e.label for e in examples], "float32")

    def compare(self, model, outputs, targets):
        numbers = outputs[:, 0]

        def draw(figure):
            scatter(figure.subplots(), targets, numbers)

        return Outcome(
            metrics.regression_scores(targets, numbers),
            [{"prediction": float(x)} for x in numbers],
            draw,
        )


def _probabilities(model, outputs, of_logits):
    """Float32 array, of outputs that are logits or already probabilities."""
    is_linear = model.activation.__name__ == "linear"
    return of_logits(outputs).numpy() if is_linear else outputs
