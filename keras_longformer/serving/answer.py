"""What an exported model answers: the contract of a task's served answer.

    texts -> `rows` of the preprocessor -> `compute` -> `merge` -> `finish`

`compute` is numbers only and can be compiled; `merge` puts the windows of one
text together; `finish` makes what is returned, strings too. All outputs have
the batch as first axis, which TF Serving's batching splits again.

What is read is the preprocessor's own: an answer names outputs and says how a
server should be asked, and no more.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_longformer.text.merging import mean_of_windows
from keras_longformer.text.rows import Problem
from keras_longformer.text.rows import Rows
from keras_longformer.text.windows import Windows


class Answer:
    """One kind of answer to a text. A task names its own as `served_cls`.

    Args:
        task: the model.
        preprocessor: the `RowPreprocessor` that reads its texts.
        class_names: list of str, what the export was given, or `None`.

    Attributes:
        merging: str, what `merge` does, for people.
        short_texts: dict of the inputs that stay short in warm-up requests,
            to bytes; the others fill the row.
        probe_texts: dict of inputs to tuples of texts for the probe, where its
            own are not what such an input holds.
    """

    merging = "logits, or hidden states, are averaged over them"
    short_texts = {}
    probe_texts = {}

    def __init__(self, task, preprocessor, class_names=None):
        if class_names is not None and not hasattr(task, "class_names"):
            raise ValueError(
                "`class_names` are for a task with classes. "
                f"Received: {type(task).__name__}"
            )
        self.task = task
        self.preprocessor = preprocessor
        self.class_names = class_names

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the texts that it reads."""
        return self.preprocessor.reads

    @property
    def over_long(self) -> tuple[str, ...]:
        """What of `OVER_LONG` it can read."""
        return self.preprocessor.over_long_choices

    def as_x(self, texts: dict[str, tf.Tensor]):
        """Returns texts, string `(b,)` by name, as the preprocessor takes
        them: one alone, a tuple of a pair, a dict of others."""
        if self.inputs == ("text",):
            return texts["text"]
        if self.inputs == ("text", "text_pair"):
            return texts["text"], texts["text_pair"]
        return texts

    def read(
        self, texts: dict[str, tf.Tensor], longest: int, over_long: str
    ) -> Rows:
        """Returns the rows of texts, string `(b,)` by the names of inputs."""
        return self.preprocessor.rows(
            self.as_x(texts), longest=longest, over_long=over_long
        )

    def problems(self, rows: tf.RaggedTensor) -> Sequence[Problem]:
        """Returns what is wrong with rows of token ids, int32 `(b, None)`."""
        return ()

    def extras(self, rows: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Returns what `compute` takes besides ids and padding mask."""
        return {}

    def extra_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `extras`."""
        return {}

    def compute(self, token_ids, padding_mask, **extras):
        """Returns the model's numbers, a dict of tensors `(r, ...)`.

        Args:
            token_ids: int32 `(r, n)`.
            padding_mask: bool `(r, n)`.
            **extras: those of `extras`.
        """
        raise NotImplementedError

    def outputs(self, token_ids, padding_mask, **extras) -> tf.Tensor:
        """Returns the task's own outputs, float32, for packed rows."""
        inputs = self.preprocessor.model_inputs(token_ids, padding_mask)
        outputs = self.task({**inputs, **extras}, training=False)
        return tf.cast(outputs, tf.float32)

    def merge(
        self, outputs: dict[str, tf.Tensor], windows: Windows
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of texts, made of those of their windows."""
        return {
            name: mean_of_windows(x, windows) for name, x in outputs.items()
        }

    def finish(self, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the signature's outputs."""
        return outputs

    def finish_texts(
        self, outputs: dict[str, tf.Tensor], source
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of a signature that takes texts.

        Args:
            outputs: those of `merge`.
            source: what the preprocessor's `Rows` kept of the texts.
        """
        return self.finish(outputs)

    def rules(self) -> dict:
        """Returns what the manifest shall say of texts, besides what holds
        for all answers."""
        return {}

    def predicted(
        self, texts: dict[str, list], over_long: str
    ) -> dict[str, np.ndarray]:
        """Returns what the task itself says of texts, by the same names.

        What an export is compared with: the task's public methods on raw
        texts, as its users call them.

        Args:
            texts: dict of lists of bytes, by the names of inputs.
            over_long: what of `OVER_LONG` the export does.

        Returns:
            Dict of arrays, those outputs of the signature that are compared;
            one at least.
        """
        raise NotImplementedError

    def predict(self, texts: dict[str, list], over_long: str):
        """Returns what the task's `predict`, or `predict_windows`, says."""
        if over_long == "windows":
            x = self.as_x({name: tf.constant(x) for name, x in texts.items()})
            return self.task.predict_windows(x, batch_size=4, verbose=0)
        return self.predict_together(texts, at_once=1)

    def predict_together(self, texts: dict[str, list], at_once: int):
        """Returns what the task's `predict` says of texts, so many at once.

        One at a time each is computed at its own length; outputs of tokens
        can be joined only where all texts are padded alike.
        """
        x = self.as_x({name: tf.constant(x) for name, x in texts.items()})
        # A dataset, since Keras takes no arrays of bytes that are not UTF-8.
        dataset = tf.data.Dataset.from_tensor_slices((x,)).batch(at_once)
        return self.task.predict(dataset, verbose=0)
