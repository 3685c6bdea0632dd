"""The signatures of an exported model: from texts or token ids to answers.

Every function here is TensorFlow alone, takes whole batches, and returns named
tensors whose first axis is the batch, which TF Serving's batching splits again.
"""

from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.models import LongformerBackbone
from keras_longformer.models import LongformerMaskedLM
from keras_longformer.models import LongformerTextClassifier
from keras_longformer.serving import groups
from keras_longformer.serving import heads
from keras_longformer.serving import rows as reading

BAD_TEXTS = ("fail", "report")
TEXT = tf.TensorSpec([None], tf.string, name="text")
TOKEN_IDS = tf.TensorSpec([None, None], tf.int32, name="token_ids")


class ServedModel:
    """A model and its preprocessor, as plain functions of tensors.

    Args:
        model: a `LongformerTextClassifier`, `LongformerMaskedLM` or
            `LongformerBackbone`.
        preprocessor: what holds its `LongformerTokenizer`.
        buckets: ints in ascending order, the lengths that rows are padded to.
            The last is the most tokens of a row.
        over_long: one of `keras_longformer.serving.rows.OVER_LONG`.
        bad_texts: `"fail"` or `"report"`.
        class_names: list of str, or `None`.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessor: keras.layers.Layer,
        buckets: Sequence[int],
        *,
        over_long: str = "truncate",
        bad_texts: str = "fail",
        class_names: Sequence[str] | None = None,
    ):
        self.model = model
        self.tokenizer = preprocessor.tokenizer
        self.buckets = list(buckets)
        self.over_long = over_long
        self.bad_texts = bad_texts
        self.backbone = getattr(model, "backbone", model)
        self.head, self.embedding = heads.make_heads(
            model, preprocessor, class_names
        )
        if over_long not in self.head.over_long:
            raise ValueError(
                f"A {type(model).__name__} cannot read long texts by "
                f'`over_long="{over_long}"`. Take one of '
                f"{self.head.over_long}."
            )

    def signatures(self, xla: bool) -> dict[str, Callable]:
        """Returns concrete functions by the signatures' names."""
        answer, embed = self._runner(self.head), self._runner(self.embedding)
        if self.head is self.embedding:
            embed = answer
        text = self._from_text(self.embedding, embed)
        if self.head is self.embedding:
            tokens = "embed_tokens"
            functions = {"serving_default": text, "embed": text}
        else:
            tokens = "tokens"
            functions = {
                "serving_default": self._from_text(self.head, answer),
                "embed": text,
            }
        functions[tokens] = self._from_tokens(self.head, answer)
        if xla:
            compiled = self._runner(self.head, xla=True)
            functions[f"{tokens}_xla"] = self._from_tokens(self.head, compiled)
        return functions

    def answer_plainly(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answers of `serving_default`, without buckets, layer by layer.

        What an exported graph is compared with.
        """

        def run(rows, extras):
            length = tf.cast(rows.bounding_shape(axis=1), tf.int32)
            inputs = groups.padded(rows, length, self.tokenizer.pad_token_id)
            return self.head.compute(**inputs, **extras)

        return self._answer_texts(self.head, run, text)

    def _runner(self, head, xla=False):
        """A function of ragged rows and extras that runs the head's numbers."""
        compute = tf.function(
            head.compute, jit_compile=True if xla else None, autograph=False
        ).get_concrete_function(
            token_ids=TOKEN_IDS,
            padding_mask=tf.TensorSpec([None, None], tf.bool),
            **head.extra_specs(),
        )
        # XLA compiles for each shape: as few as can be.
        run = groups.run_together if xla else groups.run_in_groups

        def run_rows(rows, extras):
            return run(
                compute,
                rows,
                extras,
                buckets=self.buckets,
                pad_id=self.tokenizer.pad_token_id,
            )

        return run_rows

    def _from_text(self, head, run):
        def from_text(text):
            return self._answer_texts(head, run, text)

        return tf.function(
            from_text, input_signature=[TEXT], autograph=False
        ).get_concrete_function()

    def _from_tokens(self, head, run):
        def from_tokens(token_ids):
            return self._answer_tokens(head, run, token_ids)

        return tf.function(
            from_tokens, input_signature=[TOKEN_IDS], autograph=False
        ).get_concrete_function()

    def _answer_texts(self, head, run, text):
        limit = self.tokenizer.max_text_bytes
        errors = tf.fill(tf.shape(text), "")
        if limit is not None:
            sizes = tf.strings.length(text)
            errors = _noted(
                errors,
                sizes > limit,
                "the text has ",
                sizes,
                f" bytes, more than max_text_bytes={limit}. Cut or split it.",
            )
            text = tf.where(tf.equal(errors, ""), text, "")
        with tf.device("CPU"):
            windows = reading.rows_of_texts(
                self.tokenizer.tokenize(text, [*head.marks]),
                longest=self.buckets[-1],
                over_long=self.over_long,
                start_id=self.tokenizer.start_token_id,
                end_id=self.tokenizer.end_token_id,
            )
        return self._answer(head, run, windows.token_ids, errors, windows)

    def _answer_tokens(self, head, run, token_ids):
        rows = reading.rows_of_tokens(
            token_ids,
            end_id=self.tokenizer.end_token_id,
            pad_id=self.tokenizer.pad_token_id,
        )
        errors = tf.fill(tf.shape(token_ids)[:1], "")
        lengths = rows.row_lengths()
        errors = _noted(
            errors,
            lengths > self.buckets[-1],
            "the row has ",
            lengths,
            f" tokens; the model reads {self.buckets[-1]}.",
        )
        size = self.backbone.vocabulary_size
        unknown = tf.logical_or(token_ids < 0, token_ids >= size)
        errors = _noted(
            errors,
            tf.reduce_any(unknown, 1),
            "the row has the token id ",
            tf.reduce_max(tf.where(unknown, token_ids, tf.int32.min), 1),
            f"; ids are from 0 to {size - 1}.",
        )
        return self._answer(head, run, rows, errors, None)

    def _answer(self, head, run, rows, errors, windows):
        if head.marks:
            masks = tf.equal(rows, self.tokenizer.mask_token_id)
            masks = tf.reduce_sum(tf.cast(masks, tf.int32), 1)
            errors = _noted(
                errors,
                masks > heads.MAX_MASKS,
                "the text has ",
                masks,
                f" masks, more than {heads.MAX_MASKS}.",
            )
        fine = tf.equal(errors, "")
        if self.bad_texts == "fail":
            check = tf.debugging.Assert(
                tf.reduce_all(fine), [tf.boolean_mask(errors, ~fine)[:1]]
            )
            with tf.control_dependencies([] if check is None else [check]):
                rows = tf.identity(rows)
        room = tf.where(fine, tf.int64.max, 0)
        if windows is not None:
            room = tf.gather(room, windows.text_index)
        rows = reading.first_tokens(rows, room)
        outputs = run(rows, head.extras(rows))
        if windows is not None:
            outputs = head.merge(outputs, windows)
        outputs = head.finish(outputs)
        if self.bad_texts == "report":
            outputs = {name: _where(fine, x) for name, x in outputs.items()} | {
                "error": errors
            }
        return outputs


def input_specs(function: Callable) -> dict[str, tf.TensorSpec]:
    """Returns the specs of a concrete function's inputs by name."""
    positional, named = function.structured_input_signature
    return {spec.name: spec for spec in positional} | named


def check_model(
    model: keras.Model, preprocessor: keras.layers.Layer | None
) -> None:
    """Raises for what cannot be served.

    Raises:
        TypeError: a model of another kind.
        ValueError: no preprocessor.
    """
    kinds = LongformerTextClassifier, LongformerMaskedLM, LongformerBackbone
    if not isinstance(model, kinds):
        raise TypeError(
            "`export_saved_model` knows "
            f"{', '.join(kind.__name__ for kind in kinds)}. "
            f"Received: {type(model).__name__}"
        )
    if preprocessor is None:
        kind = getattr(model, "preprocessor_cls", None)
        kind = kind or LongformerTextClassifier.preprocessor_cls
        raise ValueError(
            f"'{model.name}' has no preprocessor to turn texts into token ids "
            "with. Pass `preprocessor`, a "
            f"{kind.__name__}(tokenizer)."
        )


def _noted(errors, bad, before, number, after):
    """Writes an error for the rows that are `bad` and have none yet."""
    message = tf.strings.join([before, tf.strings.as_string(number), after])
    return tf.where(bad & tf.equal(errors, ""), message, errors)


def _where(fine, x):
    """Zeros or "" in rows that are not fine."""
    rank = tf.rank(x)
    shape = tf.concat([tf.shape(fine), tf.ones([rank - 1], tf.int32)], 0)
    return tf.where(
        tf.reshape(fine, shape),
        x,
        "" if x.dtype == tf.string else tf.zeros([], x.dtype),
    )
