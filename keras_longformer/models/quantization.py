"""Quantized layers: made, written into configurations and made again."""

import contextlib
import gc
import warnings

import keras

from keras_longformer.weights import check_not_quantized

# Those of Keras that a model may be asked for, and that its files keep.
MODES = ("int8", "int4", "float8")


class Quantizable:
    """Lets a model be quantized, saved and opened again.

    A mixin before a `keras.Model`.
    """

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Keras' `quantize`, in place: weights of 8 or 4 bits.

        The model is kept as it is then by `save` and `save_to_preset`, and
        exported; only `save_hugging_face` refuses it, and `from_preset` any
        change of its length or windows.

        Args:
            mode: `"int8"`, `"int4"` (Keras divides kernels into blocks) or
                `"float8"` (for training; embeddings stay as they are).
            config: a `keras.quantizers.QuantizationConfig`, instead of or
                besides `mode`.
            filters: which layers, by their names; all by default.
            **kwargs: as for `keras.Model.quantize`.

        Raises:
            ValueError: another mode, or a model that is quantized already.
        """
        asked = getattr(config, "mode", None) if mode is None else mode
        if asked not in MODES:
            raise ValueError(
                f"`mode` must be one of {MODES}. Keras' other modes calibrate "
                "blocks that take hidden states alone, and ours take masks "
                f"too. Received: mode={asked!r}."
            )
        check_not_quantized(self, "quantizing it a second time")
        with warnings.catch_warnings(), _one_collection():
            # Of dropout, LayerNorm and the others that have nothing to do.
            for kept in ("Layer .* does not have a `quantize`", "Invalid quan"):
                warnings.filterwarnings("ignore", kept)
            super().quantize(mode, config=config, filters=filters, **kwargs)


def is_quantized(model):
    """Says whether any layer of a model is quantized."""
    return any(map(_mode, model._flatten_layers()))


def describe_quantized(layers):
    """Returns what `quantize_again` makes of new layers.

    Args:
        layers: those of a model.

    Returns:
        Dict of each quantized layer's path to its mode and settings, as JSON
        can write them.
    """
    return {
        layer.path: {
            "mode": _mode(layer),
            "config": keras.saving.serialize_keras_object(
                layer.quantization_config
            ),
        }
        for layer in layers
        if _mode(layer) is not None
    }


def quantize_again(layers, described):
    """Quantizes new layers as `describe_quantized` has found them.

    Their weights are then of the same shapes, for a file to be read into.

    Raises:
        ValueError: a path that no layer has.
    """
    by_path = {layer.path: layer for layer in layers}
    unknown = sorted(set(described) - set(by_path))
    if unknown:
        raise ValueError(
            "The configuration names quantized layers that the model does not "
            f"have: {', '.join(unknown)}."
        )
    with _one_collection():
        for path, settings in described.items():
            config = keras.saving.deserialize_keras_object(settings["config"])
            by_path[path].quantize(settings["mode"], config=config)


def own_layers(task):
    """The layers of a task that are not its backbone's or preprocessor's."""
    others = {id(layer) for layer in task.backbone._flatten_layers()}
    return [
        layer
        for layer in task._flatten_layers(include_self=False)
        if id(layer) not in others
    ]


@contextlib.contextmanager
def _one_collection():
    """Collects garbage once, where Keras does after each layer.

    That takes a second with TensorFlow's objects in memory; those that are
    there before are left out of it.
    """
    if gc.get_freeze_count():  # Somebody else's.
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def _mode(layer):
    return getattr(layer, "quantization_mode", None)
