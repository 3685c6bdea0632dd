"""Raw text to model inputs: what the preprocessors of all tasks share.

    texts -> `rows` -> padding -> `model_inputs` -> the model

`fit` and `predict` go this way through `call`, `predict_windows` through
`windows`, and an exported model through `rows` and `model_inputs`: one owner
of what is read, so that what is served is what was fitted.
"""

import copy
import os

import keras
import tensorflow as tf
from keras.src.utils.backend_utils import in_grain_data_pipeline
from keras_hub.src.utils.tensor_utils import convert_preprocessing_outputs_grain

from keras_longformer import weights
from keras_longformer.models import presets
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.models.plain_errors import plain_errors
from keras_longformer.models.plain_errors import says_plainly
from keras_longformer.tasks.reading import TEXT_OR_PAIR
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import length_buckets
from keras_longformer.text.packing import pack
from keras_longformer.text.packing import pad_rows
from keras_longformer.text.rows import Rows
from keras_longformer.text.rows import without_problems
from keras_longformer.text.template import RowTemplate
from keras_longformer.text.template import repeated
from keras_longformer.text.windows import OVER_LONG
from keras_longformer.text.windows import Windows
from keras_longformer.text.windows import one_row_each
from keras_longformer.text.windows import read_long
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.tokenizers.contract import check_tokenizer

SEQUENCE_LENGTH = 4096  # Of the released longformer-base-4096.
# What `x` may be besides single texts.
PAIR = ("text", "text_pair")


