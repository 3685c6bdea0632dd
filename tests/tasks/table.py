"""All tasks, each with what a test needs to run a contract over them."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

import keras_longformer as klf
from tests.tasks import small

CHOICES = {
    "question": ["who?", "why", "", "how?"],
    "context": ["a good text about Ada", "bad " * 60, "a text", ""],
    "choices": [["Ada", "Zoe"], ["a", "b", "c"], ["x", "y"], ["only", "one"]],
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One task.

    Attributes:
        name: str, its folder's.
        cls: the class.
        make: function of backbone keywords, to a small task.
        x, y: what `fit` takes; `y` is `None` where there is none.
        predict: function of the task, to an array that is the same each time.
        fits_xla: whether `fit` can be compiled by XLA.
    """

    name: str
    cls: type
    make: Callable
    x: object
    y: object
    predict: Callable
    fits_xla: bool = True

    def __str__(self):
        return self.name

    def fit(self, task, **options):
        targets = [] if self.y is None else [self.y]
        return task.fit(self.x, *targets, batch_size=4, verbose=0, **options)

    def inputs(self, task):
        """What the model itself takes."""
        if self.name == "masked_lm":
            return task.preprocessor.fill_mask_preprocess(["a <mask>"])
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(
            task.preprocessor(self.x)
        )
        return inputs

    def call(self, task, inputs):
        """A direct call's output, without the time that tracing takes."""
        return np.asarray(ops.cast(task(inputs), "float32"))

    def scaled(self, **config):
        """A task of two layers whose answers differ visibly."""
        task = self.make(**{"num_layers": 2, **config})
        generator = np.random.default_rng(3)
        for weight in task.trainable_weights:
            noise = generator.normal(0, 0.02, weight.shape)
            weight.assign((weight + noise) * 5)
        return task


def make(cls, preprocessor=None, head=None, **config):
    """A small task of any class, its preprocessor's options as a dict."""
    reader = cls.preprocessor_cls(
        small.shared_tokenizer(),
        **{"sequence_length": 64, **(preprocessor or {})},
    )
    allowed = cls.default_max_global_tokens
    if cls is klf.LongformerQuestionAnswering:
        allowed = 17
    backbone = small.make_backbone(**{"max_global_tokens": allowed, **config})
    return cls(backbone, preprocessor=reader, **(head or {}))


def make_summarizer(**config):
    """A small encoder with a decoder."""
    tokenizer = small.shared_tokenizer()
    return klf.LongformerSeq2SeqLM(
        klf.LongformerSeq2SeqBackbone(
            **{
                "vocabulary_size": tokenizer.vocabulary_size(),
                "num_layers": 1,
                "num_heads": 3,
                "hidden_dim": 24,
                "intermediate_dim": 37,
                "window_size": 8,
                "max_sequence_length": 64,
                "max_decoder_sequence_length": 32,
                "max_global_tokens": 1,
                **config,
            }
        ),
        klf.LongformerSeq2SeqLMPreprocessor(
            tokenizer, sequence_length=64, decoder_sequence_length=24
        ),
    )


def _maker(cls, preprocessor=None, **head):
    def make_one(**config):
        return make(cls, preprocessor, head, **config)

    return make_one


def _fill_masks(task):
    inputs = task.preprocessor.fill_mask_preprocess(["a <mask> text", "<mask>"])
    return np.asarray(task.predict_packed(inputs, verbose=0), "float32")


def _predict(x):
    return lambda task: np.asarray(task.predict(x, verbose=0), "float32")


WORDS = [["a", "good", "text"], ["bad"], ["good", "Ünïcödé"], []]
SUMMARIES = {
    "encoder_text": small.TEXTS,
    "decoder_text": ["good", "a whale", "", "bad", "a bad text", "Ünï"],
}
QA = {"question": small.QUESTIONS, "context": small.CONTEXTS}

KINDS = [
    Kind(
        "text_classification",
        klf.LongformerTextClassifier,
        _maker(klf.LongformerTextClassifier, num_classes=3),
        small.TEXTS,
        [1, 2, 1, 0, 0, 0],
        _predict(small.TEXTS),
    ),
    Kind(
        "token_classification",
        klf.LongformerTokenClassifier,
        _maker(klf.LongformerTokenClassifier, num_classes=3),
        WORDS,
        [[0, 1, 0], [2], [1, 0], []],
        _predict(WORDS),
    ),
    Kind(
        "question_answering",
        klf.LongformerQuestionAnswering,
        _maker(klf.LongformerQuestionAnswering, {"long_questions": "truncate"}),
        QA,
        small.ANSWERS,
        _predict(QA),
    ),
    Kind(
        "multiple_choice",
        klf.LongformerMultipleChoice,
        _maker(klf.LongformerMultipleChoice),
        CHOICES,
        [0, 2, 1, 0],
        _predict(CHOICES),
        fits_xla=False,  # Any number of global tokens.
    ),
    Kind(
        "embedding",
        klf.LongformerEmbedder,
        _maker(klf.LongformerEmbedder),
        (small.TEXTS, small.TEXTS[::-1]),
        None,
        _predict(small.TEXTS),
    ),
    Kind(
        "masked_lm",
        klf.LongformerMaskedLM,
        _maker(klf.LongformerMaskedLM, {"seed": 5}),
        small.TEXTS,
        None,
        _fill_masks,
    ),
    Kind(
        "summarization",
        klf.LongformerSeq2SeqLM,
        make_summarizer,
        SUMMARIES,
        None,
        _predict(SUMMARIES),
    ),
]
BY_NAME = {kind.name: kind for kind in KINDS}


def weights_of(task):
    return [np.asarray(weight) for weight in task.weights]


def load_model(path):
    return keras.saving.load_model(path)
