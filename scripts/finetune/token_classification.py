"""Words with labels."""

import tensorflow as tf

import keras_longformer
from finetune import pictures
from finetune.outcomes import Outcome
from finetune.settings import Settings
from keras_longformer.tasks.token_classification import data
from keras_longformer.tasks.token_classification.data import labels_of
from keras_longformer.tasks.token_classification.metrics import entity_scores


class TokenClassification:
    """The task of `LongformerTokenClassifier`."""

    metric = "f1"

    def __init__(self, settings: Settings):
        self.settings = settings
        self.labels = None

    def read(self, path, labels=None):
        return data.read_conll(
            path, known_labels=labels, **self.settings.columns
        )

    def learn_labels(self, examples):
        """Fixes the labels, those of the training examples."""
        self.labels = labels_of(examples)
        return self.labels

    def group(self, example):
        return example.words

    def open(self, **options):
        return keras_longformer.LongformerTokenClassifier.from_preset(
            self.settings.preset,
            num_classes=len(self.labels),
            class_names=self.labels,
            **options,
        )

    def tensors(self, examples, model):
        index = {label: i for i, label in enumerate(self.labels)}
        return (
            tf.ragged.constant([list(e.words) for e in examples]),
            tf.ragged.constant(
                [[index[label] for label in e.labels] for e in examples],
                dtype=tf.int32,
            ),
        )

    def look_up(self, x, y):
        return x, y

    def measure(self, model, examples):
        predictions = model.decode_predictions(
            model.predict_words(
                [list(e.words) for e in examples],
                batch_size=self.settings.rows,
                verbose=0,
            )
        )
        golds = [list(e.labels) for e in examples]
        metrics = entity_scores(golds, predictions)

        def draw(figure):
            pictures.kinds(figure.subplots(), metrics)

        return Outcome(
            metrics,
            [
                {"place": e.place, "words": e.words, "gold": g, "prediction": p}
                for e, g, p in zip(examples, golds, predictions)
            ],
            draw,
        )
