"""Models whose kernels are not as they were: quantized, or beside adapters."""

import keras
import numpy as np

# Keras' names of a layer's weight and of its two adapters.
ADAPTED = (
    ("_kernel", "lora_kernel_a", "lora_kernel_b"),
    ("_embeddings", "lora_embeddings_a", "lora_embeddings_b"),
)


def check_not_quantized(model: keras.Layer, what: str) -> None:
    """Raises `ValueError` where a layer of a model is quantized.

    Args:
        model: a backbone or task.
        what: str, what cannot be done to it.
    """
    modes = {
        getattr(layer, "quantization_mode", None)
        for layer in model._flatten_layers()
    }
    modes = sorted(modes - {None})
    if modes:
        raise ValueError(
            f"'{model.name}' is quantized ({', '.join(modes)}), which does "
            f"not go with {what}. Take the model as it was before `quantize`."
        )


def merge_adapters(
    model: keras.Layer,
) -> tuple[dict[int, np.ndarray], set[int]]:
    """Adds LoRA's adapters to what they adapt, in float32.

    Args:
        model: a backbone or task, which keeps its adapters.

    Returns:
        Dict of the `id` of each adapted weight to its sum with the adapters,
        and the set of the `id`s of these.
    """
    merged, adapters = {}, set()
    for layer in model._flatten_layers():
        if not getattr(layer, "lora_enabled", False):
            continue
        for name, *pair in ADAPTED:
            if not hasattr(layer, pair[0]):
                continue
            a, b = (getattr(layer, adapter) for adapter in pair)
            weight = getattr(layer, name)
            scale = layer.lora_alpha / layer.lora_rank
            product = scale * np.matmul(_float32(a), _float32(b))
            merged[id(weight)] = _float32(weight) + product
            adapters |= {id(a), id(b)}
    return merged, adapters


def _float32(variable):
    return np.asarray(variable.value).astype(np.float32, copy=False)
