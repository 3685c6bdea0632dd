"""Fine-tuning on questions with choices."""

import numpy as np
import tensorflow as tf

from keras_longformer.tasks import pictures
from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Option
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.tasks.finetuning import Tensors
from keras_longformer.tasks.finetuning import in_parts
from keras_longformer.tasks.multiple_choice import data
from keras_longformer.tasks.text_classification.metrics import confusion_matrix
from keras_longformer.tasks.text_classification.metrics import reliability


class MultipleChoiceFineTuning(FineTuning):
    """All choices of a question against each other."""

    metric = "accuracy"
    files = ".jsonl, .csv or .tsv with a context, choices and the right one"
    options = (
        Option("context_column", "of what the choices share (context)"),
        Option("question_column", "of questions, if there is one (question)"),
        Option("choices_column", "of the choices (choices)"),
        Option("label_column", "of the right choice (label)"),
    )

    def read(self, path, labels=None):
        return data.read_choices(path, **self.given)

    def group(self, example):
        return example.context

    def open(self, preset, labels, **options):
        return self.task_cls.from_preset(preset, **options)

    def tensors(self, examples, model):
        return Tensors(
            _inputs(examples), tf.constant([e.label for e in examples])
        )

    def measure(self, model, examples, batch_size=8, progress=None):
        logits = []
        for part in in_parts(examples, progress):
            choices = tf.data.Dataset.from_tensor_slices(_inputs(part))
            logits.append(model.predict(choices.batch(batch_size), verbose=0))
        logits = np.concatenate(logits).astype("float32")
        probabilities = tf.nn.softmax(logits).numpy()
        guesses = probabilities.argmax(-1)
        golds = np.array([e.label for e in examples])
        count = logits.shape[-1]
        matrix = confusion_matrix(golds, guesses, count)
        table, error = reliability(guesses == golds, probabilities.max(-1))
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
