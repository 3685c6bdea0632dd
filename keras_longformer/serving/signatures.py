"""The signatures of an exported model: from texts or token ids to answers.

Every function here is TensorFlow alone, takes whole batches, and returns named
tensors whose first axis is the batch, which TF Serving's batching splits again.
"""

from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.serving import groups
from keras_longformer.serving import rows as token_rows
from keras_longformer.serving.answer import Answer
from keras_longformer.serving.checks import traced
from keras_longformer.serving.embedding import EmbeddingAnswer
from keras_longformer.text.rows import Problem
from keras_longformer.text.rows import first_message

BAD_TEXTS = ("fail", "report")
# Ends of the names of signatures that not every machine can run.
XLA = "_xla"
NATIVE = "_native"
TOKEN_IDS = tf.TensorSpec([None, None], tf.int32, name="token_ids")


class ServedModel:
    """A model and its preprocessor, as plain functions of tensors.

    Args:
        model: a `LongformerBackbone`, or a task with a `served_cls`.
        preprocessor: the `RowPreprocessor` that reads its texts.
        buckets: ints in ascending order, the lengths that rows are padded to.
            The last is the most tokens of a row.
        over_long: one of the answer's `over_long`.
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
        self.preprocessor = preprocessor
        self.tokenizer = preprocessor.tokenizer
        self.pad_id = preprocessor.row_template.pad
        self.buckets = list(buckets)
        self.over_long = over_long
        self.bad_texts = bad_texts
        self.backbone = getattr(model, "backbone", model)
        self.embedding = EmbeddingAnswer(model, preprocessor)
        self.answer: Answer = self.embedding
        if model is not self.backbone:
            self.answer = model.served_cls(model, preprocessor, class_names)
        elif class_names is not None:
            raise ValueError(
                "`class_names` are for a task with classes. Received: a "
                f"{type(model).__name__}"
            )
        if over_long not in self.answer.over_long:
            raise ValueError(
                f"A {type(model).__name__} cannot read "
                f"{' and '.join(self.answer.inputs)} by "
                f'`over_long="{over_long}"`. Take one of '
                f"{self.answer.over_long}."
            )

    def signatures(self, xla: bool) -> dict[str, Callable]:
        """Returns concrete functions by the signatures' names."""
        answer, embed = self._runner(self.answer), self._runner(self.embedding)
        if self.answer is self.embedding:
            embed = answer
        text = self._from_text(self.embedding, embed)
        if self.answer is self.embedding:
            functions = {"serving_default": text, "embed": text}
        else:
            functions = {
                "serving_default": self._from_text(self.answer, answer),
                "embed": text,
            }
        tokens = self._tokens_name()
        functions[tokens] = self._from_tokens(self.answer, answer)
        if xla:
            compiled = self._runner(self.answer, few_shapes=True, jit=True)
            functions[tokens + XLA] = self._from_tokens(self.answer, compiled)
        return functions

    def text_signature(self) -> Callable:
        """Returns `serving_default` alone, which is made sooner."""
        return self._from_text(self.answer, self._runner(self.answer))

    def native_signatures(self) -> dict[str, Callable]:
        """Returns those to be traced with the compiled kernel."""
        answer = self._runner(self.answer, few_shapes=True)
        return {
            "serving" + NATIVE: self._from_text(self.answer, answer),
            self._tokens_name() + NATIVE: self._from_tokens(
                self.answer, answer
            ),
        }

    @property
    def _names(self):
        return (
            f"'{self.model.name}' with its {type(self.preprocessor).__name__}"
        )

    def _tokens_name(self):
        return "embed_tokens" if self.answer is self.embedding else "tokens"

    def _runner(self, answer, few_shapes=False, jit=None):
        """A function of ragged rows and extras that runs `compute`."""
        compute_of = tf.function(
            answer.compute, jit_compile=jit, autograph=False
        )
        compute = traced(
            lambda: compute_of.get_concrete_function(
                token_ids=TOKEN_IDS,
                padding_mask=tf.TensorSpec([None, None], tf.bool),
                **answer.extra_specs(),
            ),
            f"What {self._names} computes",
        )
        # XLA compiles for each shape.
        run = groups.run_together if few_shapes else groups.run_in_groups

        def run_rows(rows, extras):
            return run(
                compute,
                rows,
                extras,
                buckets=self.buckets,
                pad_id=self.pad_id,
            )

        return run_rows

    def _from_text(self, answer, run):
        def from_text(*texts):
            texts = dict(zip(answer.inputs, texts, strict=True))
            return self._answer_texts(answer, run, texts)

        specs = [
            tf.TensorSpec([None], tf.string, name=name)
            for name in answer.inputs
        ]
        function = tf.function(
            from_text, input_signature=specs, autograph=False
        )
        return traced(
            function.get_concrete_function, f"The reading of {self._names}"
        )

    def _from_tokens(self, answer, run):
        def from_tokens(token_ids):
            return self._answer_tokens(answer, run, token_ids)

        return tf.function(
            from_tokens, input_signature=[TOKEN_IDS], autograph=False
        ).get_concrete_function()

    def _answer_texts(self, answer, run, texts):
        texts, errors = within_size(texts, self.tokenizer.max_text_bytes)
        with tf.device("CPU"):
            read = answer.read(texts, self.buckets[-1], self.over_long)
        errors = first_message(read.problems, errors)
        return self._answer(answer, run, read.windows.token_ids, errors, read)

    def _answer_tokens(self, answer, run, token_ids):
        rows = token_rows.rows_of_tokens(
            token_ids,
            end_id=self.preprocessor.row_template.end[-1],
            pad_id=self.pad_id,
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
            *answer.problems(rows),
        ]
        return self._answer(
            answer, run, rows, first_message(problems, errors), None
        )

    def _answer(self, answer, run, rows, errors, read):
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
        rows = token_rows.first_tokens(rows, room)
        outputs = run(rows, answer.extras(rows))
        if read is None:
            outputs = answer.finish(outputs)
        else:
            outputs = answer.merge(outputs, read.windows)
            outputs = answer.finish_texts(outputs, read.source)
        if self.bad_texts == "report":
            outputs = {name: _where(fine, x) for name, x in outputs.items()} | {
                "error": errors
            }
        return outputs


