"""The activations of feed-forward layers, by name.

"gelu"              x * Phi(x), by the error function: BERT's, RoBERTa's
"gelu_approximate"  the same by tanh, as BERT's first code has it
"relu", "silu"      Keras's
"""

from collections.abc import Callable

import keras

ACTIVATIONS = ("gelu", "gelu_approximate", "relu", "silu")


@keras.saving.register_keras_serializable(package="keras_longformer")
def gelu_approximate(x):
    """GELU by tanh: `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`."""
    return keras.activations.gelu(x, approximate=True)


def activation_function(name: str) -> str | Callable:
    """Returns what a Keras layer takes for a name in `ACTIVATIONS`.

    Raises:
        ValueError: another name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {ACTIVATIONS}. "
            f"Received: activation={name!r}."
        )
    return gelu_approximate if name == "gelu_approximate" else name
