"""Choices: which of several answers is right."""

import keras
import keras_hub
import tensorflow as tf
from keras import ops

from keras_longformer.models.backbone import initializer
from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.tasks.multiple_choice.finetuning import (
    MultipleChoiceFineTuning,
)
from keras_longformer.tasks.multiple_choice.labels import RightChoices
from keras_longformer.tasks.multiple_choice.preprocessor import SCORINGS
from keras_longformer.tasks.multiple_choice.preprocessor import (
    LongformerMultipleChoicePreprocessor,
)
from keras_longformer.tasks.multiple_choice.said import choice_rows
from keras_longformer.tasks.multiple_choice.served import ChoiceAnswer
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.text.coercion import check_one_of
from keras_longformer.weights.names import DENSE


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMultipleChoice(LongformerTask, keras_hub.models.Task):
    """Scores the choices that a question has, any number of them.

    `scoring` names the design:

    - `"choices"`: each choice is read with the context, in a row of its own;
      its score is a dense layer on the row's pooled `<s>` (a dense layer with
      tanh, then dropout), as Hugging Face's `LongformerForMultipleChoice` has
      it. The context is read once for each choice.
    - `"candidates"`: all choices are read in one row, in front of the
      documents, as the paper does for WikiHop; a choice's score is a dense
      layer on the state of the token that opens it. Documents longer than the
      model are read in windows, each with question and choices in front, and
      a choice's states are averaged over them.

    Questions and choices are global: any number of tokens, which XLA can only
    compile with a `max_global_tokens` of the backbone that is enough.

    Args:
        backbone: a `LongformerBackbone`.
        preprocessor: a `LongformerMultipleChoicePreprocessor` with the same
            `scoring`, or `None`, where inputs are already token ids.
        scoring: `"choices"` or `"candidates"`.
        dropout: float in [0, 1); the backbone's by default.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's, but of shape `(b, t, n)`: `t` choices, or
            windows; one that is not there has no `True` in its
            `padding_mask`. For `"candidates"` also `candidate_positions`,
            int32 `(b, c)`, the column of each candidate's token, 0 for none.

    Returns:
        float32 `(b, choices)`, logits; -1e9 for a choice that is not there.

    Raises:
        ValueError: another `scoring`, or a preprocessor with another one.

    Example:
    ```python
    task = keras_longformer.LongformerMultipleChoice.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    questions = {
        "context": ["It was Ada.", "Two and two is four."],
        "question": ["Who was it?", "How much is it?"],
        "choices": [["Ada", "Zoe"], ["three", "four", "five"]],
    }
    task.fit(questions, [0, 1], batch_size=1)
    task.predict(questions).argmax(-1)  # (2,)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 6.2
    and appendix.
    """

    labels = RightChoices()
    served_cls = ChoiceAnswer
    finetuning = {"multiple_choice": MultipleChoiceFineTuning}
    said = staticmethod(choice_rows)
    preprocessor_cls = LongformerMultipleChoicePreprocessor
    hugging_face_class = "LongformerForMultipleChoice"
    head_modules = (
        ("classifier", "classifier", DENSE),
        ("pooler", "pooler.dense", DENSE),
    )
    head_activations = (("pooler", None, "tanh"),)

    def __init__(
        self,
        backbone,
        preprocessor=None,
        scoring="choices",
        dropout=None,
        **kwargs,
    ):
        dropout = backbone.dropout if dropout is None else dropout

        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)
        _check_scoring(scoring, preprocessor)

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            1,
            kernel_initializer=initializer(),
            dtype=backbone.dtype_policy,
            name="classifier",
        )
        rows, texts = _Rows(name="rows"), _Texts(name="texts")

        # Graph
        inputs = {
            name: keras.Input((None, None), dtype=tensor.dtype, name=name)
            for name, tensor in backbone.input.items()
        }
        outputs = backbone({name: rows(x) for name, x in inputs.items()})
        is_there = ops.any(inputs["padding_mask"], axis=-1)
        if scoring == "candidates":
            states = outputs["sequence_output"] if backbone.pooler else outputs
            positions = keras.Input(
                (None,), dtype="int32", name="candidate_positions"
            )
            x = _CandidateStates(dtype="float32", name="candidate_states")(
                states, positions, is_there
            )
            inputs["candidate_positions"] = positions
            is_there = positions > 0
        else:
            x = self._pooled(backbone, outputs)
        logits = self.output_dense(self.output_dropout(x))[..., 0]
        if scoring == "choices":
            logits = texts(logits, is_there)
        outputs = ops.where(is_there, ops.cast(logits, "float32"), EXCLUDED)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.scoring = scoring
        self.dropout = dropout

    def _pooled(self, backbone, outputs):
        """The pooled `<s>` of rows, by the backbone's pooler or a new one."""
        if backbone.pooler:
            return outputs["pooled_output"]
        self.pooled_dense = keras.layers.Dense(
            backbone.hidden_dim,
            activation="tanh",
            kernel_initializer=initializer(),
            dtype=backbone.dtype_policy,
            name="pooler",
        )
        return self.pooled_dense(outputs[:, 0])

    def default_metrics(self):
        """Returns the accuracy of the choices."""
        return [keras.metrics.SparseCategoricalAccuracy()]

    def example_inputs(self, batch, length, generator):
        """Rows of several texts, some of which are not there."""
        texts = 3
        rows = super().example_inputs(batch * texts, length, generator)
        inputs = {
            name: x.reshape(batch, texts, length) for name, x in rows.items()
        }
        if batch > 1:
            for name in inputs.keys() & {"padding_mask", "global_mask"}:
                inputs[name][1, -1] = False
        if "candidate_positions" in self.input:
            positions = generator.integers(0, length, (batch, 4))
            inputs["candidate_positions"] = positions.astype("int32")
        return inputs

    def hugging_face_config(self):
        config = super().hugging_face_config()
        if self.scoring != "choices":
            raise ValueError(
                "Hugging Face's Longformer scores no candidates in one "
                f"sequence. Received: '{self.name}' with scoring="
                f"{self.scoring!r}. Keep it with `save_to_preset`."
            )
        return config

    @classmethod
    def _read_head(cls, foreign, kwargs):
        bias = foreign.arrays.get("classifier/bias")
        is_other = kwargs.get("scoring", "choices") != "choices"
        # The classifier of tokens has the same name.
        if bias is not None and (is_other or bias.shape != (1,)):
            for name in ("classifier/kernel", "classifier/bias"):
                foreign.arrays.pop(name, None)

    def get_config(self):
        config = super().get_config()
        config.update({"scoring": self.scoring, "dropout": self.dropout})
        return config


