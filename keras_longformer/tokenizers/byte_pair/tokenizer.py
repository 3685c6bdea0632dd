"""`LongformerTokenizer`: the byte-level BPE as a KerasHub tokenizer."""

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.text.coercion import as_ids
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import flat
from keras_longformer.text.template import RowTemplate
from keras_longformer.tokenizers.byte_pair.encoder import BytePairEncoder
from keras_longformer.tokenizers.byte_pair.graphs import EncoderGraphs
from keras_longformer.tokenizers.byte_pair.hugging_face import read_files
from keras_longformer.tokenizers.byte_pair.hugging_face import write_files
from keras_longformer.tokenizers.byte_pair.special_tokens import END
from keras_longformer.tokenizers.byte_pair.special_tokens import MASK
from keras_longformer.tokenizers.byte_pair.special_tokens import PAD
from keras_longformer.tokenizers.byte_pair.special_tokens import SPECIAL_TOKENS
from keras_longformer.tokenizers.byte_pair.special_tokens import START
from keras_longformer.tokenizers.byte_pair.special_tokens import UNKNOWN
from keras_longformer.tokenizers.byte_pair.vocabulary import PathLike
from keras_longformer.tokenizers.byte_pair.vocabulary import Vocabulary
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.special_tokens import AddedToken

