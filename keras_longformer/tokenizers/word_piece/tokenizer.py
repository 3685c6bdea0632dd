"""`LongformerWordPieceTokenizer`: BERT's WordPiece as a KerasHub tokenizer."""

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.text.coercion import as_ids
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.encoder_tokenizer import MAX_TEXT_BYTES
from keras_longformer.tokenizers.encoder_tokenizer import EncoderTokenizer
from keras_longformer.tokenizers.file_parts import limited_json
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import raise_for
from keras_longformer.tokenizers.word_piece.characters import Normalization
from keras_longformer.tokenizers.word_piece.encoder import WordPieceEncoder
from keras_longformer.tokenizers.word_piece.hugging_face import read_files
from keras_longformer.tokenizers.word_piece.hugging_face import tokenizer_json
from keras_longformer.tokenizers.word_piece.hugging_face import write_files
from keras_longformer.tokenizers.word_piece.vocabulary import PathLike
from keras_longformer.tokenizers.word_piece.vocabulary import Vocabulary
from keras_longformer.tokenizers.word_piece.vocabulary import read_tokens

VOCABULARY_FILE = "vocabulary.json"
CONTROL = ("start_token", "end_token", "pad_token", "unk_token", "mask_token")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerWordPieceTokenizer(EncoderTokenizer):
    """BERT's WordPiece tokenizer, for Longformers with a BERT vocabulary.

    Gives the ids and offsets of Hugging Face's `BertTokenizerFast` (without
    its `[CLS]` and `[SEP]`) on any text; invalid UTF-8 reads as Python's
    `errors="replace"` reads it. It runs as stock TensorFlow operations:
    eagerly, in `tf.function`, in `tf.data` and in a SavedModel. TF Text is not
    needed.

    One string gives a `(tokens,)` tensor, a batch of strings a ragged
    `(b, None)` one, with `sequence_length` a dense `(b, sequence_length)` one.

    Text that holds `"[SEP]"` is text like any other by default: nobody can
    smuggle special tokens into a request. `special_tokens_in_text` turns that
    round. Tokens that were added, such as `"[ENTITY]"`, are found in every
    text, as Hugging Face finds them.

    Offsets are those of `BertTokenizerFast`: before lower-casing, and with the
    accents that were dropped within a token.

    Args:
        vocabulary: dict from token to id, list of tokens in the order of their
            ids, or the path of a `vocab.txt`. The control tokens must be in
            it, with any ids.
        lowercase: whether letters are lower-cased, each by itself.
        strip_accents: whether accents are dropped; `None`: as `lowercase`.
        split_on_cjk: whether each Chinese character is a word.
        clean_text: whether control characters are dropped.
        sequence_length: int or `None`. Pads with `[PAD]`, or cuts off, to so
            many tokens.
        special_tokens_in_text: `False`: no control token is recognised in
            text; `True`: all are cut out of text as in Hugging Face; or a list
            of those to cut out.
        max_text_bytes: int or `None`. A longer text is an
            `InvalidArgumentError`, so that one request cannot take a server
            for minutes.
        dtype: the integer type of the ids.
        suffix_indicator: str, what tokens within a word begin with.
        max_word_characters: int, the most characters of a word; a longer one
            is `[UNK]`.
        start_token, end_token, pad_token, unk_token, mask_token: str, the
            control tokens; the last may be `None`: there is none.
        bos_token, eos_token: str or `None`, more control tokens.
        added_tokens: list of str, or of `AddedToken` with its flags, or of
            dicts of those: what is found in texts before anything else. One
            that is not in the vocabulary gets the next free id. Of the
            control tokens it says the flags only.
        row_tokens: dict of `start`, `between` and `end`, lists of tokens, and
            `token_types`, of a `RowTemplate`; by default BERT's,
            `[CLS] a [SEP] b [SEP]` with types 0 and 1.

    Example:

    ```python
    tokenizer = LongformerWordPieceTokenizer("vocab.txt", lowercase=True)
    tokenizer.tokenize("Hello world")                 # [7592, 2088]
    tokenizer.tokenize(["Hello world", "Hello"])      # ragged (2, None)
    tokenizer.detokenize([7592, 2088])                # b"hello world"
    ids, starts, ends = tokenizer.tokenize_with_offsets("Hello world")
    # starts [0, 6], ends [5, 11].
    ```
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int] | Sequence[str] | PathLike | None = None,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        split_on_cjk: bool = True,
        clean_text: bool = True,
        sequence_length: int | None = None,
        special_tokens_in_text: bool | Sequence[str] = False,
        max_text_bytes: int | None = MAX_TEXT_BYTES,
        dtype: str = "int32",
        *,
        suffix_indicator: str = "##",
        max_word_characters: int = 100,
        start_token: str = "[CLS]",
        end_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        unk_token: str = "[UNK]",
        mask_token: str | None = "[MASK]",
        bos_token: str | None = None,
        eos_token: str | None = None,
        added_tokens: Sequence[AddedToken | dict | str] = (),
        row_tokens: RowTokens | dict | None = None,
        **kwargs,
    ):
        super().__init__(
            sequence_length=sequence_length,
            special_tokens_in_text=special_tokens_in_text,
            max_text_bytes=max_text_bytes,
            row_tokens=row_tokens,
            dtype=dtype,
            **kwargs,
        )
        self.file_assets = [VOCABULARY_FILE]
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.split_on_cjk = split_on_cjk
        self.clean_text = clean_text
        self.suffix_indicator = suffix_indicator
        self.max_word_characters = max_word_characters
        self.bos_token, self.eos_token = bos_token, eos_token
        control = (start_token, end_token, pad_token, unk_token, mask_token)
        self._set_special_tokens(
            dict(zip(CONTROL, control, strict=True)),
            added_tokens,
            None,  # Hugging Face's `[MASK]` leaves the whitespace before it.
        )
        self.set_vocabulary(vocabulary)

    # Text to ids and back

    def tokenize_words(self, words):
        """Returns ids, int32 ragged `(w, None)`, of words within a text.

        A word has the same ids wherever it stands.

        Args:
            words: string `(w,)`.
        """
        return self.tokenize(words)

    def detokenize(self, inputs, skip_special_tokens=False):
        """Returns the text that token ids stand for, normalized.

        As the decoder of Hugging Face's `tokenizers`: a blank between words,
        none before punctuation.

        Args:
            inputs: an id, a list or tensor of them for one text, or nested
                lists or a tensor of higher rank, ragged too, for a batch.
            skip_special_tokens: whether `[CLS]`, `[PAD]` and the others are
                left out instead of written.

        Returns:
            string tensor without the last axis of `inputs`, UTF-8.
        """
        self._check_vocabulary()
        ids = as_ids(inputs)
        if isinstance(ids, tf.RaggedTensor):
            return self._of_rows(ids, skip_special_tokens)
        shape = tf.shape(ids)
        rows = tf.RaggedTensor.from_tensor(
            tf.reshape(ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
        )
        return tf.reshape(self._of_rows(rows, skip_special_tokens), shape[:-1])

    def _of_rows(self, ids, skip_special_tokens):
        """Returns the texts of ragged ids, whose last axis goes."""
        if ids.ragged_rank > 1:
            return ids.with_values(
                self._of_rows(ids.values, skip_special_tokens)
            )
        with tf.device("CPU"):
            if skip_special_tokens:
                special = tf.constant(self.special_token_ids, tf.int32)
                shown = tf.not_equal(ids.values[:, None], special)
                shown = tf.reduce_all(shown, axis=1)
                ids = tf.ragged.boolean_mask(ids, ids.with_values(shown))
            is_first = marks(ids.row_splits, tf.size(ids.values, tf.int64))
            pieces = tf.where(
                is_first,
                tf.gather(self._first_texts, ids.values),
                tf.gather(self._texts, ids.values),
            )
            return tf.strings.reduce_join(ids.with_values(pieces), axis=-1)

    @property
    def usual_rows(self) -> RowTokens:
        """BERT's rows, `[CLS] a [SEP] b [SEP]` with types 0 and 1."""
        end = (self.end_token,)
        return RowTokens((self.start_token,), end, end, token_types=(0, 1))

    @staticmethod
    def starts_word(token: str) -> bool:
        """Returns whether a token is none that continues a word, "##ing"."""
        return not token.startswith("##")

    # Vocabulary

    @property
    def token_notation(self) -> str:
        """How tokens are written, for messages."""
        return f"Tokens within a word begin with '{self.suffix_indicator}'"

    def set_vocabulary(self, vocabulary) -> None:
        """Sets the tokens from data or a file, or none where it is `None`."""
        self._unset_vocabulary()
        self._word_table = self._first_texts = self._texts = None
        if vocabulary is None:
            return
        tokens = self._with_added_tokens(read_tokens(vocabulary))
        self._vocabulary = Vocabulary(
            tokens,
            suffix_indicator=self.suffix_indicator,
            needed=self.control_tokens,
        )
        strip = self.strip_accents
        encoder = WordPieceEncoder(
            self._vocabulary,
            Normalization(
                clean_text=self.clean_text,
                handle_chinese_chars=self.split_on_cjk,
                strip_accents=self.lowercase if strip is None else strip,
                lowercase=self.lowercase,
            ),
            unknown_id=tokens[self.unk_token],
            max_word_characters=self.max_word_characters,
        )
        raise_for(encoder.check_tokens(self.added_tokens))
        self._set_encoder(encoder)
        # A SavedModel keeps the tables that it finds on tracked objects.
        self._word_table = encoder.word_table
        first_texts, texts = self._vocabulary.texts()
        self._first_texts = cpu_constant(first_texts)
        self._texts = cpu_constant(texts)

    # Saving

    def save_assets(self, dir_path: str) -> None:
        """Writes `vocabulary.json`."""
        self._check_vocabulary()
        path = os.path.join(dir_path, VOCABULARY_FILE)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._vocabulary.tokens, file)

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        self.set_vocabulary(os.path.join(dir_path, VOCABULARY_FILE))

    def get_config(self) -> dict:
        """Returns the arguments but the vocabulary, which is an asset."""
        config = super().get_config()
        names = (
            *("lowercase", "strip_accents", "split_on_cjk", "clean_text"),
            *("suffix_indicator", "max_word_characters"),
            *(*CONTROL, "bos_token", "eos_token"),
        )
        config.update({name: getattr(self, name) for name in names})
        return config

    # Hugging Face's files

    @classmethod
    def from_hugging_face(cls, files: Mapping[str, str]):
        """Opens `tokenizer.json`, or `vocab.txt` and what is beside it.

        Args:
            files: mapping of file name to path, those that are there.

        Returns:
            The tokenizer, or `None` where the files are of another kind.

        Raises:
            ValueError: lists all that would change ids and that this
                tokenizer cannot follow.
        """
        found = read_files(files)
        return None if found is None else cls(**found)

    def hugging_face_files(self, max_sequence_length: int) -> dict[str, str]:
        """Returns the text of each file that `transformers` opens it from.

        Those of its `BertTokenizer` and `BertTokenizerFast`.

        Args:
            max_sequence_length: int, the most tokens that the model reads.
        """
        self._check_vocabulary()
        return write_files(self, max_sequence_length)

    def tokenizer_json(self, max_sequence_length: int) -> str:
        """Returns the text of a `tokenizer.json` for `tokenizers` alone."""
        self._check_vocabulary()
        return limited_json(tokenizer_json(self), self, max_sequence_length)
