"""KerasHub's RoBERTa, XLM-RoBERTa and BERT, which are Keras objects.

Of RoBERTa, KerasHub drops rows 0 and 1 of the position table, counts positions
from the first column whatever the padding, and has neither token types nor a
pooler. The rows dropped are padding's, and RoBERTa's only token type is zero:
both become zeros here. With padding on the right our numbers equal KerasHub's;
with padding on the left they equal Hugging Face's.

Of BERT, KerasHub's feed-forward layers have the approximate GELU, and so have
ours. The LayerNorm in its masked LM's head has epsilon 1e-5, ours BERT's 1e-12.
"""

from dataclasses import dataclass
from operator import attrgetter

import keras
import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights.adapted import check_not_quantized
from keras_longformer.weights.adapted import merge_adapters
from keras_longformer.weights.families.bert import BERT
from keras_longformer.weights.families.family import Family
from keras_longformer.weights.families.roberta import ROBERTA

Paths = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Kind:
    """The facts of one class of KerasHub's backbones.

    Attributes:
        family: `Family`, whose architecture it is.
        handles: str, its name in Kaggle's handles.
        embeddings: rows of our name and the attributes that lead to
            KerasHub's layer, of those around the transformer's layers.
        positions: str, the attributes that lead to the position table.
        dropped_rows: int, rows of this table that KerasHub has dropped.
        keywords: dict, ours that KerasHub's configuration does not say.
    """

    family: Family
    handles: str
    embeddings: Paths
    positions: str
    dropped_rows: int
    keywords: dict


_ROBERTA = {
    "family": ROBERTA,
    "embeddings": (
        ("embeddings/token_embedding", "token_embedding"),
        ("embeddings/layer_norm", "embeddings_layer_norm"),
    ),
    "positions": "embeddings.position_embedding.position_embeddings",
    "dropped_rows": 2,  # fairseq's: padding's.
    "keywords": {
        "num_token_types": 1,
        "layer_norm_epsilon": 1e-5,
        "pad_token_id": 1,
        "pooler": False,
    },
}
KINDS = {
    "RobertaBackbone": Kind(handles="roberta", **_ROBERTA),
    "XLMRobertaBackbone": Kind(handles="xlm_roberta", **_ROBERTA),
    "BertBackbone": Kind(
        family=BERT,
        handles="bert",
        embeddings=(
            ("embeddings/token_embedding", "token_embedding"),
            ("embeddings/token_type_embedding", "segment_embedding"),
            ("embeddings/layer_norm", "embeddings_layer_norm"),
            ("pooler", "pooled_dense"),
        ),
        positions="position_embedding.position_embeddings",
        dropped_rows=0,
        keywords={
            "layer_norm_epsilon": 1e-12,
            "pad_token_id": 0,
            "activation": "gelu_approximate",
            "pooler": True,
        },
    ),
}
CLASS_NAMES = tuple(KINDS)

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
TASK_NAMES = tuple(
    f"{family}{task}"
    for family in ("Roberta", "XLMRoberta", "Bert")
    for task in ("MaskedLM", "TextClassifier")
)


def is_known_name(preset: str) -> bool:
    """Says whether a name or Kaggle handle is one of these."""
    import keras_hub

    scheme, _, handle = preset.rpartition("://")
    if scheme == "kaggle":
        return handle.split("/")[1:2] in [[k.handles] for k in KINDS.values()]
    return any(
        preset in getattr(keras_hub.models, name).presets
        for name in CLASS_NAMES
    )


def kind_of(model: keras.Model) -> Kind:
    """Returns the facts of a backbone's class, or of a task's backbone.

    Raises:
        ValueError: another class.
    """
    backbone = getattr(model, "backbone", model)
    kind = KINDS.get(type(backbone).__name__)
    if kind is None:
        raise ValueError(
            f"The KerasHub backbone must be one of {CLASS_NAMES}. "
            f"Received: {type(backbone).__name__}."
        )
    return kind


def to_keywords(model: keras.Model) -> dict:
    """Returns our backbone's keywords for one of KerasHub's."""
    kind = kind_of(model)
    same = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")
    same += ("intermediate_dim", "dropout", "max_sequence_length")
    config = getattr(model, "backbone", model).get_config()
    keywords = {name: config[name] for name in same}
    if "num_segments" in config:
        keywords["num_token_types"] = config["num_segments"]
    return keywords | {
        "attention_dropout": config["dropout"],
        "position_rule": kind.family.position_rule,
        "window_size": 512,  # the released Longformer's.
        **kind.keywords,
    }


def to_head(model: keras.Model) -> dict:
    """Returns what a task's configuration says of a classifier."""
    activation = getattr(model, "activation", None)
    if activation in (None, keras.activations.linear):
        return {}
    return {"activation": keras.activations.serialize(activation)}


def to_ours(
    model: keras.Model, head_modules: names.Modules = ()
) -> dict[str, np.ndarray]:
    """Returns the arrays of an encoder, and of a head, in our names.

    Kernels, biases and norms have our layouts already: Keras's own. LoRA's
    adapters are merged.

    Raises:
        ValueError: a quantized model.
    """
    check_not_quantized(model, "a conversion")
    kind = kind_of(model)
    backbone = getattr(model, "backbone", model)
    modules = [(ours, backbone, path) for ours, path in kind.embeddings]
    for i, layer in enumerate(backbone.transformer_layers):
        modules += [(f"layer_{i}/{ours}", layer, path) for ours, path in LAYER]
    modules += _head_modules(model, backbone)
    merged, adapters = merge_adapters(model)
    weights = {
        f"{ours}/{weight.name}": weight
        for ours, owner, path in modules
        for weight in attrgetter(path)(owner).weights
        if id(weight) not in adapters
    }
    if hasattr(model, "masked_lm_head"):
        weights["lm_head/output_bias"] = model.masked_lm_head._bias
    known = kind.family.entries(backbone.num_layers)
    wanted = {entry.ours for entry in known + names.entries(head_modules)}
    arrays = {
        name: merged.get(id(weight), _float32(weight))
        for name, weight in weights.items()
        if name in wanted
    }
    positions = _float32(attrgetter(kind.positions)(backbone))
    width = backbone.hidden_dim
    arrays["embeddings/position_embedding/embeddings"] = np.concatenate(
        [np.zeros((kind.dropped_rows, width), np.float32), positions]
    )
    arrays.setdefault(
        "embeddings/token_type_embedding/embeddings",
        np.zeros((1, width), np.float32),
    )
    return arrays


def _head_modules(model, backbone):
    if hasattr(model, "masked_lm_head"):
        return [(ours, model, path) for ours, path in MASKED_LM]
    if not hasattr(model, "output_dense"):
        return []
    # BERT's classifier reads the encoder's pooler.
    first = model if hasattr(model, "pooled_dense") else backbone
    return [
        ("pooled_dense", first, "pooled_dense"),
        ("logits", model, "output_dense"),
    ]


def _float32(variable):
    return np.asarray(variable.value).astype(np.float32, copy=False)
