"""Long documents whose class shows only deep inside them.

A document is real text put together: it opens with lines of the library's
top-level modules, which say nothing of its class; then comes a passage of one
of some packages, `asyncio` or `email` say; then lines of modules again. The
class is the package. Whoever reads no further than the opening can only guess.
"""

import dataclasses
import random

import keras
import numpy as np
import tensorflow as tf

import keras_longformer
from quickstart import corpus
from quickstart import masked_lm
from quickstart.settings import Settings

PASSAGE = 0.3  # Parts of a document.
OPENING = (0.25, 0.55)  # Where the passage begins.


@dataclasses.dataclass(frozen=True)
class Documents:
    """Documents of all classes, as many of each.

    Attributes:
        texts: list of str.
        labels: int32 `(documents,)`, index of the class.
        first_evidence: int, the least number of tokens before the passage.
    """

    texts: list[str]
    labels: np.ndarray
    first_evidence: int


def make_documents(
    sources: list[corpus.Source],
    count: int,
    tokenizer: keras_longformer.LongformerTokenizer,
    characters_per_token: float,
    settings: Settings,
    seed: int,
) -> Documents:
    """Makes documents of the long length from the files of one split.

    Args:
        sources: the files of one split.
        count: int, documents; the next multiple of the number of classes is
            made.
        tokenizer: tells how long an opening is.
        characters_per_token: float, roughly, to draw lengths by.
        settings: the lengths and classes.
        seed: int.

    Returns:
        `Documents` in random order. In every one the passage begins behind
        the short length and ends within the long one.
    """
    generator = random.Random(seed)
    characters = int(settings.long_length * characters_per_token)
    neutral = [s for s in sources if s.package == corpus.MODULES]
    pools = [
        [s for s in sources if s.package == name] for name in settings.classes
    ]
    if not all(pools):
        raise ValueError(
            "The library of this Python must have the packages "
            f"{settings.classes}, with their sources."
        )
    documents = []
    while len(documents) < count:
        for label, pool in enumerate(pools):
            text, before = _document(
                neutral, pool, tokenizer, characters, settings, generator
            )
            documents.append((text, label, before))
    generator.shuffle(documents)
    texts, labels, before = zip(*documents, strict=True)
    return Documents(list(texts), np.array(labels, "int32"), min(before))


def _document(neutral, pool, tokenizer, characters, settings, generator):
    """Returns a text, and the number of tokens before its passage."""
    while True:
        opening = int(generator.uniform(*OPENING) * characters)
        head = corpus.passage(neutral, opening, generator) + "\n"
        deep = corpus.passage(pool, int(PASSAGE * characters), generator)
        sizes = tokenizer.tokenize([head, deep]).row_lengths().numpy()
        if (
            len(deep) > PASSAGE / 2 * characters  # Files may be shorter.
            and sizes[0] >= settings.short_length
            and sizes.sum() <= settings.long_length - 2
        ):
            break
    tail = corpus.passage(neutral, characters, generator)
    return f"{head}{deep}\n{tail}", int(sizes[0])


def open_classifier(
    preset: str, settings: Settings, length: int
) -> keras_longformer.LongformerTextClassifier:
    """Opens the lengthened model with a new head, to read `length` tokens."""
    return keras_longformer.LongformerTextClassifier.from_preset(
        preset,
        num_classes=len(settings.classes),
        max_sequence_length=length,
        window_size=settings.window_size,
        dropout=0.0,
    )


def fine_tune(
    classifier: keras_longformer.LongformerTextClassifier,
    documents: Documents,
    settings: Settings,
) -> int:
    """Trains for one pass over raw texts, with Keras' `fit`.

    Returns:
        The number of updates, fewer than there are batches where all would
        take more than `settings.seconds_of_training`.
    """
    batches = masked_lm.batched(
        (documents.texts, documents.labels), settings.classifier_batch_size
    )
    if settings.seconds_of_training is not None:
        _compile(classifier, keras.optimizers.SGD(0.0))
        batches = batches.take(
            masked_lm.updates_within(
                classifier, batches, settings.seconds_of_training
            )
        )
    steps = len(batches)
    _compile(classifier, masked_lm.optimizer(settings.classifier_peak, steps))
    classifier.fit(batches, shuffle=False)
    return steps


def accuracy(
    classifier: keras_longformer.LongformerTextClassifier,
    documents: Documents,
    settings: Settings,
) -> float:
    """Returns the part of the documents whose class is told right."""
    texts = tf.data.Dataset.from_tensor_slices(documents.texts)
    logits = classifier.predict(texts.batch(settings.classifier_batch_size))
    return float(np.mean(np.argmax(logits, axis=-1) == documents.labels))


def majority(train: Documents, test: Documents) -> float:
    """Returns the accuracy of always saying the commonest training class."""
    commonest = np.bincount(train.labels).argmax()
    return float(np.mean(test.labels == commonest))


def _compile(classifier, optimizer):
    classifier.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
