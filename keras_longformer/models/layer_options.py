"""Arguments of a backbone with one value for all layers, or one for each."""

import numpy as np


def plain(value):
    """NumPy's integers and arrays as Python's, in lists and tuples too."""
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    return (
        value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    )


def per_layer(name, value, num_layers, check):
    """Returns a checked list of one value for each layer."""
    if not isinstance(value, list):
        check(value)
        return [value] * num_layers
    if len(value) != num_layers:
        raise ValueError(
            f"`{name}` must be one value, or one for each of the {num_layers} "
            f"layers. Received: {name}={value}"
        )
    for i, of_layer in enumerate(value):
        try:
            check(of_layer)
        except ValueError as error:
            raise ValueError(f"`{name}[{i}]`, of layer {i}: {error}") from error
    return value
