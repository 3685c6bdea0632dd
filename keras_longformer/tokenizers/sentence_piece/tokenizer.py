"""`LongformerSentencePieceTokenizer`: SentencePiece as a KerasHub tokenizer."""

import dataclasses
import os
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.text.coercion import as_ids
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.coercion import flat
from keras_longformer.text.template import RowTemplate
from keras_longformer.tokenizers.byte_pair.graphs import EncoderGraphs
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.sentence_piece.encoder import PREFIXED
from keras_longformer.tokenizers.sentence_piece.encoder import TRAILING
from keras_longformer.tokenizers.sentence_piece.encoder import EncoderOptions
from keras_longformer.tokenizers.sentence_piece.encoder import (
    SentencePieceEncoder,
)
from keras_longformer.tokenizers.sentence_piece.hugging_face import read_files
from keras_longformer.tokenizers.sentence_piece.hugging_face import write_files
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.layout import as_layout
from keras_longformer.tokenizers.sentence_piece.model import PathLike
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.vocabulary import Vocabulary
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import as_added_token
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.special_tokens import raise_for
from keras_longformer.tokenizers.special_tokens import tokens_in_text
from keras_longformer.tokenizers.special_tokens import with_control_tokens

MODEL_FILE = "vocabulary.spm"  # KerasHub's name.
MAX_TEXT_BYTES = 2**20


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerSentencePieceTokenizer(GraphTokenizer):
    """XLM-RoBERTa's and CamemBERT's SentencePiece tokenizer.

    Gives the ids that SentencePiece's own library gives, and with it Hugging
    Face's `XLMRobertaTokenizer` and `CamembertTokenizer`. Their fast versions
    have three ways of their own, which are not followed: they look at letters
    with combining marks as one, take a `▁` in the text for a space but do not
    drop it, and split a word otherwise where two ways have the same score.

    It runs in the graph, eagerly, in `tf.function`, in `tf.data` and in a
    SavedModel, by an operation of TensorFlow Text: the extra `text`. What
    loads such a SavedModel needs that package too, `import tensorflow_text`;
    TF Serving has it inside.

    Invalid UTF-8 reads as Python's `errors="replace"` reads it. One string
    gives a `(tokens,)` tensor, a batch of strings a ragged `(b, None)` one,
    with `sequence_length` a dense `(b, sequence_length)` one.

    Args:
        proto: bytes of a SentencePiece model, or the path of one, such as
            `sentencepiece.bpe.model`.
        layout: which ids its pieces have: `"xlm_roberta"`, `"camembert"` or an
            `IdLayout`.
        added_tokens: list of `AddedToken`, of dicts of its attributes, or of
            str: tokens that are recognised in texts, whatever the model
            makes of them. One without an id takes the model's or the next
            free one.
        sequence_length: int or `None`. Pads, or cuts off, to so many tokens.
        special_tokens_in_text: `False`: a special token of the layout, such as
            `"</s>"`, that stands in a text is text like any other, so nobody
            can smuggle one into a request; `True`: all are cut out of texts as
            in Hugging Face, `<mask>` with the whitespace before it; or a list
            of those to cut out.
        prepend_scheme: which pieces of a text get a `▁` before their first
            word, if the model adds one: `"always"` each, so that what follows
            a token that was cut out has the ids of a new word; `"first"` only
            what a text begins with; `"never"` none.
        trailing_space: where white space at the end of a text, or of a piece
            before a token that was cut out, is a `▁`: `"never"`, as in
            SentencePiece; `"before_tokens"` that are `normalized`, as in
            Hugging Face's fast tokenizers; `"always"`, as in old ones.
        row_tokens: `RowTokens` or its dict, `None` for the rows of RoBERTa,
            `<s> a </s>` and `<s> a </s></s> b </s>`.
        max_text_bytes: int or `None`. A longer text is an
            `InvalidArgumentError`, so that one request cannot take a server
            for minutes.
        dtype: the integer type of the ids.

    Example:

    ```python
    tokenizer = LongformerSentencePieceTokenizer("sentencepiece.bpe.model")
    tokenizer.tokenize("Hello world")                 # [35378, 8999]
    tokenizer.tokenize(["Hello world", "Hello"])      # ragged (2, None)
    tokenizer.detokenize([35378, 8999])               # b"Hello world"
    ids, starts, ends = tokenizer.tokenize_with_offsets("Hello world")
    # starts [0, 5], ends [5, 11]: the space belongs to the word after it.
    ```
    """

    operations_of = ("tensorflow_text",)

    def __init__(
        self,
        proto: bytes | PathLike | None = None,
        layout: str | Mapping | IdLayout = "xlm_roberta",
        added_tokens: Sequence[AddedToken | dict | str] = (),
        sequence_length: int | None = None,
        special_tokens_in_text: bool | Sequence[str] = False,
        prepend_scheme: str = "always",
        trailing_space: str = "never",
        row_tokens: RowTokens | dict | None = None,
        max_text_bytes: int | None = MAX_TEXT_BYTES,
        dtype: str = "int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        # It has no weights, and Keras quantizes built models.
        self.built = True
        if not self.compute_dtype.startswith("int"):
            raise ValueError(
                "`dtype` must be an integer type, that of the token ids. "
                f"Received: dtype={dtype}."
            )
        check_one_of("prepend_scheme", prepend_scheme, PREFIXED)
        check_one_of("trailing_space", trailing_space, TRAILING)
        self.file_assets = [MODEL_FILE]
        self.layout = as_layout(layout)
        self.added_tokens = with_control_tokens(
            [as_added_token(token) for token in added_tokens],
            self.control_tokens,
            self.layout.mask_token,
        )
        self.sequence_length = sequence_length
        self.special_tokens_in_text = special_tokens_in_text
        self.prepend_scheme = prepend_scheme
        self.trailing_space = trailing_space
        self.row_tokens = RowTokens.of(row_tokens)
        self.max_text_bytes = max_text_bytes
        tokens_in_text((), self.control_tokens, special_tokens_in_text)
        raise_for(check_tokens(self.added_tokens))
        self._add_special_token(self.layout.start_token, "start_token")
        self._add_special_token(self.layout.pad_token, "pad_token")
        self._add_special_token(self.layout.end_token, "end_token")
        self._add_special_token(self.layout.unk_token, "unk_token")
        self.mask_token = self.mask_token_id = None
        if self.layout.mask_token is not None:
            self._add_special_token(self.layout.mask_token, "mask_token")
        self.set_proto(proto)

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
        the text as it was given, not of the normalized one: token `i` comes
        from `text[start:end]`. White space before a word belongs to the word's
        token, all of it; at the ends of a text it belongs to none. A `▁` that
        was put before a text has the text's first character. A character that
        became several, such as `½`, belongs to each token that has a part of
        it. These are the offsets of Hugging Face's fast tokenizers, except
        that those whose file splits at white space first leave the white
        space out.

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

        As Hugging Face's tokenizers do with `is_split_into_words=True`: each
        word has a `▁` before it; an empty word has no tokens.

        Args:
            words: string `(w,)`.
        """
        self._check_vocabulary()
        adds = self._vocabulary.model.adds_prefix
        if not adds or self.prepend_scheme != "always":
            words = tf.where(tf.equal(words, ""), "", " " + words)
        return self.tokenize(words)

    def detokenize(self, inputs, skip_special_tokens=False):
        """Returns the text that token ids stand for, normalized.

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
        table = self._visible_texts if skip_special_tokens else self._id_texts
        with tf.device("CPU"):
            pieces = tf.ragged.map_flat_values(
                lambda ids: tf.gather(table, ids), ids
            )
            texts = tf.strings.reduce_join(pieces, axis=-1)
            if self._vocabulary.model.adds_prefix:
                texts = tf.strings.regex_replace(texts, "^ ", "")
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
        return list(self.layout.special_tokens())

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of control tokens and of added ones that are special."""
        self._check_vocabulary()
        ids = self._vocabulary.ids
        return sorted(ids[token] for token in self._vocabulary.special_tokens())

    # Vocabulary

    @property
    def has_vocabulary(self) -> bool:
        """Whether there is one: while a file is loaded, it is to come."""
        return getattr(self, "_vocabulary", None) is not None

    def set_proto(self, proto: bytes | PathLike | None) -> None:
        """Sets the model, or none where it is `None`."""
        self._vocabulary = self._graphs = None
        self._sentence_piece = self._measure = None
        self._id_texts = self._visible_texts = None
        if proto is None:
            return
        self._vocabulary = Vocabulary(
            SentencePieceModel(proto), self.layout, self.added_tokens
        )
        self.added_tokens = self._vocabulary.added_tokens
        encoder = SentencePieceEncoder(
            self._vocabulary.model,
            self._vocabulary.piece_ids,
            self._vocabulary.ids[self.layout.unk_token],
            EncoderOptions(self.prepend_scheme, self.trailing_space),
            self.added_tokens,
        )
        self._graphs = EncoderGraphs(
            encoder, self.max_text_bytes, type(self).__name__
        )
        # A SavedModel keeps the models that it finds on tracked objects.
        self._sentence_piece, self._measure = encoder.resources
        self._update_special_token_ids()
        texts = self._vocabulary.texts_by_id()
        self._id_texts = cpu_constant(texts)
        for i in self.special_token_ids:
            texts[i] = b""
        self._visible_texts = cpu_constant(texts)

    @property
    def proto(self) -> bytes | None:
        """The bytes of the SentencePiece model."""
        return self._vocabulary and self._vocabulary.model.proto

    @property
    def vocabulary(self) -> dict[str, int] | None:
        """The dict from token to id."""
        return self._vocabulary and dict(self._vocabulary.ids)

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
        """Returns the token that has `id`, a space in it written as `▁`."""
        self._check_vocabulary()
        token = self._vocabulary.by_id.get(int(id))
        if token is None:
            raise ValueError(
                f"No token has id {id}; ids are below {self._vocabulary.size}."
            )
        return token

    def token_to_id(self, token: str) -> int:
        """Returns the id of `token`, in which a space is written as `▁`."""
        self._check_vocabulary()
        if token not in self._vocabulary.ids:
            raise ValueError(
                f"{token!r} is not in the vocabulary. In tokens a space is "
                "written as '▁'; `tokenize` takes text."
            )
        return self._vocabulary.ids[token]

    def _check_vocabulary(self) -> None:
        # The base class asks for ids while the constructor still runs.
        if not self.has_vocabulary:
            raise ValueError(
                "This LongformerSentencePieceTokenizer has no model. Pass "
                "`proto`, or load one with `from_preset`."
            )

    # Saving

    def save_assets(self, dir_path: str) -> None:
        """Writes `vocabulary.spm`."""
        self._check_vocabulary()
        with open(os.path.join(dir_path, MODEL_FILE), "wb") as file:
            file.write(self.proto)

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        self.set_proto(os.path.join(dir_path, MODEL_FILE))

    def get_config(self) -> dict:
        """Returns the arguments but the model, which is an asset."""
        config = super().get_config()
        config.update(
            layout=self.layout.get_config(),
            added_tokens=[dataclasses.asdict(t) for t in self.added_tokens],
            sequence_length=self.sequence_length,
            special_tokens_in_text=self.special_tokens_in_text,
            prepend_scheme=self.prepend_scheme,
            trailing_space=self.trailing_space,
            row_tokens=self.row_tokens and self.row_tokens.as_dict(),
            max_text_bytes=self.max_text_bytes,
        )
        return config

    @classmethod
    def from_config(cls, config: dict):
        if isinstance(config.get("proto"), str):
            raise ValueError(
                "A saved config may not make the tokenizer read a file. "
                f"Received: proto={config['proto']!r:.200}. Pass the path to "
                "the constructor."
            )
        return super().from_config(config)

    # Hugging Face's files

    @classmethod
    def from_hugging_face(cls, files: Mapping[str, str]):
        """Opens `sentencepiece.bpe.model`, `spiece.model` or `tokenizer.json`.

        Args:
            files: mapping of file name to path, those that are there.

        Returns:
            The tokenizer, or `None` where the files are of another kind.

        Raises:
            ValueError: all that the files say and that cannot be followed.
        """
        found = read_files(files)
        return None if found is None else cls(**found)

    def hugging_face_files(
        self, max_sequence_length: int
    ) -> dict[str, str | bytes]:
        """Returns the content of each file that `transformers` opens it from.

        Args:
            max_sequence_length: int, the most tokens that the model reads.
        """
        self._check_vocabulary()
        return write_files(self, max_sequence_length)
