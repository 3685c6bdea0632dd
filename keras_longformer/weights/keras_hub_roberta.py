"""Reads KerasHub's RoBERTa and XLM-RoBERTa, whose presets are Keras objects.

KerasHub drops rows 0 and 1 of the position table, counts positions from the
first column whatever the padding, and has neither token types nor a pooler. The
rows dropped are padding's, and RoBERTa's only token type is zero: both become
zeros here. With padding on the right our numbers equal KerasHub's; with padding
on the left they equal Hugging Face's.
"""

import os
from operator import attrgetter

import keras
import numpy as np

from keras_longformer.weights import readers
from keras_longformer.weights.foreign import Preset

CLASS_NAMES = ("RobertaBackbone", "XLMRobertaBackbone")
POSITION_OFFSET = 2  # fairseq's, the number of rows that KerasHub dropped.
PAD_TOKEN_ID = 1
LAYER_NORM_EPSILON = 1e-5  # fixed in keras_hub's RobertaBackbone.

# Our name, and the attributes that lead to KerasHub's layer.
EMBEDDINGS = (
    ("embeddings/token_embedding", "token_embedding"),
    ("embeddings/layer_norm", "embeddings_layer_norm"),
)
LAYER = (
    ("attention/query", "_self_attention_layer.query_dense"),
    ("attention/key", "_self_attention_layer.key_dense"),
    ("attention/value", "_self_attention_layer.value_dense"),
    ("attention/attention_output", "_self_attention_layer.output_dense"),
    ("attention_layer_norm", "_self_attention_layer_norm"),
    ("intermediate", "_feedforward_intermediate_dense"),
    ("output", "_feedforward_output_dense"),
    ("output_layer_norm", "_feedforward_layer_norm"),
)
MASKED_LM = (
    ("lm_head/intermediate_dense", "masked_lm_head._intermediate_dense"),
    (
        "lm_head/intermediate_layer_norm",
        "masked_lm_head._intermediate_layer_norm",
    ),
)
CLASSIFIER = (("pooled_dense", "pooled_dense"), ("logits", "output_dense"))
TASK_NAMES = tuple(
    f"{family}{task}"
    for family in ("Roberta", "XLMRoberta")
    for task in ("MaskedLM", "TextClassifier")
)


def is_known_name(preset: str) -> bool:
    """Says whether a name or Kaggle handle is one of KerasHub's RoBERTas."""
    import keras_hub

    scheme, _, handle = preset.rpartition("://")
    if scheme == "kaggle":
        return handle.split("/")[1:2] in (["roberta"], ["xlm_roberta"])
    return any(
        preset in getattr(keras_hub.models, name).presets
        for name in CLASS_NAMES
    )


def read_keras_hub(
    preset: str | keras.Model, *, load_weights: bool = True
) -> Preset:
    """Opens a KerasHub RoBERTa.

    Args:
        preset: str, a preset's folder, name or handle, or the
            `RobertaBackbone`, `RobertaMaskedLM` or `RobertaTextClassifier`
            itself, or one of XLM-RoBERTa's.
        load_weights: bool, `False` reads the configuration only.

    Returns:
        A `Preset`, with the head's arrays if a task was saved or given.
    """
    if isinstance(preset, str | os.PathLike):
        source = os.fspath(preset)
        model = _open(source, load_weights)
        tokenizer = _read_tokenizer(source)
    else:
        source, model, tokenizer = preset.name, preset, (None, None)
    config = to_keywords(getattr(model, "backbone", model))
    arrays = to_ours(model) if load_weights else {}
    return Preset(source, config, arrays, *tokenizer)


def to_keywords(backbone: keras.Model) -> dict:
    """Returns our backbone's keywords for KerasHub's `RobertaBackbone`."""
    if type(backbone).__name__ not in CLASS_NAMES:
        raise ValueError(
            f"The KerasHub backbone must be one of {CLASS_NAMES}. "
            f"Received: {type(backbone).__name__}."
        )
    names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")
    names += ("intermediate_dim", "dropout", "max_sequence_length")
    config = backbone.get_config()
    return {name: config[name] for name in names} | {
        "attention_dropout": config["dropout"],
        "num_token_types": 1,
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "pad_token_id": PAD_TOKEN_ID,
        "window_size": 512,  # the released Longformer's.
        "pooler": False,
    }


def to_ours(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the arrays of KerasHub's RoBERTa, or of its task, in our names.

    Kernels, biases and norms have our layouts already: Keras's own.
    """
    backbone = getattr(model, "backbone", model)
    modules = [(ours, backbone, path) for ours, path in EMBEDDINGS]
    for i, layer in enumerate(backbone.transformer_layers):
        modules += [(f"layer_{i}/{ours}", layer, path) for ours, path in LAYER]
    arrays = {}
    if hasattr(model, "masked_lm_head"):
        modules += [(ours, model, path) for ours, path in MASKED_LM]
        bias = model.masked_lm_head._bias
        arrays["lm_head/output_bias"] = _float32(bias)
    elif hasattr(model, "pooled_dense"):
        modules += [(ours, model, path) for ours, path in CLASSIFIER]
    for ours, owner, path in modules:
        for weight in attrgetter(path)(owner).weights:
            arrays[f"{ours}/{weight.name}"] = _float32(weight)
    positions = backbone.embeddings.position_embedding.position_embeddings
    width = backbone.hidden_dim
    arrays["embeddings/position_embedding/embeddings"] = np.concatenate(
        [np.zeros((POSITION_OFFSET, width), np.float32), _float32(positions)]
    )
    arrays["embeddings/token_type_embedding/embeddings"] = np.zeros(
        (1, width), np.float32
    )
    return arrays


def _open(preset, load_weights):
    """Opens a preset as the task that it is, or as a backbone."""
    import keras_hub

    task_config = os.path.join(preset, "task.json")
    if os.path.isfile(task_config):
        class_name = readers.read_json(task_config).get("class_name")
        if class_name in TASK_NAMES:
            return getattr(keras_hub.models, class_name).from_preset(
                preset, load_weights=load_weights
            )
    return keras_hub.models.Backbone.from_preset(
        preset, load_weights=load_weights
    )


def _float32(variable):
    return np.asarray(variable.value).astype(np.float32, copy=False)


def _read_tokenizer(preset):
    """Returns vocabulary and merges of a preset with byte-level BPE."""
    import keras_hub

    if os.path.isdir(preset):
        folder = os.path.join(preset, "assets", "tokenizer")
        vocabulary = os.path.join(folder, "vocabulary.json")
        merges = os.path.join(folder, "merges.txt")
        if os.path.isfile(vocabulary) and os.path.isfile(merges):
            return readers.read_json(vocabulary), readers.read_merges(merges)
        return None, None
    # KerasHub has no public way to a single file of a handle.
    tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    if not isinstance(tokenizer, keras_hub.tokenizers.BytePairTokenizer):
        return None, None
    return dict(tokenizer.vocabulary), list(tokenizer.merges)
