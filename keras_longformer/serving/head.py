"""What an exported model computes from token ids: what all kinds share.

A head has two halves. `compute` is numbers only and can be compiled; `finish`
makes what is returned of it, strings too. Between them `merge` puts the windows
of one text together. All outputs have the batch as first axis, which TF
Serving's batching splits again.
"""

import tensorflow as tf

from keras_longformer.models.windows import mean_of_windows
from keras_longformer.serving.rows import OVER_LONG
from keras_longformer.text.windows import Windows


class Head:
    """One kind of answer to a text.

    Attributes:
        marks: list of special tokens that are recognised in texts.
        over_long: tuple of str, what of `rows.OVER_LONG` it can read.
    """

    marks = ()
    over_long = OVER_LONG

    def extras(self, rows: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Returns what `compute` takes besides ids and padding mask."""
        return {}

    def extra_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `extras`."""
        return {}

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
