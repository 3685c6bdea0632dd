"""Documents and their summaries, as model inputs, and summaries as text."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.models.seq2seq import LongformerSeq2SeqBackbone
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.preprocessor import check_over_long
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import length_buckets
from keras_longformer.text.packing import pack
from keras_longformer.text.packing import pad_rows
from keras_longformer.text.rows import without_problems
from keras_longformer.text.template import start_mask
from keras_longformer.tokenizers import GraphTokenizer

SEQUENCE_LENGTH = 16384  # Of the released led-base-16384.
DECODER_SEQUENCE_LENGTH = 512  # What its fine-tunes write at most.
GLOBAL_TOKENS = ("start", "none")
NO_LABELS = (
    "The summaries stand beside the documents: write "
    '`fit({"encoder_text": documents, "decoder_text": summaries})`.'
)
TAKES = Takes(
    write='a dict of "encoder_text" and "decoder_text"',
    alone=False,
    names={"encoder_text": (1,), "decoder_text": (1,)},
    required=("encoder_text", "decoder_text"),
)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerSeq2SeqLMPreprocessor(
    RowPreprocessor, keras_hub.models.Preprocessor
):
    """Turns documents and summaries into inputs, `<s>` global.

    With the tokens `a b` of a summary, as Hugging Face's LED has them:

        decoder_token_ids    </s> <s>  a    b
        y                    <s>  a    b    </s>

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length: int, the most tokens of a document, special ones
            included; longer ones are cut off.
        decoder_sequence_length: int, the most tokens of a summary, special
            ones included; of `generate` too, unless it says `max_length`.
        over_long: what is read of a document with more tokens: `"truncate"`,
            its beginning, or `"head_tail"`, a quarter of the row from its
            beginning and the rest from its end.
        global_tokens: `"start"`, `<s>` alone, or `"none"`. Generate as you
            train: a model that was trained with the one talks nonsense with
            the other.
        pad_to: `"sequence_length"`, `"longest"` of the batch, or a list of
            lengths of documents to take the least of that holds the longest
            row. Summaries are padded accordingly.

    Call arguments:
        x: dict of `"encoder_text"` and `"decoder_text"`, each a string or a
            batch of strings.
        y: `None`: the targets are made of `x`.
        sample_weight: float `(b,)`, of examples, or `None`.

    Returns:
        Tuple of the dict of `encoder_token_ids`, `encoder_padding_mask`,
        `encoder_global_mask`, `(b, n)`, `decoder_token_ids` and
        `decoder_padding_mask`, `(b, t)`; the targets, int32 `(b, t)`; and
        their weights, float32 `(b, t)`, 0 at padding.

    Raises:
        ValueError: labels, or `x` without one of the two.

    Example:

    ```python
    preprocessor = LongformerSeq2SeqLMPreprocessor(
        tokenizer, sequence_length=4096, decoder_sequence_length=128)
    x, y, weights = preprocessor(
        {"encoder_text": ["A long text ..."], "decoder_text": ["A text."]})
    ```
    """

    backbone_cls = LongformerSeq2SeqBackbone
    reads = ("encoder_text", "decoder_text")
    over_long_choices = ("truncate", "head_tail")
    takes = TAKES

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        decoder_sequence_length: int = DECODER_SEQUENCE_LENGTH,
        over_long: str = "truncate",
        global_tokens: str = "start",
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "round_robin")
        check_packing(decoder_sequence_length, "longest", "round_robin")
        check_over_long(over_long)
        check_one_of("global_tokens", global_tokens, GLOBAL_TOKENS)
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.decoder_sequence_length = decoder_sequence_length
        self.over_long = over_long
        self.global_tokens = global_tokens
        self.pad_to = pad_to

    def call(self, x, y=None, sample_weight=None):
        """Returns inputs, targets and weights."""
        if y is not None:
            raise ValueError(NO_LABELS)
        if not isinstance(x, dict) or {*x} != {*self.reads}:
            raise ValueError(
                f"Give {self.takes.write}. Received: "
                f"{sorted(x) if isinstance(x, dict) else type(x).__name__}."
            )
        with tf.device("CPU"):
            inputs = self.encoder_inputs(x)
            # <s> a b </s>, then what stands before each of them.
            targets, mask, _ = pack(
                self.token_rows(x["decoder_text"]),
                template=self.row_template,
                sequence_length=self.decoder_sequence_length,
                pad_to=self._decoder_pad_to(),
            )
            inputs["decoder_token_ids"] = tf.concat(
                [self._first(targets), targets[:, :-1]], axis=1
            )
            inputs["decoder_padding_mask"] = mask
            # </s> stands before the padding as well.
            inputs["decoder_token_ids"] = tf.where(
                mask, inputs["decoder_token_ids"], self.row_template.pad
            )
            weights = tf.cast(mask, tf.float32)
            if sample_weight is not None:
                given = tf.cast(as_labels(sample_weight), tf.float32)
                weights *= tf.reshape(given, [-1, 1])
        return without_batch_like(x["encoder_text"], (inputs, targets, weights))

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns documents as rows of token ids: see `RowPreprocessor`."""
        if isinstance(x, dict):
            x = x["encoder_text"]
        return self.text_rows(
            x, longest=longest, over_long=over_long, stride=stride
        )

    def encoder_inputs(self, x):
        """Returns the encoder's inputs of documents, padded by `pad_to`.

        Args:
            x: strings `(b,)`, or a dict that has them as `"encoder_text"`.
        """
        return self.padded_inputs(without_problems(self.rows(x)).windows)

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the encoder takes, for rows that are packed."""
        is_global = start_mask(token_ids)
        if self.global_tokens == "none":
            is_global = tf.zeros_like(is_global)
        return {
            "encoder_token_ids": token_ids,
            "encoder_padding_mask": padding_mask,
            "encoder_global_mask": is_global,
        }

    def generate_preprocess(self, x, sequence_length=None):
        """Returns documents as inputs, with room for what is written of them.

        The decoder starts from `</s>` alone; a summary's beginning, if one is
        given, follows as `<s> a b`.

        Args:
            x: a string or a batch of strings, documents; or a dict of these as
                `"encoder_text"` and of the summaries' beginnings as
                `"decoder_text"`, which may be left out.
            sequence_length: int, the most tokens of a summary, all special
                ones included; by default `decoder_sequence_length`.
        """
        length = sequence_length or self.decoder_sequence_length
        beginnings = None
        if isinstance(x, dict):
            beginnings = x.get("decoder_text")
            x = x["encoder_text"]
        texts = as_texts(x)
        with tf.device("CPU"):
            inputs = self.encoder_inputs(tf.reshape(texts, [-1]))
            rows = self._first(inputs["encoder_token_ids"])
            rows = tf.RaggedTensor.from_tensor(rows)
            if beginnings is not None:
                rows = self._with_beginnings(rows, beginnings, length)
            inputs["decoder_token_ids"], inputs["decoder_padding_mask"] = (
                pad_rows(
                    rows,
                    pad_id=self.row_template.pad,
                    sequence_length=length,
                    pad_to="sequence_length",
                )
            )
        return inputs

    def generate_postprocess(self, x):
        """Returns the texts of generated ids, a list of `str`."""
        texts = self.texts_of(x["decoder_token_ids"], x["decoder_padding_mask"])
        return [text.decode("utf-8") for text in texts.numpy().tolist()]

    def texts_of(self, token_ids, padding_mask) -> tf.Tensor:
        """Returns string `(b,)` of ids `(b, t)` where the mask is `True`,
        without special tokens."""
        with tf.device("CPU"):
            token_ids = tf.convert_to_tensor(token_ids)
            mask = tf.cast(tf.convert_to_tensor(padding_mask), tf.bool)
            rows = tf.ragged.boolean_mask(token_ids, mask)
            return self.tokenizer.detokenize(rows, skip_special_tokens=True)

    def _with_beginnings(self, rows, beginnings, length):
        beginnings = self.token_rows(beginnings)
        start = tf.constant([self.row_template.start], tf.int32)
        start = tf.tile(start, [beginnings.nrows(), 1])
        rows = tf.concat([rows, start, beginnings], axis=1)
        longest = tf.reduce_max(rows.row_lengths())
        message = tf.strings.format(
            "A beginning of a summary has {} tokens, more than `max_length` "
            "has room for: {}. Make it larger, or the beginning shorter.",
            (longest, length),
        )
        check = tf.debugging.Assert(longest <= length, [message])
        with tf.control_dependencies([] if check is None else [check]):
            return tf.RaggedTensor.from_row_splits(
                tf.identity(rows.values), rows.row_splits
            )

    def _first(self, like):
        """int32 `(b, 1)`, what the decoder starts from."""
        return tf.fill([tf.shape(like)[0], 1], self.row_template.end[-1])

    def pads_to(self, name):
        """Returns to what an input of this name is padded."""
        if name.startswith("decoder_"):
            return self._decoder_pad_to()
        return self.pad_to

    def _decoder_pad_to(self):
        if isinstance(self.pad_to, str):
            return self.pad_to
        return length_buckets(
            self.decoder_sequence_length, shortest=32, per_doubling=4
        )

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "decoder_sequence_length": self.decoder_sequence_length,
            "over_long": self.over_long,
            "global_tokens": self.global_tokens,
        }
