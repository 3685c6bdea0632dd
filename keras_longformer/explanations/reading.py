"""One text as the row that a model reads, and that row in words."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_longformer.tasks.reading import read_texts
from keras_longformer.text.columns import is_text
from keras_longformer.text.rows import without_problems

# The names that an encoder's inputs have where a decoder stands behind it.
ENCODER = "encoder_"


@dataclasses.dataclass(frozen=True)
class Word:
    """Some tokens that make a word, or one special token.

    Attributes:
        text: str, its characters, without white space around them.
        first, last: int, its first token, and the one after its last.
        is_special: bool, whether it is a token such as `<s>`.
    """

    text: str
    first: int
    last: int
    is_special: bool


def read_row(preprocessor, text, row: int) -> dict[str, tf.Tensor]:
    """Returns the model's inputs `(1, n)` for one text, without padding.

    Args:
        preprocessor: a task's.
        text: one example, as its `predict` takes it, without a batch axis.
        row: int, which of the example's rows: a choice, or a window.

    Raises:
        TypeError: what is no text.
        ValueError: there are fewer rows, or no tokens at all.
    """
    if not hasattr(preprocessor, "model_inputs"):  # Texts without a template.
        if not is_text(text):
            raise TypeError(
                f"{type(preprocessor).__name__} reads one text. Received: "
                f"{text!r:.60}"
            )
        token_ids, _ = preprocessor.prompts(tf.constant([text]), 0)
        if not token_ids.shape[1]:
            raise ValueError("The text is empty: there is nothing to look at.")
        return {"token_ids": token_ids, "padding_mask": token_ids >= 0}
    x = _with_batch(text)
    is_document = isinstance(x, list) and len(preprocessor.takes.required) > 1
    if not is_document:
        # As `predict` reads what is no UTF-8.
        x = read_texts(x, preprocessor.takes, valid_utf8=False)
    with tf.device("CPU"):
        rows = without_problems(preprocessor.rows(x)).windows.token_ids
        count = int(rows.nrows())
        if not 0 <= row < count:
            raise ValueError(
                f"The example has {count} rows, numbered from 0. Received: "
                f"row={row}."
            )
        token_ids = rows[row : row + 1].to_tensor()
        inputs = preprocessor.model_inputs(
            token_ids, tf.ones_like(token_ids, tf.bool)
        )
    return {name.removeprefix(ENCODER): x for name, x in inputs.items()}


def words_of(tokenizer, token_ids: np.ndarray) -> list[Word]:
    """Returns the words of a row, int `(n,)`, in their order."""
    special = np.isin(token_ids, tokenizer.special_token_ids)
    starts = special | _word_starts(tokenizer, token_ids)
    starts[1:] |= special[:-1]
    starts[:1] = True
    firsts = np.flatnonzero(starts)
    lasts = [*firsts[1:], len(token_ids)]
    rows = tf.RaggedTensor.from_row_starts(tf.cast(token_ids, tf.int32), firsts)
    texts = tokenizer.detokenize(rows).numpy().tolist()
    return [
        Word(
            text.decode("utf-8", "replace").strip(),
            int(first),
            int(last),
            bool(special[first]),
        )
        for text, first, last in zip(texts, firsts, lasts, strict=True)
    ]


def tokens_of(tokenizer, token_ids: np.ndarray) -> list[str]:
    """Returns what each token of a row stands for."""
    texts = tokenizer.detokenize(tf.cast(token_ids, tf.int32)[:, None])
    return [text.decode("utf-8", "replace") for text in texts.numpy()]


def _word_starts(tokenizer, token_ids):
    try:
        return tokenizer.word_starts[token_ids]
    except NotImplementedError:  # Characters: each is one of its own.
        pieces = tokenizer.detokenize(tf.cast(token_ids, tf.int32)[:, None])
        # Of several bytes, those after the first are 0b10......
        return np.array(
            [x[:1] < b"\x80" or x[:1] > b"\xbf" for x in pieces.numpy()]
        )


def _with_batch(text):
    if isinstance(text, dict):
        return {name: [value] for name, value in text.items()}
    if isinstance(text, tuple):
        return tuple([value] for value in text)
    return [text]
