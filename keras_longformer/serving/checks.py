"""What can be served, said before anything is traced."""

from collections.abc import Callable

import keras

from keras_longformer.models.backbone import LongformerBackbone

# What reads texts in `fit` and `predict`, and what an export reads them with:
# whoever overrides the first must say so in the second.
_PREPROCESSOR = (("call", ("rows", "model_inputs")), ("windows", ("rows",)))
_TASK = (
    ("preprocess_samples", ("served_cls",)),
    ("predict", ("served_cls",)),
    ("predict_windows", ("served_cls",)),
)
_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_READS = ("rows", "text_rows", "model_inputs", "reads", "over_long_choices")


def check_model(
    model: keras.Model, preprocessor: keras.layers.Layer | None
) -> None:
    """Raises for what cannot be served as it was fitted.

    Raises:
        TypeError: a model or preprocessor of another kind.
        ValueError: no preprocessor, or one that reads otherwise in `fit` than
            it would on a server.
    """
    is_backbone = isinstance(model, LongformerBackbone)
    if not is_backbone and getattr(model, "served_cls", None) is None:
        raise TypeError(
            "`export_saved_model` takes a LongformerBackbone, or a task that "
            "names its served answer (`served_cls`). "
            f"Received: {type(model).__name__}"
        )
    kind = getattr(model, "preprocessor_cls", None)
    wanted = kind.__name__ if kind else "LongformerTextClassifierPreprocessor"
    if preprocessor is None:
        raise ValueError(
            f"'{model.name}' has no preprocessor to turn texts into token ids "
            f"with. Pass `preprocessor`, a {wanted}(tokenizer)."
        )
    missing = [name for name in _READS if not hasattr(preprocessor, name)]
    if missing:
        raise TypeError(
            "`preprocessor` must be one of keras_longformer's or a subclass of "
            f"it, such as {wanted}. Received: {type(preprocessor).__name__}, "
            f"which has no {', '.join(missing)}."
        )
    _check_overrides(
        type(preprocessor),
        _PREPROCESSOR,
        "Change what is read in `rows` or `model_inputs`, which `fit`, "
        "`predict` and the export follow.",
    )
    if not is_backbone:
        _check_overrides(
            type(model),
            _TASK,
            "Change what is read in the preprocessor, or name a `served_cls` "
            "that answers the same.",
        )


def traced(make: Callable[[], Callable], what: str) -> Callable:
    """Returns the concrete function that `make` traces.

    Raises:
        ValueError: it cannot be traced, or runs Python in the graph, which no
            server has.
    """
    try:
        function = make()
    except (AttributeError, NotImplementedError, TypeError) as error:
        raise ValueError(
            f"{what} cannot become a graph of TensorFlow operations, which is "
            f"what a server runs: {error}"
        ) from error
    library = function.graph.as_graph_def().library.function
    nodes = [
        *function.graph.as_graph_def().node,
        *(node for each in library for node in each.node_def),
    ]
    python = {node.name for node in nodes if node.op in _PYTHON}
    if python:
        raise ValueError(
            f"{what} calls Python functions from the graph "
            f"({', '.join(sorted(python))}), which no server has. Write them "
            "with TensorFlow's operations instead of `tf.py_function` and "
            "`tf.numpy_function`."
        )
    return function


def _check_overrides(cls, pairs, way_out):
    for method, followed in pairs:
        owner = _owner(cls, method)
        if all(owner < _owner(cls, name) for name in followed):
            name = cls.__mro__[owner].__name__
            raise ValueError(
                f"{name} overrides `{method}`, which an exported model cannot "
                "follow: a server would read texts in another way than `fit` "
                f"and `predict` do. {way_out}"
            )


def _owner(cls, name):
    """How far up the class that defines `name` is."""
    for distance, base in enumerate(cls.__mro__):
        if name in vars(base):
            return distance
    return len(cls.__mro__)
