"""`LongformerTokenizer`: the byte-level BPE as a KerasHub tokenizer."""

import dataclasses
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
from keras_longformer.tokenizers.byte_pair.hugging_face import must_keep_whole
from keras_longformer.tokenizers.byte_pair.hugging_face import read_files
from keras_longformer.tokenizers.byte_pair.hugging_face import write_files
from keras_longformer.tokenizers.byte_pair.refusals import missing_byte_problems
from keras_longformer.tokenizers.byte_pair.special_tokens import END
from keras_longformer.tokenizers.byte_pair.special_tokens import MASK
from keras_longformer.tokenizers.byte_pair.special_tokens import PAD
from keras_longformer.tokenizers.byte_pair.special_tokens import START
from keras_longformer.tokenizers.byte_pair.special_tokens import UNKNOWN
from keras_longformer.tokenizers.byte_pair.vocabulary import PathLike
from keras_longformer.tokenizers.byte_pair.vocabulary import Vocabulary
from keras_longformer.tokenizers.byte_pair.vocabulary import read_tokens
from keras_longformer.tokenizers.byte_pair.vocabulary import token_bytes
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import as_added_token
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.special_tokens import raise_for
from keras_longformer.tokenizers.special_tokens import tokens_in_text
from keras_longformer.tokenizers.special_tokens import with_control_tokens
from keras_longformer.tokenizers.special_tokens import with_ids

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
    round. Tokens that were added, such as `"[ENTITY]"`, are found in every
    text, as Hugging Face finds them.

    Args:
        vocabulary: dict from token to id, or the path of a `vocab.json`.
            `<s>`, `<pad>`, `</s>`, `<unk>` and `<mask>`, or what stands for
            them, must be in it, with any ids. A byte that has no token
            becomes `<unk>`.
        merges: list of merge rules, or the path of a `merges.txt`.
        sequence_length: int or `None`. Pads with `<pad>`, or cuts off, to so
            many tokens.
        add_prefix_space: whether a text gets a space before its first word,
            so that this word has the same ids as within a text.
        special_tokens_in_text: `False`: no control token is recognised in
            text; `True`: all are cut out of text as in Hugging Face, `<mask>`
            with the whitespace before it; or a list of those to cut out.
        max_text_bytes: int or `None`. A longer text is an
            `InvalidArgumentError`, so that one request cannot take a server
            for minutes.
        dtype: the integer type of the ids.
        start_token, end_token, pad_token, unk_token, mask_token: str, the
            control tokens; the last two may be `None`: there is none.
        bos_token, eos_token: str, what Hugging Face calls so, where that is
            another than `start_token` (its `cls_token`) and `end_token` (its
            `sep_token`). They control as well.
        added_tokens: list of str, or of `AddedToken` with its flags, or of
            dicts of those: what is found in texts before anything else. One
            that is not in the vocabulary gets the next free id. Of the
            control tokens it says the flags only.
        row_tokens: dict of `start`, `between` and `end`, lists of tokens, and
            `token_types`, of a `RowTemplate`; by default RoBERTa's,
            `<s> a </s></s> b </s>`.

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

    opens_every_kind = True  # It is the door to all of them.

    def __init__(
        self,
        vocabulary: dict[str, int] | PathLike | None = None,
        merges: Sequence[str] | PathLike | None = None,
        sequence_length: int | None = None,
        add_prefix_space: bool = False,
        special_tokens_in_text: bool | Sequence[str] = False,
        max_text_bytes: int | None = MAX_TEXT_BYTES,
        dtype: str = "int32",
        *,
        start_token: str = START,
        end_token: str = END,
        pad_token: str = PAD,
        unk_token: str | None = UNKNOWN,
        mask_token: str | None = MASK,
        bos_token: str | None = None,
        eos_token: str | None = None,
        added_tokens: Sequence[AddedToken | dict | str] = (),
        row_tokens: RowTokens | dict | None = None,
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
        self.bos_token = bos_token or start_token
        self.eos_token = eos_token or end_token
        self.row_tokens = RowTokens.of(row_tokens)
        for name, token in (
            ("start_token", start_token),
            ("pad_token", pad_token),
            ("end_token", end_token),
            ("unk_token", unk_token),
            ("mask_token", mask_token),
        ):
            if token is not None:
                self._add_special_token(token, name)
            else:
                setattr(self, name, None)
                setattr(self, f"{name}_id", None)
        self.added_tokens = with_control_tokens(
            [as_added_token(token) for token in added_tokens],
            self.control_tokens,
            mask_token,
        )
        tokens_in_text((), self.control_tokens, special_tokens_in_text)
        raise_for(check_tokens(self.added_tokens))
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
        chosen = self._tokens_in_text(special_tokens_in_text)
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
        chosen = self._tokens_in_text(special_tokens_in_text)
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
        ids = self._graphs.encode_words(words, self._tokens_in_text(None))
        return tf.cast(ids, self.compute_dtype)

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

    def _tokens_in_text(self, choice) -> tuple[AddedToken, ...]:
        """Returns the tokens to look for, the same tuple for a choice."""
        self._check_vocabulary()
        if choice is None:
            choice = self.special_tokens_in_text
        return self._graphs.chosen(
            choice,
            lambda: tokens_in_text(
                self.added_tokens, self.control_tokens, choice
            ),
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
    def rows(self) -> RowTokens:
        """The tokens of rows, RoBERTa's where none were given."""
        if self.row_tokens is not None:
            return self.row_tokens
        end = self.end_token
        return RowTokens((self.start_token,), (end, end), (end,))

    @property
    def row_template(self) -> RowTemplate:
        """The rows that the model was trained on, in ids."""
        return self.rows.template(self.token_to_id, self.pad_token_id)

    @property
    def control_tokens(self) -> list[str]:
        """The special tokens that no text may hold by default."""
        tokens = (
            self.start_token,
            self.pad_token,
            self.end_token,
            self.unk_token,
            self.mask_token,
            self.bos_token,
            self.eos_token,
        )
        return [t for t in dict.fromkeys(tokens) if t is not None]

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of control tokens and of added ones that are special."""
        self._check_vocabulary()
        control = self.control_tokens
        return sorted(
            token.id
            for token in self.added_tokens
            if token.special or token.content in control
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
        tokens = read_tokens(vocabulary)
        control = self.control_tokens
        names = [token.content for token in self.added_tokens]
        self.added_tokens = with_ids(self.added_tokens, tokens, control)
        tokens |= {
            token.content: token.id
            for token in self.added_tokens
            if token.id != NO_ID
        }
        self._vocabulary = Vocabulary(tokens, merges, control, names)
        unknown_id = tokens.get(self.unk_token)
        if unknown_id is None:
            raise_for(missing_byte_problems(tokens, {}, None))
        self._graphs = EncoderGraphs(
            BytePairEncoder(
                self._vocabulary,
                unknown_id=unknown_id,
                add_prefix_space=self.add_prefix_space,
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
            start_token=self.start_token,
            end_token=self.end_token,
            pad_token=self.pad_token,
            unk_token=self.unk_token,
            mask_token=self.mask_token,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
            added_tokens=[dataclasses.asdict(t) for t in self.added_tokens],
            row_tokens=self.row_tokens and self.row_tokens.as_dict(),
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
        """Opens `tokenizer.json`, or `vocab.json` and `merges.txt`.

        The ids are those of transformers' `AutoTokenizer`, special tokens of
        other names, added tokens and rows included; the padding is the
        tokenizer's, and a model that has another in its `config.json` is
        refused when the two meet.

        Args:
            files: mapping of file name to path, those that are there.

        Returns:
            The tokenizer, or `None` where the files are of another kind.

        Raises:
            ValueError: lists all that would change ids and that this
                tokenizer cannot follow.
        """
        found = read_files(files)
        if found is None:
            return None
        tokenizer = cls(**found)
        if must_keep_whole(files):
            tokenizer._check_whole_words()
        return tokenizer

    def _check_whole_words(self):
        """Raises where `ignore_merges` would take a word that merges do not
        make."""
        added = {token.content for token in self.added_tokens}
        own = [t for t in self._vocabulary.tokens if t not in added]
        cut = self._graphs.encoder.cut_tokens([token_bytes(t) for t in own])
        shown = ", ".join(repr(t.decode(errors="replace")) for t in cut[:5])
        if cut:
            refuse(
                "tokenizer.json",
                [
                    "model.ignore_merges true: it takes words of the "
                    f"vocabulary that merges do not make, such as {shown}"
                ],
            )

    def hugging_face_files(self, max_sequence_length: int) -> dict[str, str]:
        """Returns the text of each file that `transformers` opens it from.

        Those of its `LongformerTokenizer`; where rows are not RoBERTa's, a
        `tokenizer.json` says what they are.

        Args:
            max_sequence_length: int, the most tokens that the model reads.
        """
        self._check_vocabulary()
        return write_files(self, max_sequence_length)
