"""The encoder as compiled graphs, with a cap on the size of a text."""

from collections.abc import Callable
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.tokenizers.special_tokens import AddedToken


class EncoderGraphs:
    """The encoder as graphs, traced once for each tuple of special tokens.

    Keras and SavedModel look for functions and tables on every object they
    track and would export all these graphs on their own; on this object,
    which neither tracks, they find none.

    Args:
        encoder: has `encode` and `encode_with_offsets`.
        max_text_bytes: int or `None`, the largest text.
        name: str, the tokenizer's, for messages.
    """

    def __init__(self, encoder, max_text_bytes: int | None, name: str):
        self.encoder = encoder
        self._max_text_bytes = max_text_bytes
        self._name = name
        self._traced = {}
        self._choices = {}

    def chosen(
        self,
        choice: bool | Sequence[str],
        make: Callable[[], tuple[AddedToken, ...]],
    ) -> tuple[AddedToken, ...]:
        """Returns the tokens of a choice, made once: always the same tuple."""
        key = choice if isinstance(choice, bool | str) else tuple(choice)
        if key not in self._choices:
            self._choices[key] = make()
        return self._choices[key]

    def encode(self, texts, special_tokens: Sequence[AddedToken]):
        """Runs the encoder's `encode`."""
        return self._run(self.encoder.encode, texts, special_tokens)

    def encode_with_offsets(self, texts, special_tokens: Sequence[AddedToken]):
        """Runs the encoder's `encode_with_offsets`."""
        return self._run(
            self.encoder.encode_with_offsets, texts, special_tokens
        )

    def encode_words(self, words, special_tokens: Sequence[AddedToken]):
        """Runs `encode_words`, which only `BytePairEncoder` has."""
        return self._run(self.encoder.encode_words, words, special_tokens)

    def _run(self, method, texts, special_tokens):
        # There may be thousands of them: comparing them would take longer
        # than a short text. `_choices` keeps them, so an id is one tuple's.
        key = (method.__name__, id(special_tokens))
        if key not in self._traced:

            def encode(texts):
                with tf.device("CPU"):
                    texts = within_size(texts, self._max_text_bytes, self._name)
                    return method(texts, special_tokens)

            self._traced[key] = tf.function(
                encode,
                input_signature=[tf.TensorSpec([None], tf.string)],
                autograph=False,
            )
        return self._traced[key](texts)


def within_size(
    texts: tf.Tensor, max_text_bytes: int | None, name: str
) -> tf.Tensor:
    """Returns string `(b,)` texts, having checked the size of each."""
    if max_text_bytes is None:
        return texts
    sizes = tf.strings.length(texts)
    row = tf.argmax(tf.concat([sizes, [-1]], 0))
    largest = tf.reduce_max(tf.concat([sizes, [-1]], 0))
    message = tf.strings.format(
        f"{name}: text {{}} of the batch has {{}} bytes, more than "
        f"`max_text_bytes={max_text_bytes}`. Cut it, split it, or make the "
        "tokenizer with a larger `max_text_bytes`.",
        (row, largest),
    )
    check = tf.debugging.Assert(largest <= max_text_bytes, [message])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(texts)
