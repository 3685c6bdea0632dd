"""The signatures of an exported model: from texts or token ids to answers.

Every function here is TensorFlow alone, takes whole batches, and returns named
tensors whose first axis is the batch, which TF Serving's batching splits again.
"""

from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.serving import groups
from keras_longformer.serving import rows as reading
from keras_longformer.serving.answer import Problem
from keras_longformer.serving.answer import Rules
from keras_longformer.serving.embedding import EmbeddingAnswer

BAD_TEXTS = ("fail", "report")
# Ends of the names of signatures that not every machine can run.
XLA = "_xla"
NATIVE = "_native"
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
        self.rules = Rules(self.tokenizer, self.buckets[-1], over_long)
        self.bad_texts = bad_texts
        self.backbone = getattr(model, "backbone", model)
        self.head, self.embedding = make_answers(
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
            functions = {"serving_default": text, "embed": text}
        else:
            functions = {
                "serving_default": self._from_text(self.head, answer),
                "embed": text,
            }
        tokens = self._tokens_name()
        functions[tokens] = self._from_tokens(self.head, answer)
        if xla:
            compiled = self._runner(self.head, few_shapes=True, jit=True)
            functions[tokens + XLA] = self._from_tokens(self.head, compiled)
        return functions

    def native_signatures(self) -> dict[str, Callable]:
        """Returns those to be traced with the compiled kernel."""
        answer = self._runner(self.head, few_shapes=True)
        return {
            "serving" + NATIVE: self._from_text(self.head, answer),
            self._tokens_name() + NATIVE: self._from_tokens(self.head, answer),
        }

    def answer_plainly(
        self, texts: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The answers of `serving_default`, without buckets, layer by layer.

        What an exported graph is compared with.
        """

        def run(rows, extras):
            length = tf.cast(rows.bounding_shape(axis=1), tf.int32)
            inputs = groups.padded(rows, length, self.tokenizer.pad_token_id)
            return self.head.compute(**inputs, **extras)

        return self._answer_texts(self.head, run, texts)

    def _tokens_name(self):
        return "embed_tokens" if self.head is self.embedding else "tokens"

    def _runner(self, head, few_shapes=False, jit=None):
        """A function of ragged rows and extras that runs the head's numbers."""
        compute = tf.function(
            head.compute, jit_compile=jit, autograph=False
        ).get_concrete_function(
            token_ids=TOKEN_IDS,
            padding_mask=tf.TensorSpec([None, None], tf.bool),
            **head.extra_specs(),
        )
        # XLA compiles for each shape.
        run = groups.run_together if few_shapes else groups.run_in_groups

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
        def from_text(*texts):
            texts = dict(zip(head.inputs, texts, strict=True))
            return self._answer_texts(head, run, texts)

        specs = [
            tf.TensorSpec([None], tf.string, name=name) for name in head.inputs
        ]
        return tf.function(
            from_text, input_signature=specs, autograph=False
        ).get_concrete_function()

    def _from_tokens(self, head, run):
        def from_tokens(token_ids):
            return self._answer_tokens(head, run, token_ids)

        return tf.function(
            from_tokens, input_signature=[TOKEN_IDS], autograph=False
        ).get_concrete_function()

    def _answer_texts(self, head, run, texts):
        texts, errors = self._within_size(texts)
        with tf.device("CPU"):
            read = head.read(texts, self.rules)
        errors = _noted(errors, read.problems)
        return self._answer(head, run, read.windows.token_ids, errors, read)

    def _within_size(self, texts):
        """Empties texts that the tokenizer would refuse, and says why."""
        first = next(iter(texts.values()))
        errors = tf.fill(tf.shape(first), "")
        limit = self.tokenizer.max_text_bytes
        if limit is None:
            return texts, errors
        sizes = {name: tf.strings.length(text) for name, text in texts.items()}
        problems = [
            Problem(
                size > limit,
                f"the {name} has ",
                size,
                f" bytes, more than max_text_bytes={limit}. Cut or split it.",
            )
            for name, size in sizes.items()
        ]
        errors = _noted(errors, problems)
        fine = tf.equal(errors, "")
        texts = {name: tf.where(fine, x, "") for name, x in texts.items()}
        return texts, errors

    def _answer_tokens(self, head, run, token_ids):
        rows = reading.rows_of_tokens(
            token_ids,
            end_id=self.tokenizer.end_token_id,
            pad_id=self.tokenizer.pad_token_id,
        )
        errors = tf.fill(tf.shape(token_ids)[:1], "")
        lengths = rows.row_lengths()
        size = self.backbone.vocabulary_size
        unknown = tf.logical_or(token_ids < 0, token_ids >= size)
        problems = [
            Problem(
                lengths > self.buckets[-1],
                "the row has ",
                lengths,
                f" tokens; the model reads {self.buckets[-1]}.",
            ),
            Problem(
                tf.reduce_any(unknown, 1),
                "the row has the token id ",
                tf.reduce_max(tf.where(unknown, token_ids, tf.int32.min), 1),
                f"; ids are from 0 to {size - 1}.",
            ),
            *head.problems(rows),
        ]
        return self._answer(head, run, rows, _noted(errors, problems), None)

    def _answer(self, head, run, rows, errors, read):
        if head.marks:
            masks = tf.equal(rows, self.tokenizer.mask_token_id)
            masks = tf.reduce_sum(tf.cast(masks, tf.int32), 1)
            problem = Problem(
                masks > 128,
                "the text has ",
                masks,
                f" masks, more than {128}.",
            )
            errors = _noted(errors, [problem])
        fine = tf.equal(errors, "")
        if self.bad_texts == "fail":
            check = tf.debugging.Assert(
                tf.reduce_all(fine), [tf.boolean_mask(errors, ~fine)[:1]]
            )
            with tf.control_dependencies([] if check is None else [check]):
                rows = tf.identity(rows)
        room = tf.where(fine, tf.int64.max, 0)
        if read is not None:
            room = tf.gather(room, read.windows.text_index)
        rows = reading.first_tokens(rows, room)
        outputs = run(rows, head.extras(rows))
        if read is None:
            outputs = head.finish(outputs)
        else:
            outputs = head.merge(outputs, read.windows)
            outputs = head.finish_texts(outputs, read.document)
        if self.bad_texts == "report":
            outputs = {name: _where(fine, x) for name, x in outputs.items()} | {
                "error": errors
            }
        return outputs


def make_answers(model, preprocessor, class_names=None):
    if class_names is not None and not hasattr(model, "class_names"):
        raise ValueError(
            "`class_names` are for a LongformerTextClassifier or a "
            f"LongformerTokenClassifier. Received: {type(model).__name__}"
        )
    backbone = getattr(model, "backbone", model)
    allowed = backbone.max_global_tokens
    global_start = getattr(
        preprocessor, "global_start", allowed is None or allowed > 0
    )
    embedding = EmbeddingAnswer(backbone, global_start)
    if model is backbone:
        return embedding, embedding
    return model.served_cls(model, preprocessor, class_names), embedding


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
    if not isinstance(model, LongformerBackbone) and not hasattr(
        model, "served_cls"
    ):
        raise TypeError(
            "`export_saved_model` takes a LongformerBackbone or one of its "
            f"tasks. Received: {type(model).__name__}"
        )
    if preprocessor is None:
        kind = getattr(model, "preprocessor_cls", None)
        raise ValueError(
            f"'{model.name}' has no preprocessor to turn texts into token ids "
            "with. Pass `preprocessor`, a "
            f"{getattr(kind, '__name__', 'preprocessor')}(tokenizer)."
        )


def _noted(errors, problems):
    """Writes an error for rows that have a problem and no error yet."""
    for bad, before, number, after in problems:
        number = tf.strings.as_string(number)
        message = tf.strings.join([before, number, after])
        errors = tf.where(bad & tf.equal(errors, ""), message, errors)
    return errors


def _where(fine, x):
    """Zeros or "" in rows that are not fine."""
    rank = tf.rank(x)
    shape = tf.concat([tf.shape(fine), tf.ones([rank - 1], tf.int32)], 0)
    return tf.where(
        tf.reshape(fine, shape),
        x,
        "" if x.dtype == tf.string else tf.zeros([], x.dtype),
    )
