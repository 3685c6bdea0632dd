"""Bits per character of a long text, in windows that overlap."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_longformer.training.progress import Progress

# The paper's: appendix B of arXiv 2004.05150.
SEQUENCE_LENGTH = 32_256


class Evaluation(NamedTuple):
    """What a language model costs a text.

    Attributes:
        bits_per_character: float, the mean of `-log2 p(character)`.
        characters: int, how many were predicted.
    """

    bits_per_character: float
    characters: int


class Window(NamedTuple):
    """Tokens that the model reads at once.

    Attributes:
        start: int, the first of its tokens.
        stop: int, the one after its last; that one is predicted too.
        scored: int, how many of its predictions count, the last ones.
    """

    start: int
    stop: int
    scored: int


def windows_of(count: int, length: int, stride: int) -> list[Window]:
    """Returns windows whose predictions count every token but the first once.

    For 12 tokens, a length of 6 and a stride of 2, . read and * predicted:

        token  0 1 2 3 4 5 6 7 8 9 10 11
               . * * * * * *
                   . . . . . * *
                       . . . . . * *
                         . . . . . . *

    Args:
        count: int, tokens of the text.
        length: int, the most that are read at once.
        stride: int, how many more tokens each window predicts.
    """
    stop = min(length, count - 1)
    windows = [Window(0, stop, stop)]
    while stop < count - 1:
        new = min(stride, count - 1 - stop)
        stop += new
        windows.append(Window(stop - length, stop, new))
    return windows


def evaluate_stream(
    backbone,
    token_ids: np.ndarray,
    *,
    sequence_length: int | None = None,
    stride: int = 512,
    batch_size: int = 1,
) -> Evaluation:
    """See `LongformerCharLM.bits_per_character`.

    Args:
        backbone: a `LongformerDecoderBackbone`.
        token_ids: int `(k,)`; only what a batch reads is copied.
        sequence_length, stride, batch_size: as there.

    Raises:
        ValueError: fewer than two tokens, or a stride that would leave
            characters out.
    """
    length = sequence_length or SEQUENCE_LENGTH
    if not 1 <= stride <= length:
        raise ValueError(
            "`stride` must be from 1 to `sequence_length`, or characters would "
            f"be left out. Received: stride={stride}, sequence_length={length}"
        )
    if len(token_ids) < 2:
        raise ValueError(
            "Of a text of two characters the second can be predicted, of a "
            f"shorter one none. Received: {len(token_ids)}."
        )
    windows = windows_of(len(token_ids), length, stride)
    nats, characters = 0.0, 0
    run = tf.function(
        lambda tokens, targets: _nats(backbone, tokens, targets),
        input_signature=[tf.TensorSpec([None, None], tf.int32)] * 2,
        autograph=False,
    )
    with Progress("Measuring", len(windows)) as progress:
        for batch in _batches(windows, batch_size):
            # Those of a batch are of one shape.
            scored = batch[0].scored
            tokens = _rows(token_ids, batch, 0)
            targets = _rows(token_ids, batch, 1)[:, -scored:]
            nats += float(run(tokens, targets))
            characters += targets.size
            progress(len(batch))
    return Evaluation(nats / math.log(2) / characters, characters)


def _nats(backbone, tokens, targets):
    """The sum of `-log p(target)` over the last tokens' predictions."""
    hidden = backbone({"token_ids": tokens}, training=False)
    hidden = hidden[:, -tf.shape(targets)[1] :]
    logits = backbone.token_embedding(hidden, reverse=True)
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
        targets, tf.cast(logits, tf.float32)
    )
    return tf.reduce_sum(tf.cast(nats, tf.float64))


def _batches(windows, batch_size):
    """Groups windows of equal shape, in order."""
    batch = []
    for window in windows:
        same = batch and (
            batch[0].scored == window.scored
            and batch[0].stop - batch[0].start == window.stop - window.start
        )
        if batch and (not same or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(window)
    yield batch


def _rows(token_ids, batch, shift):
    rows = [token_ids[w.start + shift : w.stop + shift] for w in batch]
    return np.stack(rows).astype(np.int32)