class RowPreprocessor:
    """Reads texts for a task; a mixin before a KerasHub preprocessor.

    A subclass, also a user's, changes what is read by overriding

    - `model_inputs`: what the model takes, for rows that are packed; which
      tokens are global, for example;
    - `rows`: how texts become rows, for another cleaning or splitting.

    `fit`, `predict`, `predict_windows` and exports follow both. One that
    overrides `call` alone is refused by `export_saved_model`, since nothing
    says that rows of a server would be the same.

    Attributes:
        reads: tuple of str, the texts that make an example, the names of an
            exported model's inputs.
        over_long_choices: tuple of str, what of `OVER_LONG` it can do.
        over_long: str, which of them `fit` and `predict` do.
    """

    backbone_cls = LongformerBackbone
    tokenizer_cls = LongformerTokenizer
    reads = ("text",)
    over_long_choices = OVER_LONG
    over_long = "truncate"

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Opens what a preset says of texts, without its weights.

        Args:
            preset: str, what a task's `from_preset` opens: a Hugging Face
                folder or `hf://` handle, a folder that `save_to_preset` wrote,
                or a RoBERTa preset of KerasHub's.
            **kwargs: arguments of the constructor. Without `sequence_length`,
                texts are cut to what the model reads; without `pad_to`, they
                are padded to the least of 256, 512, ... that holds the
                longest of the batch. What a preset of this very class was
                saved with stays where nothing else is said.

        Raises:
            ValueError: a preset of another kind, or one whose tokenizer
                cannot be followed.

        Example:

        ```python
        LongformerTextClassifierPreprocessor.from_preset(
            "path/to/roberta-base", sequence_length=512)
        ```
        """
        preset = os.fspath(preset)
        longest = weights.longest_row(preset)
        if weights.preset_kind(preset) == "keras_hub":
            saved = weights.saved_class(preset, "preprocessor.json")
            if saved == cls.__name__ and "tokenizer" not in kwargs:
                return presets.with_arguments(
                    super().from_preset(preset), longest, **kwargs
                )
        tokenizer = kwargs.pop("tokenizer", None)
        if tokenizer is None:
            tokenizer = LongformerTokenizer.from_preset(preset)
        return cls.for_model(tokenizer, longest, **kwargs)

    @classmethod
    def for_model(cls, tokenizer, longest, **options):
        """Returns a preprocessor for a model that reads `longest` tokens.

        Args:
            tokenizer: a `GraphTokenizer`.
            longest: int, its `sequence_length` where `options` have none.
            **options: other arguments of the constructor.
        """
        length = options.setdefault("sequence_length", longest)
        buckets = "longest"
        if length is not None:
            buckets = length_buckets(length, per_doubling=4)
        return cls(tokenizer, **{"pad_to": buckets, **options})

    def __call__(self, *args, **kwargs):
        """Calls the layer; in a pipeline of Grain's it gives NumPy arrays."""
        with plain_errors():
            outputs = super().__call__(*args, **kwargs)
        if in_grain_data_pipeline():
            return convert_preprocessing_outputs_grain(outputs)
        return outputs

    def build(self, input_shape=None):
        """Makes nothing: KerasHub would make its packer here."""
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with labels and weights if given."""
        with tf.device("CPU"):
            inputs = self.padded_inputs(without_problems(self.rows(x)).windows)
        return keras.utils.pack_x_y_sample_weight(
            without_batch_like(x, inputs),
            as_labels(y),
            as_labels(sample_weight),
        )

    def rows(
        self,
        x,
        *,
        longest: int | None = None,
        over_long: str | None = None,
        stride: int | None = None,
    ) -> Rows:
        """Returns texts as rows of token ids, special tokens included.

        Args:
            x: texts, as `call` takes them.
            longest: int, the most tokens of a row; by default
                `sequence_length`.
            over_long: what is read of a longer text, one of
                `over_long_choices`; by default the attribute.
            stride: int, of windows, as `cut_windows` takes it.
        """
        return self.text_rows(
            x, longest=longest, over_long=over_long, stride=stride
        )

    def model_inputs(self, token_ids, padding_mask) -> dict[str, tf.Tensor]:
        """Returns what the model takes, for rows that are packed.

        Args:
            token_ids: int32 `(b, n)`.
            padding_mask: bool `(b, n)`, `True` at tokens.
        """
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        if self.row_template.token_types is not None:
            inputs["token_type_ids"] = self.row_template.token_type_ids(
                token_ids, padding_mask
            )
        return inputs

    def windows(
        self, x, stride: int | None = None
    ) -> tuple[dict[str, tf.Tensor], Windows]:
        """Returns the model's inputs for every window of every text.

        Args:
            x: texts of any length, as `call` takes them.
            stride: int, how many tokens further each window begins than the
                one before it; by default 7/8 of what a window holds.

        Returns:
            The dict that `call` gives as `x`, with a row for each window, and
            the `Windows` that say what each row is of.

        Raises:
            ValueError: what cannot be cut into windows, or a
                `sequence_length` of `None`.
        """
        inputs, rows = self.window_rows(x, stride)
        return inputs, rows.windows

    @says_plainly
    def window_rows(self, x, stride=None) -> tuple[dict[str, tf.Tensor], Rows]:
        """Returns what `windows` does, with all of the `Rows`."""
        if self.sequence_length is None:
            raise ValueError(
                "Windows are of `sequence_length` tokens, and this "
                f"preprocessor ({type(self).__name__}) has none: make it with "
                "`sequence_length=4096`, or what the model reads."
            )
        with tf.device("CPU"):
            rows = self.rows(x, over_long="windows", stride=stride)
            rows = without_problems(rows)
            return self.padded_inputs(rows.windows), rows

    def padded_inputs(self, windows: Windows) -> dict[str, tf.Tensor]:
        """Returns the model's inputs for rows, padded by `pad_to`."""
        return self.model_inputs(
            *pad_rows(
                windows.token_ids,
                pad_id=self.row_template.pad,
                sequence_length=self.sequence_length,
                pad_to=self.pad_to,
                shortest=self.row_template.num_special(1),
            )
        )

    def pads_to(self, name: str) -> PadTo:
        """Returns to what an input of this name is padded."""
        return self.pad_to

    def text_rows(
        self,
        x,
        *,
        longest: int | None = None,
        over_long: str | None = None,
        stride: int | None = None,
        special_tokens_in_text=None,
    ) -> Rows:
        """Returns the rows of texts, or of pairs of texts.

        Args:
            x: a string or batch of strings, or a tuple of two for pairs, or a
                dict of `"text"` and `"text_pair"`.
            longest, over_long, stride: as for `rows`.
            special_tokens_in_text: as `LongformerTokenizer.tokenize` takes it.
        """
        over_long = self.over_long if over_long is None else over_long
        check_one_of("over_long", over_long, self.over_long_choices)
        if isinstance(x, dict) and "text" in x:
            x = tuple(x[name] for name in PAIR if name in x)
        texts = x if isinstance(x, tuple) else (x,)
        if not 1 <= len(texts) <= 2:
            raise ValueError(
                "One text or a pair of texts makes a row. "
                f"Received: a {type(x).__name__} of {len(x)}."
            )
        ids = [self.token_rows(text, special_tokens_in_text) for text in texts]
        if len(ids) == 2:
            if over_long != "truncate":
                raise ValueError(
                    f"{type(self).__name__} reads pairs of texts by "
                    '`over_long="truncate"` only: windows and "head_tail" are '
                    f"of one text a row. Received: a {type(x).__name__} of 2 "
                    f"and over_long={over_long!r}."
                )
            packed = pack(
                *ids,
                template=self.row_template,
                sequence_length=longest or self.sequence_length,
                pad_to="longest",
                truncate=self.truncate,
            )
            return Rows(one_row_each(packed))
        return Rows(
            read_long(
                ids[0],
                repeated(self.row_template.start, ids[0]),
                longest=self.longest(longest),
                template=self.row_template,
                over_long=over_long,
                stride=stride,
            )
        )

    def token_rows(self, x, special_tokens_in_text=None) -> tf.RaggedTensor:
        """Returns int32, ragged `(b, None)` ids of a string or a batch."""
        check_tokenizer(self.tokenizer)
        texts = tf.reshape(as_texts(x), [-1])
        return self.tokenizer.tokenize(texts, special_tokens_in_text)

    @property
    def takes(self) -> Takes:
        """What `x` of `fit` and `predict` may be."""
        if self.reads in (PAIR[:1], PAIR):
            return TEXT_OR_PAIR
        names = ", ".join(f'"{name}"' for name in self.reads)
        return Takes(
            write=f"a dict of {names}",
            alone=False,
            tuples=(len(self.reads),),
            names=dict.fromkeys(self.reads, (1,)),
            required=self.reads,
        )

    @property
    def row_template(self) -> RowTemplate:
        """The tokenizer's."""
        return self.tokenizer.row_template

    def longest(self, longest: int | None = None) -> int:
        """Returns the most tokens of a row: `sequence_length`, or no limit."""
        return int(longest or self.sequence_length or tf.int32.max)

    def limited_to(self, longest: int, over_long: str | None = None):
        """Returns a copy that reads at most `longest` tokens of a text.

        Args:
            longest: int, the copy's `sequence_length`.
            over_long: one of `over_long_choices`, or `None`: as here.
        """
        limited = copy.copy(self)
        limited.sequence_length = longest
        limited.pad_to = "longest"
        if over_long is not None:
            limited.over_long = over_long
        return limited

    def save_to_preset(self, preset_dir: str) -> None:
        """Saves it and its tokenizer into a folder, whole or not at all."""
        with presets.written(preset_dir) as new:
            super().save_to_preset(new)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "pad_to": self.pad_to}


def check_over_long(over_long: str) -> None:
    """Raises `ValueError` for what `fit` and `predict` cannot do.

    Windows are several rows of a text: `predict_windows` reads them.
    """
    check_one_of("over_long", over_long, ("truncate", "head_tail"))


def without_batch_like(x, outputs):
    """Returns `outputs` without their batch axis where `x` has none."""
    text = x[0] if isinstance(x, tuple) else x
    if isinstance(x, dict):
        text = next(iter(x.values()))
    if as_texts(text).shape.rank > 0:
        return outputs
    return tf.nest.map_structure(lambda tensor: tensor[0], outputs)
