"""`LongformerTokenizer`: the byte-level BPE as a KerasHub tokenizer."""

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.encoder import BytePairEncoder
from keras_longformer.tokenizers.byte_pair.hugging_face import must_keep_whole
from keras_longformer.tokenizers.byte_pair.hugging_face import read_files
from keras_longformer.tokenizers.byte_pair.hugging_face import tokenizer_json
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
from keras_longformer.tokenizers.encoder_tokenizer import MAX_TEXT_BYTES
from keras_longformer.tokenizers.encoder_tokenizer import EncoderTokenizer
from keras_longformer.tokenizers.file_parts import limited_json
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import raise_for

VOCABULARY_FILE = "vocabulary.json"
MERGES_FILE = "merges.txt"
# Blank, newline, tab, carriage return, as the vocabulary writes bytes.
WHITE_SPACE = ("Ġ", "Ċ", "ĉ", "č")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTokenizer(EncoderTokenizer):
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

    Offsets are those of Hugging Face's `ByteLevelBPETokenizer`, whose default
    is `trim_offsets=False`: a word's blank belongs to its token, which
    `RobertaTokenizerFast` trims. A token that is part of a character, as in
    rare scripts and emoji, gets the whole character.

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
    data_arguments = ("vocabulary", "merges")
    token_notation = "Tokens are written as in vocab.json, a space as 'Ġ'"

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
        super().__init__(
            sequence_length=sequence_length,
            special_tokens_in_text=special_tokens_in_text,
            max_text_bytes=max_text_bytes,
            row_tokens=row_tokens,
            dtype=dtype,
            **kwargs,
        )
        self.file_assets = [VOCABULARY_FILE, MERGES_FILE]
        self.add_prefix_space = add_prefix_space
        self.bos_token = bos_token or start_token
        self.eos_token = eos_token or end_token
        self._set_special_tokens(
            {
                "start_token": start_token,
                "pad_token": pad_token,
                "end_token": end_token,
                "unk_token": unk_token,
                "mask_token": mask_token,
            },
            added_tokens,
            mask_token,
        )
        self.set_vocabulary_and_merges(vocabulary, merges)

    # Text to ids and back

    def tokenize_words(self, words):
        """Returns ids, int32 ragged `(w, None)`, of words within a text.

        As Hugging Face's tokenizers do with `is_split_into_words=True` and
        `add_prefix_space=True`: each word gets a blank before it, unless it
        has one; an empty word has no tokens.

        Args:
            words: string `(w,)`.
        """
        chosen = self._tokens_in_text(None)
        ids = self._graphs.encode_words(words, chosen)
        return tf.cast(ids, self.compute_dtype)

    @staticmethod
    def starts_word(token: str) -> bool:
        """Returns whether a token begins with white space, "Ġ" or "Ċ"."""
        return token.startswith(WHITE_SPACE)

    # Vocabulary

    def set_vocabulary_and_merges(self, vocabulary, merges) -> None:
        """Sets both from data or files, or neither where one is `None`."""
        self._unset_vocabulary()
        self._word_table = None
        if vocabulary is None or merges is None:
            return
        tokens = self._with_added_tokens(read_tokens(vocabulary))
        names = [token.content for token in self.added_tokens]
        self._vocabulary = Vocabulary(
            tokens, merges, self.control_tokens, names
        )
        unknown_id = tokens.get(self.unk_token)
        if unknown_id is None:
            raise_for(missing_byte_problems(tokens, {}, None))
        encoder = BytePairEncoder(
            self._vocabulary,
            unknown_id=unknown_id,
            add_prefix_space=self.add_prefix_space,
        )
        self._set_encoder(encoder)
        # A SavedModel keeps the tables that it finds on tracked objects.
        self._word_table = encoder.word_table
        self._set_texts(self._vocabulary.token_bytes_by_id())

    @property
    def merges(self) -> list[str] | None:
        """The merge rules in order of rank, each `"left right"`."""
        return self._vocabulary and [
            f"{left} {right}" for left, right in self._vocabulary.merges
        ]

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
            add_prefix_space=self.add_prefix_space,
            start_token=self.start_token,
            end_token=self.end_token,
            pad_token=self.pad_token,
            unk_token=self.unk_token,
            mask_token=self.mask_token,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
        )
        return config

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

    def tokenizer_json(self, max_sequence_length: int) -> str:
        """Returns the text of a `tokenizer.json` for `tokenizers` alone."""
        self._check_vocabulary()
        return limited_json(tokenizer_json(self), self, max_sequence_length)