def within_size(texts, limit):
    """Empties texts that the tokenizer would refuse, and says why.

    Args:
        texts: dict of string `(b,)`.
        limit: int, the most bytes of one, or `None`.

    Returns:
        The texts; and string `(b,)`, what is wrong, "" where nothing is.
    """
    first = next(iter(texts.values()))
    errors = tf.fill(tf.shape(first), "")
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
    errors = first_message(problems, errors)
    fine = tf.equal(errors, "")
    texts = {name: tf.where(fine, x, "") for name, x in texts.items()}
    return texts, errors


def finished(run, errors, bad_texts):
    """Returns outputs, where texts may be bad, by one of `BAD_TEXTS`.

    Args:
        run: function without arguments, which returns a dict of tensors.
        errors: string `(b,)`, what is wrong with each text, or "".
        bad_texts: str.
    """
    fine = tf.equal(errors, "")
    if bad_texts == "report":
        outputs = {name: _where(fine, x) for name, x in run().items()}
        return {**outputs, "error": errors}
    check = tf.debugging.Assert(
        tf.reduce_all(fine), [tf.boolean_mask(errors, ~fine)[:1]]
    )
    with tf.control_dependencies([] if check is None else [check]):
        outputs = run()
        return {name: tf.identity(x) for name, x in outputs.items()}


def input_specs(function: Callable) -> dict[str, tf.TensorSpec]:
    """Returns the specs of a concrete function's inputs by name."""
    positional, named = function.structured_input_signature
    return {spec.name: spec for spec in positional} | named


def _where(fine, x):
    """Zeros or "" in rows that are not fine."""
    rank = tf.rank(x)
    shape = tf.concat([tf.shape(fine), tf.ones([rank - 1], tf.int32)], 0)
    return tf.where(
        tf.reshape(fine, shape),
        x,
        "" if x.dtype == tf.string else tf.zeros([], x.dtype),
    )