VOCABULARY_FILE = "vocabulary.json"
MERGES_FILE = "merges.txt"
# About 250,000 tokens of English. A megabyte of one unbroken word, the worst
# case, takes seconds, and the time grows with its size.
MAX_TEXT_BYTES = 2**20


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTokenizer(GraphTokenizer):
    """RoBERTa's and Longformer's byte-level BPE tokenizer.

    Gives the ids of Hugging Face's `ByteLevelBPETokenizer` (and of
    `RobertaTokenizerFast` without its `<s>` and `</s>`) on any text, invalid
    UTF-8 included, which reads as Python's `errors="replace"` reads it. It
    runs as stock TensorFlow operations: eagerly, in `tf.function`, in
    `tf.data` and in a SavedModel. TF Text is not needed.

    One string gives a `(tokens,)` tensor, a batch of strings a ragged
    `(b, None)` one, with `sequence_length` a dense `(b, sequence_length)` one.

    Text that holds `"</s>"` is text like any other by default: nobody can
    smuggle special tokens into a request. `special_tokens_in_text` turns that
    round.

    Args:
        vocabulary: dict from token to id, or the path of a `vocab.json`.
            `<s>`, `<pad>`, `</s>`, `<unk>` and `<mask>` must be in it, with
            any ids. A byte that has no token becomes `<unk>`.
        merges: list of merge rules, or the path of a `merges.txt`.
        sequence_length: int or `None`. Pads with `<pad>`, or cuts off, to so
            many tokens.
        add_prefix_space: whether a text gets a space before its first word,
            so that this word has the same ids as within a text.
        special_tokens_in_text: `False`: none is recognised in text; `True`:
            all five are cut out of text as in Hugging Face, `<mask>` with the
            whitespace before it; or a list of those to cut out.
        max_text_bytes: int or `None`. A longer text is an
            `InvalidArgumentError`, so that one request cannot take a server
            for minutes.
        dtype: the integer type of the ids.

    Example:

    ```python
    tokenizer = LongformerTokenizer("vocab.json", "merges.txt")
    tokenizer.tokenize("Hello world")                 # [31414, 232]
    tokenizer.tokenize(["Hello world", "Hello"])      # ragged (2, None)
    tokenizer.detokenize([31414, 232])                # b"Hello world"
    ids, starts, ends = tokenizer.tokenize_with_offsets("Hello world")
    # starts [0, 5], ends [5, 11]: the space belongs to the word after it.
    ```
    """

    def __init__(
        self,
        vocabulary: dict[str, int] | PathLike | None = None,
        merges: Sequence[str] | PathLike | None = None,
        sequence_length: int | None = None,
        add_prefix_space: bool = False,
        special_tokens_in_text: bool | Sequence[str] = False,
        max_text_bytes: int | None = MAX_TEXT_BYTES,
        dtype: str = "int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.built = (
            True  # It has no weights, and Keras quantizes built models.
        )
        if not self.compute_dtype.startswith("int"):
            raise ValueError(
                "`dtype` must be an integer type, that of the token ids. "
                f"Received: dtype={dtype}."
            )
        self.file_assets = [VOCABULARY_FILE, MERGES_FILE]
        self.sequence_length = sequence_length
        self.add_prefix_space = add_prefix_space
        self.special_tokens_in_text = special_tokens_in_text
        self.max_text_bytes = max_text_bytes
        _chosen_special_tokens(special_tokens_in_text)  # Raises early.
        self._add_special_token(START, "start_token")
        self._add_special_token(PAD, "pad_token")
        self._add_special_token(END, "end_token")
        self._add_special_token(UNKNOWN, "unk_token")
        self._add_special_token(MASK, "mask_token")
        self.set_vocabulary_and_merges(vocabulary, merges)

    # Text to ids and back

    def tokenize(self, inputs, special_tokens_in_text=None):
        """Returns the token ids of texts.

        Args:
            inputs: a string, a (nested) list or array of strings, or a
                string tensor of any rank, ragged too.
            special_tokens_in_text: as in the constructor, for this call.

        Returns:
            int ids with one more axis than `inputs`: dense for one text,
            ragged for more, dense with `sequence_length`.
        """
        texts = as_texts(inputs)
        chosen = self._special_token_ids_in_text(special_tokens_in_text)
        ids = self._graphs.encode(flat(texts), chosen)
        return self._shaped(ids, texts, self.pad_token_id)

    def tokenize_with_offsets(self, inputs, special_tokens_in_text=None):
        """Returns token ids and where in its text each token comes from.

        Offsets count characters (code points, as Python indexes a `str`) of
        the text as it was given: token `i` comes from `text[start:end]`. A
        token that is part of a character, as in rare scripts and emoji, gets
        the whole character. A word's blank belongs to its token. These are
        the offsets of Hugging Face's `ByteLevelBPETokenizer`, whose default
        is `trim_offsets=False`; `RobertaTokenizerFast` trims the blank.

        Args:
            inputs: texts, as for `tokenize`.
            special_tokens_in_text: as in the constructor, for this call.

        Returns:
            A named tuple `(ids, starts, ends)` of tensors shaped as
            `tokenize` shapes its ids. With `sequence_length`, padding has
            offsets 0.
        """
        texts = as_texts(inputs)
        chosen = self._special_token_ids_in_text(special_tokens_in_text)
        tokens = self._graphs.encode_with_offsets(flat(texts), chosen)
        return Tokens(
            ids=self._shaped(tokens.ids, texts, self.pad_token_id),
            starts=self._shaped(tokens.starts, texts, 0),
            ends=self._shaped(tokens.ends, texts, 0),
        )

    def tokenize_words(self, words):
        """Returns ids, int32 ragged `(w, None)`, of words within a text.

        As Hugging Face's tokenizers do with `is_split_into_words=True` and
        `add_prefix_space=True`: each word gets a blank before it, unless it
        has one; an empty word has no tokens.

        Args:
            words: string `(w,)`.
        """
        has_blank = tf.equal(tf.strings.substr(words, 0, 1), " ")
        has_blank |= tf.equal(words, "")
        return self.tokenize(tf.where(has_blank, words, " " + words))

    def detokenize(self, inputs, skip_special_tokens=False):
        """Returns the text that token ids stand for.

        Args:
            inputs: an id, a list or tensor of them for one text, or nested
                lists or a tensor of higher rank, ragged too, for a batch.
            skip_special_tokens: whether `<s>`, `<pad>` and the others are
                left out instead of written.

        Returns:
            string tensor without the last axis of `inputs`, UTF-8, with
            U+FFFD for bytes that make no character.
        """
        self._check_vocabulary()
        ids = as_ids(inputs)
        table = self._visible_bytes if skip_special_tokens else self._id_bytes
        with tf.device("CPU"):
            pieces = tf.ragged.map_flat_values(
                lambda ids: tf.gather(table, ids), ids
            )
            texts = tf.strings.reduce_join(pieces, axis=-1)
            return tf.strings.unicode_transcode(
                texts, "UTF-8", "UTF-8", errors="replace"
            )

    def _special_token_ids_in_text(self, choice) -> tuple[AddedToken, ...]:
        self._check_vocabulary()
        if choice is None:
            choice = self.special_tokens_in_text
        tokens = self._vocabulary.tokens
        return tuple(
            AddedToken(
                token,
                tokens[token],
                special=True,
                lstrip=token == MASK,
                normalized=False,
            )
            for token in _chosen_special_tokens(choice)
        )

    def _shaped(self, ids, texts, padding):
        """Gives flat ragged `(texts, None)` ids the axes of `texts`."""
        ids = tf.cast(ids, self.compute_dtype)
        if self.sequence_length is not None:
            ids = ids.to_tensor(padding, shape=[None, self.sequence_length])
        if isinstance(texts, tf.RaggedTensor):
            return texts.with_flat_values(ids)
        if texts.shape.rank == 0:
            return ids[0] if isinstance(ids, tf.Tensor) else ids.values
        if isinstance(ids, tf.Tensor):
            shape = tf.concat([tf.shape(texts), [self.sequence_length]], 0)
            return tf.reshape(ids, shape)
        sizes = tf.shape(texts, tf.int64)
        for axis in range(texts.shape.rank - 1, 0, -1):
            rows = tf.reduce_prod(sizes[:axis])
            ids = tf.RaggedTensor.from_uniform_row_length(
                ids, sizes[axis], nrows=rows
            )
        return ids

    @property
    def row_template(self) -> RowTemplate:
        """RoBERTa's rows, `<s> a </s>` and `<s> a </s></s> b </s>`."""
        return RowTemplate(
            start=(self.start_token_id,),
            between=(self.end_token_id, self.end_token_id),
            end=(self.end_token_id,),
            pad=self.pad_token_id,
        )

    # Vocabulary

    @property
    def has_vocabulary(self) -> bool:
        """Whether there is one: while a file is loaded, it is to come."""
        return getattr(self, "_vocabulary", None) is not None

    def set_vocabulary_and_merges(self, vocabulary, merges) -> None:
        """Sets both from data or files, or neither where one is `None`."""
        self._vocabulary = self._graphs = self._word_table = None
        self._id_bytes = self._visible_bytes = None
        if vocabulary is None or merges is None:
            return
        self._vocabulary = Vocabulary(vocabulary, merges, SPECIAL_TOKENS)
        self._graphs = EncoderGraphs(
            BytePairEncoder(
                self._vocabulary, add_prefix_space=self.add_prefix_space
            ),
            self.max_text_bytes,
        )
        # A SavedModel keeps the tables that it finds on tracked objects.
        self._word_table = self._graphs.encoder.word_table
        self._update_special_token_ids()
        id_bytes = self._vocabulary.token_bytes_by_id()
        self._id_bytes = cpu_constant(id_bytes)
        for i in self.special_token_ids:
            id_bytes[i] = b""
        self._visible_bytes = cpu_constant(id_bytes)

    @property
    def vocabulary(self) -> dict[str, int] | None:
        """The dict from token to id."""
        return self._vocabulary and dict(self._vocabulary.tokens)

    @property
    def merges(self) -> list[str] | None:
        """The merge rules in order of rank, each `"left right"`."""
        return self._vocabulary and [
            f"{left} {right}" for left, right in self._vocabulary.merges
        ]

    def get_vocabulary(self) -> list[str]:
        """Returns all tokens, ordered by id."""
        self._check_vocabulary()
        by_id = self._vocabulary.by_id
        return [by_id[i] for i in sorted(by_id)]

    def vocabulary_size(self) -> int:
        """Returns the number of ids: one more than the largest."""
        self._check_vocabulary()
        return self._vocabulary.size

    def id_to_token(self, id: int) -> str:
        """Returns the token that has `id`, as `vocab.json` writes it."""
        self._check_vocabulary()
        token = self._vocabulary.by_id.get(int(id))
        if token is None:
            raise ValueError(
                f"No token has id {id}; ids are below {self._vocabulary.size}."
            )
        return token

    def token_to_id(self, token: str) -> int:
        """Returns the id of `token`, written as in `vocab.json`."""
        self._check_vocabulary()
        if token not in self._vocabulary.tokens:
            raise ValueError(
                f"{token!r} is not in the vocabulary. Tokens are written as in "
                "vocab.json, a space as 'Ġ'; `tokenize` takes text."
            )
        return self._vocabulary.tokens[token]

    def _check_vocabulary(self) -> None:
        # The base class asks for ids while the constructor still runs.
        if not self.has_vocabulary:
            raise ValueError(
                "This LongformerTokenizer has no vocabulary. Pass `vocabulary` "
                "and `merges`, or load one with `from_preset`."
            )

    # Saving

    def save_assets(self, dir_path: str) -> None:
        """Writes `vocabulary.json` and `merges.txt`."""
        self._check_vocabulary()
        path = os.path.join(dir_path, VOCABULARY_FILE)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._vocabulary.tokens, file)
        path = os.path.join(dir_path, MERGES_FILE)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{rule}\n" for rule in self.merges)

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        self.set_vocabulary_and_merges(
            os.path.join(dir_path, VOCABULARY_FILE),
            os.path.join(dir_path, MERGES_FILE),
        )

    def get_config(self) -> dict:
        """Returns the arguments but the vocabulary, which is an asset."""
        config = super().get_config()
        config.update(
            sequence_length=self.sequence_length,
            add_prefix_space=self.add_prefix_space,
            special_tokens_in_text=self.special_tokens_in_text,
            max_text_bytes=self.max_text_bytes,
        )
        return config

    @classmethod
    def from_config(cls, config: dict):
        for name in ("vocabulary", "merges"):
            if isinstance(config.get(name), str):
                raise ValueError(
                    "A saved config may not make the tokenizer read a file. "
                    f"Received: {name}={config[name]!r}. Pass the path to the "
                    "constructor."
                )
        return super().from_config(config)

    # Hugging Face's files

    @classmethod
    def from_hugging_face(cls, files: Mapping[str, str]):
        """Opens `vocab.json` and `merges.txt`, or `tokenizer.json`.

        Args:
            files: mapping of file name to path, those that are there.

        Returns:
            The tokenizer, or `None` where the files are of another kind.
        """
        found = read_files(files)
        return None if found is None else cls(**found)

    def hugging_face_files(self, max_sequence_length: int) -> dict[str, str]:
        """Returns the text of each file that `LongformerTokenizer` of
        `transformers` opens it from.

        Args:
            max_sequence_length: int, the most tokens that the model reads.
        """
        self._check_vocabulary()
        return write_files(self, max_sequence_length)


def _chosen_special_tokens(choice: bool | Sequence[str]) -> tuple[str, ...]:
    if isinstance(choice, bool):
        return SPECIAL_TOKENS if choice else ()
    unknown = set(choice) - set(SPECIAL_TOKENS)
    if isinstance(choice, str) or unknown:
        raise ValueError(
            "`special_tokens_in_text` must be True, False or a list of some "
            f"of {list(SPECIAL_TOKENS)}. Received: {choice!r}."
        )
    return tuple(token for token in SPECIAL_TOKENS if token in choice)
