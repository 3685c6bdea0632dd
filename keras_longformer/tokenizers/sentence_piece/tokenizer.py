"""`LongformerSentencePieceTokenizer`: SentencePiece as a KerasHub tokenizer."""

import os
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.text.coercion import check_one_of
from keras_longformer.tokenizers.encoder_tokenizer import MAX_TEXT_BYTES
from keras_longformer.tokenizers.encoder_tokenizer import EncoderTokenizer
from keras_longformer.tokenizers.file_parts import limited_json
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.sentence_piece.encoder import PREFIXED
from keras_longformer.tokenizers.sentence_piece.encoder import TRAILING
from keras_longformer.tokenizers.sentence_piece.encoder import EncoderOptions
from keras_longformer.tokenizers.sentence_piece.encoder import (
    SentencePieceEncoder,
)
from keras_longformer.tokenizers.sentence_piece.hugging_face import read_files
from keras_longformer.tokenizers.sentence_piece.hugging_face import (
    tokenizer_json,
)
from keras_longformer.tokenizers.sentence_piece.hugging_face import write_files
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.layout import as_layout
from keras_longformer.tokenizers.sentence_piece.model import PathLike
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.vocabulary import Vocabulary
from keras_longformer.tokenizers.special_tokens import AddedToken

MODEL_FILE = "vocabulary.spm"  # KerasHub's name.


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerSentencePieceTokenizer(EncoderTokenizer):
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

    White space before a word belongs to the word's token, all of it; at the
    ends of a text it belongs to none. A `▁` that was put before a text has the
    offsets of the text's first character. A character that became several,
    such as `½`, belongs to each token that has a part of it. These are the
    offsets of Hugging Face's fast tokenizers, except that those whose file
    splits at white space first leave the white space out.

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
    data_arguments = ("proto",)
    data_name = "model"
    token_notation = "In tokens a space is written as '▁'"

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
        super().__init__(
            sequence_length=sequence_length,
            special_tokens_in_text=special_tokens_in_text,
            max_text_bytes=max_text_bytes,
            row_tokens=row_tokens,
            dtype=dtype,
            **kwargs,
        )
        check_one_of("prepend_scheme", prepend_scheme, PREFIXED)
        check_one_of("trailing_space", trailing_space, TRAILING)
        self.file_assets = [MODEL_FILE]
        self.layout = as_layout(layout)
        self.prepend_scheme = prepend_scheme
        self.trailing_space = trailing_space
        self._set_special_tokens(
            {
                "start_token": self.layout.start_token,
                "pad_token": self.layout.pad_token,
                "end_token": self.layout.end_token,
                "unk_token": self.layout.unk_token,
                "mask_token": self.layout.mask_token,
            },
            added_tokens,
            self.layout.mask_token,
        )
        self.set_proto(proto)

    # Text to ids and back

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

    def _joined(self, pieces):
        texts = super()._joined(pieces)
        if self._vocabulary.model.adds_prefix:
            texts = tf.strings.regex_replace(texts, "^ ", "")
        return texts

    @property
    def control_tokens(self) -> list[str]:
        """The special tokens that no text may hold by default."""
        return list(self.layout.special_tokens())

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of control tokens and of added ones that are special."""
        self._check_vocabulary()
        ids = self._vocabulary.tokens
        return sorted(ids[token] for token in self._vocabulary.special_tokens())

    @staticmethod
    def starts_word(token: str) -> bool:
        """Returns whether a token begins with a blank, "▁"."""
        return token.startswith("▁")

    # Vocabulary

    def set_proto(self, proto: bytes | PathLike | None) -> None:
        """Sets the model, or none where it is `None`."""
        self._unset_vocabulary()
        self._sentence_piece = self._measure = None
        if proto is None:
            return
        self._vocabulary = Vocabulary(
            SentencePieceModel(proto), self.layout, self.added_tokens
        )
        self.added_tokens = self._vocabulary.added_tokens
        encoder = SentencePieceEncoder(
            self._vocabulary.model,
            self._vocabulary.piece_ids,
            self._vocabulary.tokens[self.layout.unk_token],
            EncoderOptions(self.prepend_scheme, self.trailing_space),
            self.added_tokens,
        )
        self._set_encoder(encoder)
        # A SavedModel keeps the models that it finds on tracked objects.
        self._sentence_piece, self._measure = encoder.resources
        self._set_texts(self._vocabulary.texts_by_id())

    @property
    def proto(self) -> bytes | None:
        """The bytes of the SentencePiece model."""
        return self._vocabulary and self._vocabulary.model.proto

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
            prepend_scheme=self.prepend_scheme,
            trailing_space=self.trailing_space,
        )
        return config

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

    def tokenizer_json(self, max_sequence_length: int) -> str | None:
        """Returns the text of a `tokenizer.json` for `tokenizers` alone."""
        self._check_vocabulary()
        content = tokenizer_json(self)
        if content is None:
            return None
        return limited_json(content, self, max_sequence_length)
