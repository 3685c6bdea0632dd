"""What a tokenizer must give, whatever its kind.

Preprocessors, exports and conversion know tokenizers by this class alone. A
new kind is one more `EncoderTokenizer`, with a line in `opening.py`.
"""

import os
import typing
from collections.abc import Mapping

import keras_hub
import numpy as np
import tensorflow as tf

from keras_longformer import weights
from keras_longformer.text.template import RowTemplate
from keras_longformer.unfinished import whole_folder


class Tokens(typing.NamedTuple):
    """The tokens of a batch of texts, int32 ragged `(b, None)` each.

    Attributes:
        ids: token ids.
        starts: the character (code point, as Python indexes a `str`) of the
            text at which each token starts.
        ends: the character after each token's last.
    """

    ids: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


class GraphTokenizer(keras_hub.tokenizers.Tokenizer):
    """A tokenizer whose texts, ids and offsets are all in the graph.

    Besides the methods below, a subclass has the attributes

    - `start_token_id`, `end_token_id`, `pad_token_id`, `unk_token_id` and
      `mask_token_id`, int, and `mask_token`, str: KerasHub's special tokens;
      the last three are `None` where there is none;
    - `special_tokens_in_text`: which of them are recognised in texts;
    - `max_text_bytes`: int or `None`, the longest text that it takes;
    - `sequence_length`: `None` where it neither pads nor cuts off, as
      preprocessors need it.
    """

    # Whether `from_preset` gives what there is, of this class or not.
    opens_every_kind = False
    # Packages, besides TensorFlow, whose operations it runs: what loads a
    # SavedModel with such a tokenizer imports them first.
    operations_of: tuple[str, ...] = ()

    def tokenize(self, inputs, special_tokens_in_text=None):
        """Returns the ids of texts.

        Args:
            inputs: a string, a (nested) list or array of strings, or a string
                tensor of any rank, ragged too.
            special_tokens_in_text: `False`, `True` or a list of special
                tokens: which are recognised in the texts. By default the
                attribute of this name.

        Returns:
            int ids with one more axis than `inputs`: dense for one text,
            ragged for more.
        """
        raise NotImplementedError

    def tokenize_with_offsets(
        self, inputs, special_tokens_in_text=None
    ) -> Tokens:
        """Returns the ids of texts, and the characters that each stands for."""
        raise NotImplementedError

    def tokenize_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns ids, int32 ragged `(w, None)`, of words within a text.

        Args:
            words: string `(w,)`; each is tokenized as if it followed another
                word, an empty one to nothing.
        """
        raise NotImplementedError

    @property
    def row_template(self) -> RowTemplate:
        """The special tokens of rows that the model was trained on."""
        raise NotImplementedError

    @property
    def word_starts(self) -> np.ndarray:
        """bool `(v,)`, `True` for ids of tokens that start a word.

        Words are what stands between white space, or what the tokenizer cuts
        texts into before it makes tokens, as BERT's does at punctuation. The
        first token of a text starts a word, whatever is said of it here.
        """
        raise NotImplementedError

    @property
    def has_vocabulary(self) -> bool:
        """Whether there is one: while a file is loaded, it is to come."""
        raise NotImplementedError

    @classmethod
    def from_preset(cls, preset, config_file="tokenizer.json", **kwargs):
        """Opens the tokenizer of a preset, without its weights.

        Args:
            preset: str, what a task's `from_preset` opens: a Hugging Face
                folder or `hf://` handle, a folder that `save_to_preset` of a
                task, a preprocessor or a tokenizer wrote, or a RoBERTa preset
                of KerasHub's. A folder need not have a model.
            config_file: str, the tokenizer's file in a preset of ours.
            **kwargs: arguments of the constructor, in place of the preset's:
                `special_tokens_in_text`, `max_text_bytes`, ...

        Returns:
            From `LongformerTokenizer.from_preset`, the tokenizer of any kind
            that the preset has; from another class's, one of this class.

        Raises:
            ValueError: no tokenizer, one of another kind, or all that its
                files say which would change ids and cannot be followed.

        Example:

        ```python
        LongformerTokenizer.from_preset("path/to/roberta-base")
        ```
        """
        from keras_longformer.tokenizers import presets

        preset = os.fspath(preset)
        if weights.is_tokenizer_alone(preset):
            tokenizer = presets.open_alone(preset, **kwargs)
        elif presets.is_own(preset):
            tokenizer = super().from_preset(
                preset, config_file=config_file, **kwargs
            )
        else:
            tokenizer = presets.open_foreign_tokenizer(preset)
            tokenizer = presets.with_options(tokenizer, **kwargs)
        if not (cls.opens_every_kind or isinstance(tokenizer, cls)):
            raise ValueError(
                f"'{preset}' has a {type(tokenizer).__name__}. Open it with "
                f"that class or with LongformerTokenizer, not {cls.__name__}."
            )
        return tokenizer

    def save_to_preset(self, preset_dir: str) -> None:
        """Saves it into a folder, whole or not at all."""
        with whole_folder(preset_dir) as new:
            super().save_to_preset(new)

    @classmethod
    def from_hugging_face(
        cls, files: Mapping[str, str]
    ) -> "GraphTokenizer | None":
        """Opens the tokenizer of a Hugging Face folder.

        Args:
            files: mapping of file name to path, those that are there.

        Returns:
            The tokenizer, or `None` where the files are of another kind.
        """
        raise NotImplementedError

    def hugging_face_files(
        self, max_sequence_length: int
    ) -> dict[str, str | bytes]:
        """Returns the text or bytes of each file that `transformers` reads.

        Args:
            max_sequence_length: int, the most tokens that the model reads.
        """
        raise NotImplementedError

    def tokenizer_json(self, max_sequence_length: int) -> str | None:
        """Returns the text of a `tokenizer.json`, or `None`: it has no such.

        That is the file of the package `tokenizers`, which pads to the longest
        row of a batch and cuts off.

        Args:
            max_sequence_length: int, the most tokens of a row.
        """
        return None


def check_tokenizer(tokenizer) -> None:
    """Raises for what no preprocessor can read with.

    Raises:
        TypeError: a tokenizer of another library's or kind.
        ValueError: a tokenizer that pads or cuts off.
    """
    if not isinstance(tokenizer, GraphTokenizer):
        raise TypeError(
            "`tokenizer` must be one of keras_longformer's, such as a "
            "LongformerTokenizer: its offsets, special tokens and limits are "
            f"needed in the graph. Received: {type(tokenizer).__name__}"
        )
    if tokenizer.sequence_length is not None:
        raise ValueError(
            "The preprocessor pads, its tokenizer must not. Received: a "
            f"tokenizer with sequence_length={tokenizer.sequence_length}; make "
            "it without."
        )
