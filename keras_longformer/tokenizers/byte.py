"""Bytes as tokens: what a character language model reads."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import as_ids
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import flat
from keras_longformer.text.template import RowTemplate
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.graphs import within_size
from keras_longformer.tokenizers.shaping import shaped_as

# Named alphabets. text8 is Wikipedia's text in 27 characters
# (http://mattmahoney.net/dc/textdata.html).
ALPHABETS = {"text8": b" abcdefghijklmnopqrstuvwxyz"}
PAD = "<pad>"
END = "<end>"


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerByteTokenizer(GraphTokenizer):
    """Each byte of a text is a token; texts come back byte for byte.

    The ids of an alphabet of `v` bytes are

        0 ... v - 1   the bytes, in the alphabet's order
        v             <pad>, which fills rows up
        v + 1         <end>, the border between documents

    No text has the last two: nothing in it is taken for them. It runs as stock
    TensorFlow operations: eagerly, in `tf.function`, in `tf.data` and in a
    SavedModel.

    Args:
        alphabet: `None` for all 256 bytes, as for enwik8; `"text8"` for its 27
            characters, a space and a to z; or a string of other single-byte
            characters, each once. A text with another byte is refused.
        sequence_length: int or `None`. Pads with `<pad>`, or cuts off, to so
            many tokens.
        max_text_bytes: int or `None`, the longest text that is taken.
        dtype: an integer type, that of the ids.
        **kwargs: `name`, `trainable`.

    Attributes:
        byte_ids: int32 array `(256,)`, the id of each byte, -1 for those that
            are not in the alphabet.

    Raises:
        ValueError: an alphabet of no or of equal characters, or of characters
            of more than one byte; another `dtype`.
        InvalidArgumentError: a text with a byte that is not in the alphabet.

    Example:
    ```python
    tokenizer = keras_longformer.LongformerByteTokenizer("text8")
    ids = tokenizer("anarchism originated")
    tokenizer.detokenize(ids)  # b"anarchism originated"
    ```
    """

    def __init__(
        self,
        alphabet: str | None = None,
        sequence_length: int | None = None,
        max_text_bytes: int | None = None,
        dtype: str = "int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.built = True  # It has no weights, and Keras quantizes built ones.
        if not self.compute_dtype.startswith("int"):
            raise ValueError(
                "`dtype` must be an integer type, that of the token ids. "
                f"Received: dtype={dtype}."
            )
        self.file_assets = []
        # Config
        self.alphabet = alphabet
        self.sequence_length = sequence_length
        self.max_text_bytes = max_text_bytes
        # Ids
        self._bytes = _alphabet_bytes(alphabet)
        size = len(self._bytes)
        self.pad_token, self.pad_token_id = PAD, size
        self.end_token, self.end_token_id = END, size + 1
        self.start_token, self.start_token_id = END, size + 1
        self.unk_token = self.unk_token_id = None
        self.mask_token = self.mask_token_id = None
        self.special_tokens_in_text = False
        # The id of each byte, -1 for those that are not in the alphabet.
        self.byte_ids = np.full(256, -1, np.int32)
        self.byte_ids[list(self._bytes)] = np.arange(size)
        self._ids = cpu_constant(self.byte_ids)
        self._texts = cpu_constant(
            [bytes([byte]) for byte in self._bytes] + [b"", b""]
        )

    # Text to ids and back

    def tokenize(self, inputs, special_tokens_in_text=None):
        """Returns the ids of texts' bytes.

        Args:
            inputs: a string, a (nested) list or array of strings, or a
                string tensor of any rank, ragged too.
            special_tokens_in_text: `None` or `False`: none is recognised.

        Returns:
            int ids with one more axis than `inputs`: dense for one text,
            ragged for more, dense with `sequence_length`.
        """
        if special_tokens_in_text:
            raise ValueError(
                f"{type(self).__name__} recognises no special tokens in texts. "
                f"Received: special_tokens_in_text={special_tokens_in_text!r}"
            )
        texts = as_texts(inputs)
        with tf.device("CPU"):
            ids = self._encode(flat(texts))
        return self._shaped(ids, texts, self.pad_token_id)

    def tokenize_with_offsets(self, inputs, special_tokens_in_text=None):
        """Returns ids and the character (code point) that each byte is of.

        A byte that is part of a character gets the whole character. Of a text
        that is not UTF-8, a byte that no character has begun before gets an
        empty span.
        """
        ids = self.tokenize(inputs, special_tokens_in_text)
        texts = as_texts(inputs)
        with tf.device("CPU"):
            data, rows = _bytes_of(flat(texts))
            # Bytes 10xxxxxx go on with a character.
            begins = tf.not_equal(tf.bitwise.bitwise_and(data, 0xC0), 0x80)
            ends = tf.cumsum(tf.cast(begins, tf.int32))
            before = tf.gather(tf.concat([[0], ends], 0), rows.row_starts())
            ends -= tf.repeat(before, rows.row_lengths())
            starts = tf.maximum(ends - 1, 0)
            starts, ends = (
                tf.RaggedTensor.from_row_splits(x, rows.row_splits)
                for x in (starts, ends)
            )
        return Tokens(
            ids=ids,
            starts=self._shaped(starts, texts, 0),
            ends=self._shaped(ends, texts, 0),
        )

    def tokenize_words(self, words):
        """Returns ids, int32 ragged `(w, None)`, a blank before each word."""
        empty = tf.equal(tf.strings.length(words), 0)
        return self.tokenize(tf.where(empty, "", tf.strings.join([" ", words])))

    def detokenize(self, inputs):
        """Returns the bytes that ids stand for; `<pad>` and `<end>` have none.

        Args:
            inputs: an id, a list or tensor of them for one text, or nested
                lists or a tensor of higher rank, ragged too, for a batch.

        Returns:
            string tensor without the last axis of `inputs`: the very bytes,
            which need not be UTF-8.
        """
        with tf.device("CPU"):
            pieces = tf.ragged.map_flat_values(
                lambda ids: tf.gather(self._texts, ids), as_ids(inputs)
            )
            return tf.strings.reduce_join(pieces, axis=-1)

    def _encode(self, texts):
        texts = within_size(texts, self.max_text_bytes, type(self).__name__)
        data, rows = _bytes_of(texts)
        ids = tf.gather(self._ids, data)
        if len(self._bytes) < 256:
            bad = tf.concat([ids < 0, [False]], 0)
            place = tf.argmax(tf.cast(bad, tf.int32))
            message = tf.strings.format(
                f"{type(self).__name__}: a text has the byte {{}}, which is "
                f"not in the alphabet {self._shown()}. Clean the text, or make "
                "the tokenizer without `alphabet`: it then takes all bytes.",
                tf.gather(tf.concat([data, [0]], 0), place),
            )
            check = tf.debugging.Assert(~tf.reduce_any(bad), [message])
            with tf.control_dependencies([] if check is None else [check]):
                ids = tf.identity(ids)
        return rows.with_flat_values(ids)

    def _shown(self):
        return repr(bytes(self._bytes).decode("latin-1"))

    def _shaped(self, values, texts, padding):
        return shaped_as(
            texts,
            tf.cast(values, self.compute_dtype),
            sequence_length=self.sequence_length,
            padding=padding,
        )

    # Vocabulary

    @property
    def has_vocabulary(self) -> bool:
        """Always: it follows from the arguments."""
        return True

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of `<pad>` and `<end>`."""
        return [self.pad_token_id, self.end_token_id]

    @property
    def row_template(self) -> RowTemplate:
        """Rows are the text alone: a language model reads a stream."""
        return RowTemplate((), (self.end_token_id,), (), self.pad_token_id)

    def vocabulary_size(self) -> int:
        """Returns the number of ids: the bytes, `<pad>` and `<end>`."""
        return len(self._bytes) + 2

    def get_vocabulary(self) -> list[str]:
        """Returns all tokens by id, a byte as the character of its number."""
        return [*map(chr, self._bytes), PAD, END]

    def id_to_token(self, id: int) -> str:
        """Returns the token that has `id`."""
        if not 0 <= id < self.vocabulary_size():
            raise ValueError(
                f"No token has id {id}; ids are below {self.vocabulary_size()}."
            )
        return self.get_vocabulary()[int(id)]

    def token_to_id(self, token: str) -> int:
        """Returns the id of `token`."""
        tokens = self.get_vocabulary()
        if token not in tokens:
            raise ValueError(
                f"{token!r} is no token. Tokens are single bytes, written as "
                f"the character of their number, {PAD!r} and {END!r}."
            )
        return tokens.index(token)

    # Saving

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "alphabet": self.alphabet,
            "sequence_length": self.sequence_length,
            "max_text_bytes": self.max_text_bytes,
        }

    def save_assets(self, dir_path: str) -> None:
        """Writes nothing: the configuration says all."""

    def load_assets(self, dir_path: str) -> None:
        """Reads nothing."""

    def load_preset_assets(self, preset: str) -> None:
        """Reads nothing: KerasHub's would look for a file."""

    @classmethod
    def from_hugging_face(cls, files: Mapping[str, str]) -> None:
        """Returns `None`: no file of Hugging Face's is of this kind."""
        return None

    def hugging_face_files(self, max_sequence_length: int):
        """Raises: transformers has no such tokenizer.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"transformers has no tokenizer like {type(self).__name__}. Keep "
            "it with `save_to_preset`."
        )


def _alphabet_bytes(alphabet: str | None) -> bytes:
    if alphabet is None:
        return bytes(range(256))
    if alphabet in ALPHABETS:
        return ALPHABETS[alphabet]
    try:
        data = alphabet.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        data = b""
    if not data or len(set(data)) < len(data):
        raise ValueError(
            f"`alphabet` must be None, one of {list(ALPHABETS)}, or a string "
            "of characters of one byte (up to U+00FF), each once. Received: "
            f"alphabet={alphabet!r}"
        )
    return data


def _bytes_of(texts):
    """Returns all bytes, int32 `(k,)`, and them as rows, ragged."""
    data = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    data = tf.cast(data, tf.int32)
    lengths = tf.cast(tf.strings.length(texts), tf.int64)
    rows = tf.RaggedTensor.from_row_lengths(data, lengths)
    return data, rows
