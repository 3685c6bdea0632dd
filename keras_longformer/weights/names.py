"""Foreign names and layouts of weights, and ours.

RoBERTa, Longformer, XLM-RoBERTa and CamemBERT name their weights alike, so one
table serves them all. It is written in PyTorch's spelling; `pytorch_name`
brings the other spellings to it:

    ours      layer_0/attention/query/kernel                       (m, h, d)
    PyTorch   roberta.encoder.layer.0.attention.self.query.weight  (h * d, m)
    HDF5      roberta/.../roberta/encoder/layer_._0/attention/self/query/
              kernel:0                                             (m, h * d)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Layouts: how PyTorch's array, whose output axis comes first, becomes ours.
AS_IS = "as is"
TRANSPOSED = "(out, in) -> (in, out)"
SPLIT_OUTPUT = "(h * d, m) -> (m, h, d)"
SPLIT_BIAS = "(h * d,) -> (h, d)"
SPLIT_INPUT = "(m, h * d) -> (h, d, m)"

# Kinds of layers: our leaf, PyTorch's leaf, layout.
EMBEDDING = (("embeddings", "weight", AS_IS),)
LAYER_NORM = (("gamma", "weight", AS_IS), ("beta", "bias", AS_IS))
DENSE = (("kernel", "weight", TRANSPOSED), ("bias", "bias", AS_IS))
TO_HEADS = (("kernel", "weight", SPLIT_OUTPUT), ("bias", "bias", SPLIT_BIAS))
FROM_HEADS = (("kernel", "weight", SPLIT_INPUT), ("bias", "bias", AS_IS))

EMBEDDINGS = (
    ("embeddings/token_embedding", "embeddings.word_embeddings", EMBEDDING),
    (
        "embeddings/position_embedding",
        "embeddings.position_embeddings",
        EMBEDDING,
    ),
    (
        "embeddings/token_type_embedding",
        "embeddings.token_type_embeddings",
        EMBEDDING,
    ),
    ("embeddings/layer_norm", "embeddings.LayerNorm", LAYER_NORM),
)

# Ours stand under `layer_{i}/`, theirs under `encoder.layer.{i}.`.
LAYER = (
    ("attention/query", "attention.self.query", TO_HEADS),
    ("attention/key", "attention.self.key", TO_HEADS),
    ("attention/value", "attention.self.value", TO_HEADS),
    ("attention/global_query", "attention.self.query_global", TO_HEADS),
    ("attention/global_key", "attention.self.key_global", TO_HEADS),
    ("attention/global_value", "attention.self.value_global", TO_HEADS),
    ("attention/attention_output", "attention.output.dense", FROM_HEADS),
    ("attention_layer_norm", "attention.output.LayerNorm", LAYER_NORM),
    ("intermediate", "intermediate.dense", DENSE),
    ("output", "output.dense", DENSE),
    ("output_layer_norm", "output.LayerNorm", LAYER_NORM),
)

POOLER = (("pooler", "pooler.dense", DENSE),)

# Our heads' names are KerasHub's. Theirs are the same for a text's classifier,
# of two layers, and a token's or choice's, of one.
OUTPUT_BIAS = (("output_bias", "bias", AS_IS),)
HEADS = (
    ("lm_head/intermediate_dense", "lm_head.dense", DENSE),
    ("lm_head/intermediate_layer_norm", "lm_head.layer_norm", LAYER_NORM),
    ("lm_head", "lm_head", OUTPUT_BIAS),
    ("pooled_dense", "classifier.dense", DENSE),
    ("logits", "classifier.out_proj", DENSE),
    ("classifier", "classifier", DENSE),
    ("qa_outputs", "qa_outputs", DENSE),
)

# The encoder's name in front of its weights in a task's file.
PREFIXES = ("longformer", "roberta")
HEAD_NAMES = ("lm_head", "classifier", "qa_outputs")

# Constants that older files carry as if they were weights.
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

# Second names of a weight that is stored once in our models.
TIED = {
    "lm_head.decoder.weight": "embeddings.word_embeddings.weight",
    "lm_head.decoder.bias": "lm_head.bias",
}


@dataclass(frozen=True)
class Entry:
    """One weight: our name, PyTorch's name and how the layouts differ."""

    ours: str
    theirs: str
    layout: str

    def to_ours(self, array: np.ndarray, num_heads: int) -> np.ndarray:
        """Returns a view of PyTorch's `array` in our layout.

        An array that does not divide by the heads keeps its shape, for
        `assign` to report beside all others.
        """
        array = array if self.layout == AS_IS else array.T
        if self.layout in (AS_IS, TRANSPOSED):
            return array
        axis = 0 if self.layout == SPLIT_INPUT else array.ndim - 1
        if array.shape[axis] % num_heads:
            return array
        heads = (num_heads, array.shape[axis] // num_heads)
        return array.reshape(
            array.shape[:axis] + heads + array.shape[axis + 1 :]
        )

    def to_theirs(self, array: np.ndarray) -> np.ndarray:
        """Returns a view of our `array` in PyTorch's layout."""
        if self.layout == AS_IS:
            return array
        if self.layout == SPLIT_BIAS:
            return array.reshape(-1)
        if self.layout == SPLIT_OUTPUT:
            array = array.reshape(array.shape[0], -1)
        if self.layout == SPLIT_INPUT:
            array = array.reshape(-1, array.shape[-1])
        return array.T


def entries(num_layers: int) -> list[Entry]:
    """Returns the table of all weights that a model may have."""
    modules = [*EMBEDDINGS]
    for i in range(num_layers):
        modules += [
            (f"layer_{i}/{ours}", f"encoder.layer.{i}.{theirs}", kind)
            for ours, theirs, kind in LAYER
        ]
    modules += [*POOLER, *HEADS]
    return [
        Entry(f"{ours}/{our_leaf}", f"{theirs}.{their_leaf}", layout)
        for ours, theirs, kind in modules
        for our_leaf, their_leaf, layout in kind
    ]


def to_ours(
    arrays: Mapping[str, np.ndarray], *, num_layers: int, num_heads: int
) -> dict[str, np.ndarray]:
    """Renames and reshapes foreign arrays.

    Args:
        arrays: mapping of foreign name, in any spelling, to array.
        num_layers: int, the encoder's layers.
        num_heads: int, the heads of each.

    Returns:
        Dict of our name to array. An array that the table does not know keeps
        its foreign name, so that `assign` can report it.
    """
    table = {entry.theirs: entry for entry in entries(num_layers)}
    ours = {}
    for theirs, array in _in_pytorch_spelling(arrays).items():
        if theirs not in table:
            ours[theirs] = array
            continue
        entry = table[theirs]
        ours[entry.ours] = entry.to_ours(array, num_heads)
    return ours


def to_pytorch(
    arrays: Mapping[str, np.ndarray], *, num_layers: int, prefix: str = ""
) -> dict[str, np.ndarray]:
    """Renames and reshapes our arrays; the inverse of `to_ours`.

    Args:
        arrays: mapping of our name to array.
        num_layers: int, the encoder's layers.
        prefix: str, put before the encoder's names, `"longformer."` in a
            task's file and nothing in a bare encoder's.

    Returns:
        Dict of PyTorch's name to contiguous array.

    Raises:
        ValueError: a name that Hugging Face has no name for.
    """
    table = {entry.ours: entry for entry in entries(num_layers)}
    unknown = sorted(set(arrays) - set(table))
    if unknown:
        raise ValueError(
            "Hugging Face's Longformer has no weights like: "
            f"{', '.join(unknown)}."
        )
    theirs = {}
    for name, array in arrays.items():
        entry = table[name]
        in_head = entry.theirs.split(".")[0] in HEAD_NAMES
        key = entry.theirs if in_head else prefix + entry.theirs
        theirs[key] = np.ascontiguousarray(entry.to_theirs(array))
    return theirs


def _in_pytorch_spelling(arrays):
    """Renames by `pytorch_name`; drops buffers and second copies."""
    named = {}
    for name in arrays:
        theirs, is_transposed = pytorch_name(name)
        if theirs in BUFFERS:
            continue
        array = arrays[name].T if is_transposed else arrays[name]
        if theirs in named and not np.array_equal(named[theirs], array):
            raise ValueError(
                f"The checkpoint holds {theirs} twice, with other numbers the "
                f"second time (as {name})."
            )
        named.setdefault(theirs, array)
    for second, first in TIED.items():
        array = named.pop(second, None)
        if array is None:
            continue
        if not np.array_equal(named.setdefault(first, array), array):
            raise ValueError(
                f"{second} must equal {first}: our masked-LM head shares "
                "them, and this checkpoint's differ."
            )
    return named


def pytorch_name(name: str) -> tuple[str, bool]:
    """Brings a name to the spelling of PyTorch's bare encoder.

    Args:
        name: str, from a PyTorch or an HDF5 file.

    Returns:
        The name, and whether the array must be transposed as well: HDF5
        kernels are `(in, out)`.
    """
    is_h5 = "/" in name
    parts = name.removesuffix(":0").split("/" if is_h5 else ".")
    starts = [i for i, part in enumerate(parts) if part in PREFIXES]
    heads = [i for i, part in enumerate(parts) if part in HEAD_NAMES]
    if is_h5:
        # Keras puts groups and class names in front, and some names twice:
        # what counts begins at the last known one.
        start = max([i + 1 for i in starts] + heads, default=0)
        parts = parts[start:]
    elif starts[:1] == [0]:
        parts = parts[1:]
    leaf = parts[-1]
    renamed = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
    if is_h5:
        renamed["embeddings"] = "weight"
    parts[-1] = renamed.get(leaf, leaf)
    spelling = re.sub(r"\blayer_\._(\d+)", r"layer.\1", ".".join(parts))
    return spelling, is_h5 and leaf == "kernel"
