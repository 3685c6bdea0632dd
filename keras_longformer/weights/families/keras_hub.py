"""Reads KerasHub's RoBERTa and XLM-RoBERTa, whose presets are Keras objects.

KerasHub drops rows 0 and 1 of the position table, counts positions from the
first column whatever the padding, and has neither token types nor a pooler. The
rows dropped are padding's, and RoBERTa's only token type is zero: both become
zeros here. With padding on the right our numbers equal KerasHub's; with padding
on the left they equal Hugging Face's.
"""

import atexit
import os
import shutil
import tempfile
from operator import attrgetter

import keras
import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families.roberta import ROBERTA
from keras_longformer.weights.foreign import ForeignPreset

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
# Hugging Face's names of the files that a tokenizer saves.
TOKENIZER_FILES = {
    "vocabulary.json": "vocab.json",
    "merges.txt": "merges.txt",
    "vocabulary.spm": "vocabulary.spm",  # They have no name for a preset's.
}
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
    preset: str | keras.Model,
    *,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a KerasHub RoBERTa.

    Args:
        preset: str, a preset's folder, name or handle, or the
            `RobertaBackbone`, `RobertaMaskedLM` or `RobertaTextClassifier`
            itself, or one of XLM-RoBERTa's.
        load_weights: bool, `False` reads the configuration only.
        head_modules: table of the head whose arrays are wanted; of none by
            default.

    Returns:
        A `ForeignPreset`.
    """
    tokenizer_files = {}
    if isinstance(preset, str | os.PathLike):
        source = os.fspath(preset)
        model = _open(source, load_weights)
        tokenizer_files = find_tokenizer_files(source)
    else:
        source, model = preset.name, preset
    config = to_keywords(getattr(model, "backbone", model))
    arrays = to_ours(model, head_modules) if load_weights else {}
    return ForeignPreset(source, ROBERTA, config, arrays, tokenizer_files)


def to_keywords(backbone: keras.Model) -> dict:
    """Returns our backbone's keywords for KerasHub's `RobertaBackbone`."""
    if type(backbone).__name__ not in CLASS_NAMES:
        raise ValueError(
            f"The KerasHub backbone must be one of {CLASS_NAMES}. "
            f"Received: {type(backbone).__name__}."
        )
    same = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")
    same += ("intermediate_dim", "dropout", "max_sequence_length")
    config = backbone.get_config()
    return {name: config[name] for name in same} | {
        "attention_dropout": config["dropout"],
        "num_token_types": 1,
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "pad_token_id": PAD_TOKEN_ID,
        "position_rule": ROBERTA.position_rule,
        "window_size": 512,  # the released Longformer's.
        "pooler": False,
    }


def to_ours(
    model: keras.Model, head_modules: names.Modules = ()
) -> dict[str, np.ndarray]:
    """Returns the arrays of KerasHub's RoBERTa, and of a head, in our names.

    Kernels, biases and norms have our layouts already: Keras's own.
    """
    backbone = getattr(model, "backbone", model)
    modules = [(ours, backbone, path) for ours, path in EMBEDDINGS]
    for i, layer in enumerate(backbone.transformer_layers):
        modules += [(f"layer_{i}/{ours}", layer, path) for ours, path in LAYER]
    head = {}
    if hasattr(model, "masked_lm_head"):
        modules += [(ours, model, path) for ours, path in MASKED_LM]
        head["lm_head/output_bias"] = model.masked_lm_head._bias
    elif hasattr(model, "pooled_dense"):
        modules += [(ours, model, path) for ours, path in CLASSIFIER]
    weights = head | {
        f"{ours}/{weight.name}": weight
        for ours, owner, path in modules
        for weight in attrgetter(path)(owner).weights
    }
    known = ROBERTA.entries(backbone.num_layers) + names.entries(head_modules)
    wanted = {entry.ours for entry in known}
    arrays = {n: _float32(w) for n, w in weights.items() if n in wanted}
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


def find_tokenizer_files(preset):
    """Returns the paths of a preset's tokenizer files by their names."""
    folder = os.path.join(preset, "assets", "tokenizer")
    if not os.path.isdir(preset):
        # KerasHub has no public way to a single file of a handle. Its
        # tokenizer's are written to where they may be read until the end.
        import keras_hub

        folder = tempfile.mkdtemp(prefix="keras_longformer-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        keras_hub.models.Tokenizer.from_preset(preset).save_assets(folder)
    paths = {
        theirs: os.path.join(folder, name)
        for name, theirs in TOKENIZER_FILES.items()
    }
    return {name: path for name, path in paths.items() if os.path.isfile(path)}
