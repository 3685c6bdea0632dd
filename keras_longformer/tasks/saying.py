"""What a model says of texts, in words: what its export would answer.

The graph that a server would run answers, so that the two cannot differ.
"""

import operator
import typing
from collections.abc import Callable
from numbers import Integral

import numpy as np
import tensorflow as tf

from keras_longformer.models.presets import keywords_of
from keras_longformer.serving.checks import check_model
from keras_longformer.serving.prompts import reads_prompts
from keras_longformer.serving.prompts import text_function
from keras_longformer.serving.signatures import ServedModel
from keras_longformer.serving.signatures import input_specs
from keras_longformer.tasks import said
from keras_longformer.tasks.reading import with_batch
from keras_longformer.text.packing import length_buckets

_PLAIN = bool | int | float | str | bytes | list | tuple
_KERAS = ("built", "trainable", "name")  # Which change no answer.


class TextAnswers(typing.NamedTuple):
    """A model's graph from texts to answers.

    Attributes:
        inputs: tuple of str, the names of the texts that it takes.
        function: concrete function of strings `(b,)`; its outputs are those of
            `serving_default`, and `error`, string `(b,)`.
        keep: what holds the variables, which a function only borrows.
    """

    inputs: tuple[str, ...]
    function: Callable
    keep: object


def text_answers(model, over_long: str | None = None) -> TextAnswers:
    """Traces what `serving_default` of the model's export would be.

    Args:
        model: a task.
        over_long: str, what is read of texts longer than the model; by default
            what its `fit` reads.

    Raises:
        TypeError, ValueError: what cannot be exported, or read so.
    """
    if reads_prompts(model):
        served = model.served_cls(
            model, over_long=over_long, bad_texts="report"
        )
        return TextAnswers(("text",), text_function(served), served)
    preprocessor = model.preprocessor
    check_model(model, preprocessor)
    longest = model.backbone.max_sequence_length
    if getattr(preprocessor, "sequence_length", None) is not None:
        longest = min(longest, preprocessor.sequence_length)
    served = ServedModel(
        model,
        preprocessor,
        length_buckets(longest),
        over_long=over_long or preprocessor.over_long,
        bad_texts="report",
    )
    function = served.text_signature()
    return TextAnswers(tuple(input_specs(function)), function, served)


class SaysInWords:
    """Gives a task `say`; a mixin before KerasHub's class."""

    def say(
        self, x, *, over_long: str | None = None, batch_size: int = 8
    ) -> list[dict] | dict:
        """Says of texts, in words, what the model thinks of them.

        The answers are those of the exported model's `serving_default`, and
        the columns those of `keras-longformer predict`:

            classifier          `label`, `probabilities` by class; or
                                `labels`; or `value`
            masked LM           for each `<mask>` the likeliest `tokens` and
                                their `probabilities`
            question answering  `answer`, `start`, `end`, `score`,
                                `no_answer_score`
            token classifier    `words`, their `starts` and `ends`, `labels`
            multiple choice     `choice`, `choice_index`, `probabilities`
            embedder            `embedding`

        The first call makes the graph, which takes some seconds.

        Args:
            x: one text, or a list of them; or what else `predict` takes. A
                `LongformerTokenClassifier` takes texts, not lists of words.
            over_long: what is read of texts longer than the model:
                `"truncate"`, `"head_tail"` or `"windows"`; by default what
                `fit` reads.
            batch_size: int, texts at once.

        Returns:
            A dict for each text, in a list; for one text its dict.

        Raises:
            ValueError: a model that writes texts, or a text that cannot be
                read: which one, and why.

        Example:

        ```python
        classifier.say("a long, good text")
        # {"label": "good", "probabilities": {"bad": 0.1, "good": 0.9}}
        masked_lm.say("Paris is the <mask> of France.")["tokens"]
        ```
        """
        if reads_prompts(self):
            raise ValueError(
                f"'{self.name}' ({type(self).__name__}) writes texts: take "
                "`generate`."
            )
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(
                "`batch_size` must be a positive integer. Received: "
                f"batch_size={batch_size!r}."
            )
        answers = self._text_answers(over_long)
        _, is_one = with_batch(x, self.preprocessor.takes)
        columns = _by_name(self.read_texts(x), answers.inputs)
        num = int(next(iter(columns.values())).shape[0])
        rows = []
        for start in range(0, num, batch_size):
            part = slice(start, start + batch_size)
            outputs = answers.function(
                **{name: column[part] for name, column in columns.items()}
            )
            rows += self._rows(outputs, start)
        return rows[0] if is_one else rows

    def _rows(self, outputs, start):
        outputs = {name: x.numpy() for name, x in outputs.items()}
        errors = outputs.pop("error", np.array([], object))
        for i, error in enumerate(errors):
            if error:
                raise ValueError(f"Text {start + i}: {error.decode()}")
        tell = getattr(type(self), "said", said.rows)
        return tell(outputs, getattr(self, "class_names", None))

    def _text_answers(self, over_long):
        # Other layers, such as LoRA's, have other variables. All is kept: of
        # what is gone, something new may have the number.
        preprocessor = self.preprocessor
        tokenizer = getattr(preprocessor, "tokenizer", None)
        parts = [preprocessor, tokenizer, *self.variables]
        public = [
            n for n in getattr(preprocessor, "__dict__", ()) if n[0] != "_"
        ]
        of = over_long, _settings(self), _settings(preprocessor, public)
        known = self.__dict__.get("_answers")
        if known is None or not known.fits(of, parts):
            known = _Known(of, parts, text_answers(self, over_long))
            # Past Keras, which would keep it as a part of the model.
            self.__dict__["_answers"] = known
        return known.answers


class _Known(typing.NamedTuple):
    """Answers, and what they were made of."""

    of: tuple
    parts: list
    answers: TextAnswers

    def fits(self, of, parts):
        return (
            of == self.of
            and len(parts) == len(self.parts)
            and all(map(operator.is_, parts, self.parts))
        )


def _settings(layer, also=()):
    """What a graph may hold as constants, by name: what the constructors of
    its classes took, and other attributes."""
    names = {*also}.union(*map(keywords_of, type(layer).__mro__[:-1]))
    values = {name: getattr(layer, name, None) for name in names}
    return {
        name: repr(value)
        for name, value in values.items()
        if isinstance(value, _PLAIN) and name not in _KERAS
    }


def _by_name(x, inputs):
    """string `(b,)` by the names of a signature."""
    if isinstance(x, dict):
        unread = [name for name in x if name not in inputs]
        if unread:
            raise ValueError(
                f"An example is made of {', '.join(inputs)}, and {unread} "
                "would not be read. Received: a dict of "
                f"{', '.join(map(str, x))}."
            )
        columns = {name: x[name] for name in inputs if name in x}
        first = next(iter(columns.values()))
        blank = tf.fill([first.shape[0]], "")
        columns = {name: columns.get(name, blank) for name in inputs}
    else:
        x = x if isinstance(x, tuple) else (x,)
        if len(x) != len(inputs):
            raise ValueError(
                f"An example is made of {', '.join(inputs)}. Received: "
                f"{len(x)} texts."
            )
        columns = dict(zip(inputs, x, strict=True))
    for name, column in columns.items():
        if name == "choices":  # One a line, as a server takes them.
            columns[name] = tf.strings.reduce_join(column, 1, separator="\n")
        elif column.shape.rank != 1:
            raise ValueError(
                f"`say` takes texts, one string each. Received: `{name}` of "
                f"shape {column.shape}."
            )
    return columns
