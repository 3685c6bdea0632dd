"""Fine-tuning on words with labels."""

import tensorflow as tf

from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Option
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.tasks.finetuning import Tensors
from keras_longformer.tasks.finetuning import in_parts
from keras_longformer.tasks.token_classification import data
from keras_longformer.tasks.token_classification import pictures
from keras_longformer.tasks.token_classification.metrics import entity_scores


class TokenClassificationFineTuning(FineTuning):
    """Entities, by the labels of their words."""

    metric = "f1"
    files = "CoNLL's columns, one word a line"
    options = (
        Option("word_column", "number of the words' column (0)", int),
        Option("label_column", "number of the labels' column (-1)", int),
        Option(
            "documents",
            "documents (-DOCSTART-) as rows, instead of sentences",
            bool,
        ),
    )

    def read(self, path, labels=None):
        given = dict(self.given)
        rows = "documents" if given.pop("documents", False) else "sentences"
        return data.read_conll(path, known_labels=labels, rows=rows, **given)

    def learn_labels(self, examples):
        return data.labels_of(examples)

    def group(self, example):
        return example.words

    def open(self, preset, labels, **options):
        if labels is not None:
            options |= {"num_classes": len(labels), "class_names": labels}
        return self.task_cls.from_preset(preset, **options)

    def labels_of(self, model):
        return model.class_names or [str(i) for i in range(model.num_classes)]

    def tensors(self, examples, model):
        index = {label: i for i, label in enumerate(self.labels_of(model))}
        return Tensors(
            tf.ragged.constant([list(e.words) for e in examples]),
            tf.ragged.constant(
                [[index[label] for label in e.labels] for e in examples],
                dtype=tf.int32,
            ),
        )

    def measure(self, model, examples, batch_size=8, progress=None):
        names = self.labels_of(model)
        predictions = []
        for part in in_parts(examples, progress):
            outputs = model.predict_words(
                [list(e.words) for e in part],
                batch_size=batch_size,
                verbose=0,
            )
            predictions += [
                [names[i] for i in text.argmax(-1)] for text in outputs
            ]
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
