"""The case table, as tensors."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_longformer.native import cases


@dataclasses.dataclass(frozen=True)
class Case(cases.Case):
    """`native.cases.Case`, whose inputs are tensors."""

    def inputs(self, seed=0):
        """Dict of all arguments, float tensors in the case's dtype."""

        def convert(value):
            if not isinstance(value, np.ndarray):
                return value
            is_float = value.dtype.kind == "f"
            return tf.constant(value, self.dtype if is_float else value.dtype)

        inputs = super().inputs(seed)
        return {name: convert(value) for name, value in inputs.items()}


LONG = cases.LONG
CASES = [Case(**dataclasses.asdict(case)) for case in cases.CASES]


def to_float64(inputs):
    """The same inputs for the definition: tensors in float64."""
    return {
        name: (
            tf.cast(value, tf.float64)
            if tf.is_tensor(value) and value.dtype.is_floating
            else value
        )
        for name, value in inputs.items()
    }


def split(inputs):
    """Two dicts: the tensors, and the rest."""
    tensors = {k: v for k, v in inputs.items() if tf.is_tensor(v)}
    return tensors, {k: v for k, v in inputs.items() if k not in tensors}


def differentiable(inputs):
    """The inputs that have a gradient."""
    return {
        k: v
        for k, v in inputs.items()
        if tf.is_tensor(v) and v.dtype.is_floating
    }
