"""How our models take their inputs, beyond what Keras does for each."""

import inspect
import logging

import keras
from keras import ops

from keras_longformer.models.plain_errors import SaysPlainly
from keras_longformer.models.portable import PortableModel

LOGGER = logging.getLogger("keras_longformer")

# Inputs that may be left out of a call's dictionary, and their dtypes. Zeros
# say what leaving out says: no token is global, all are of type 0, and a row
# is one document.
OPTIONAL_INPUTS = {
    "global_mask": "bool",
    "token_type_ids": "int32",
    "segment_ids": "int32",
}


class LongformerInputs(SaysPlainly, PortableModel):
    """Lets inputs be left out, and masks cross `tf.distribute`.

    A mixin before a `keras.Model` whose inputs are a dict.
    """

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(complete(self, inputs), *args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds from one replica's share of the first batch.

        Keras 3.15 takes the mean over the replicas, which bool masks and
        strings do not have (and fails under `MultiWorkerMirroredStrategy`).
        """
        if self._distribute_strategy is None:
            return
        local = self._distribute_strategy.experimental_local_results
        if iterator is not None:
            for _, _, batches in iterator:
                data_batch = keras.tree.map_structure(
                    lambda value: local(value)[0],
                    next(batches),
                )
                break
        super()._maybe_symbolic_build(data_batch=data_batch)


def check_keywords(model, keywords, known=("name", "trainable")):
    """Raises `TypeError` for arguments that no constructor takes.

    Keras 3.15's functional models swallow them, and with them a misspelt
    `window_size`.
    """
    unknown = [name for name in keywords if name not in known]
    if unknown:
        takes = list(inspect.signature(type(model).__init__).parameters)
        raise TypeError(
            f"{type(model).__name__} has no argument "
            f"{', '.join(map(repr, unknown))}. It takes: "
            f"{', '.join([*takes[1:-1], *known])}."
        )


def complete(model, inputs):
    """Makes a call's dictionary what a model's graph wants.

    - `global_mask` and `token_type_ids` may be left out: none is global, all
      are of type 0. Keras wants every input that a functional model names,
      though it may be `None`; symbols, and inputs that may not be `None`, get
      zeros instead.
    - `token_type_ids` are dropped where the model has one type of token
      (`num_token_types=1`) and so no such input. A preprocessor makes them
      where the rows of its tokenizer have types; to the model all tokens are
      of the one type that it knows. It is logged once for each model.

    This is the one place that decides it: all models, fitted, called,
    predicting and exported, are called through here.

    Args:
        model: a functional model, whose inputs are a dict.
        inputs: what it was called with.
    """
    takes = model.input
    if not isinstance(inputs, dict) or not isinstance(takes, dict):
        return inputs
    if "token_type_ids" in inputs and "token_type_ids" not in takes:
        inputs = {k: x for k, x in inputs.items() if k != "token_type_ids"}
        _say_dropped(model)
    absent = [
        name
        for name in OPTIONAL_INPUTS
        if name in takes and inputs.get(name) is None
    ]
    if not absent or "token_ids" not in inputs:
        return inputs
    is_symbol = isinstance(inputs["token_ids"], keras.KerasTensor)
    may_be_none = {name: _is_optional(takes[name]) for name in absent}
    if not is_symbol and not all(may_be_none.values()):
        # Keras takes tensors or arrays, not some of each.
        inputs = keras.tree.map_structure(
            lambda x: None if x is None else ops.convert_to_tensor(x), inputs
        )
    filled = {}
    for name in absent:
        filled[name] = None
        if is_symbol or not may_be_none[name]:
            filled[name] = ops.zeros_like(
                inputs["token_ids"], dtype=OPTIONAL_INPUTS[name]
            )
    return {**inputs, **filled}


def _is_optional(symbol):
    return getattr(symbol._keras_history.operation, "optional", False)


def _say_dropped(model):
    if getattr(model, "_said_dropped_types", False):
        return
    model._said_dropped_types = True
    LOGGER.warning(
        "'%s' has one type of token (num_token_types=1): `token_type_ids` are "
        "not used, and the two texts of a pair are told apart by the tokens "
        "between them alone.",
        model.name,
    )