class _Rows(keras.layers.Layer):
    """`(b, t, n)` to `(b * t, n)`."""

    def call(self, x):
        n = x.shape[2] if x.shape[2] is not None else ops.shape(x)[2]
        return ops.reshape(x, (-1, n))

    def compute_output_spec(self, x):
        return keras.KerasTensor((None, x.shape[2]), dtype=x.dtype)


class _Texts(keras.layers.Layer):
    """`(b * t,)` to the `(b, t)` of `like`."""

    def call(self, x, like):
        return ops.reshape(x, ops.shape(like))

    def compute_output_spec(self, x, like):
        return keras.KerasTensor(like.shape, dtype=x.dtype)


class _CandidateStates(keras.layers.Layer):
    """The mean of each candidate's states over the windows of a text.

    Takes `states` `(b * t, n, m)`, `positions` `(b, c)` and `is_window` bool
    `(b, t)`; returns float32 `(b, c, m)`.
    """

    def call(self, states, positions, is_window):
        b, t = ops.shape(is_window)[0], ops.shape(is_window)[1]
        c, m = ops.shape(positions)[1], states.shape[-1]
        rows = ops.reshape(
            ops.broadcast_to(positions[:, None], (b, t, c)), (b * t, c)
        )
        chosen = tf.gather(states, rows, batch_dims=1)
        chosen = ops.reshape(ops.cast(chosen, "float32"), (b, t, c, m))
        weights = ops.cast(is_window, "float32")
        total = ops.einsum("btcm,bt->bcm", chosen, weights)
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        return total / count[:, None, None]

    def compute_output_spec(self, states, positions, is_window):
        shape = (*positions.shape, states.shape[-1])
        return keras.KerasTensor(shape, dtype="float32")


def _check_scoring(scoring, preprocessor):
    check_one_of("scoring", scoring, SCORINGS)
    if getattr(preprocessor, "scoring", scoring) != scoring:
        raise ValueError(
            f"The model has scoring={scoring!r} and its preprocessor "
            f"scoring={preprocessor.scoring!r}: make both with the same."
        )
