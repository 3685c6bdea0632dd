"""The spellings and layouts of weights in others' files, and ours.

A row of a table says `(our module, PyTorch's module, kind of layer)`, and
`entries` makes one `Entry` of each weight. The tables themselves belong to the
families of encoders (`families/`) and, each its head's, to the tasks.

    ours      layer_0/attention/query/kernel                       (m, h, d)
    PyTorch   roberta.encoder.layer.0.attention.self.query.weight  (h * d, m)
    HDF5      roberta/.../roberta/encoder/layer_._0/attention/self/query/
              kernel:0                                             (m, h * d)
"""

import re
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Layouts: how PyTorch's array, whose output axis comes first, becomes ours.
AS_IS = "as is"
TRANSPOSED = "(out, in) -> (in, out)"
SPLIT_OUTPUT = "(h * d, m) -> (m, h, d)"
SPLIT_BIAS = "(h * d,) -> (h, d)"
SPLIT_INPUT = "(m, h * d) -> (h, d, m)"
FROM_ROW_2 = "(2 + n, m) -> (n, m)"
FIRST_ROW = "(1, v) -> (v,)"

# Kinds of layers: our leaf, PyTorch's leaf, layout.
EMBEDDING = (("embeddings", "weight", AS_IS),)
LAYER_NORM = (("gamma", "weight", AS_IS), ("beta", "bias", AS_IS))
DENSE = (("kernel", "weight", TRANSPOSED), ("bias", "bias", AS_IS))
TO_HEADS = (("kernel", "weight", SPLIT_OUTPUT), ("bias", "bias", SPLIT_BIAS))
FROM_HEADS = (("kernel", "weight", SPLIT_INPUT), ("bias", "bias", AS_IS))
OUTPUT_BIAS = (("output_bias", "bias", AS_IS),)  # A masked LM's, alone.
# BART's positions, whose rows 0 and 1 are for padding and never looked up.
POSITIONS_FROM_2 = (("embeddings", "weight", FROM_ROW_2),)
# BART's and LED's bias of the logits, which is no module's.
LOGITS_BIAS = (("bias", "", FIRST_ROW),)

# What Hugging Face calls BERT's `cls` in HDF5: masked LM, next sentence.
HDF5_HEADS = {"mlm___cls": "cls", "nsp___cls": "cls"}

Modules = tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...]


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
        if self.layout == FROM_ROW_2:
            return array[2:]
        if self.layout == FIRST_ROW:
            return array.reshape(-1)
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
        if self.layout == FROM_ROW_2:
            return np.concatenate([np.zeros_like(array[:2]), array])
        if self.layout == FIRST_ROW:
            return array.reshape(1, -1)
        if self.layout == SPLIT_BIAS:
            return array.reshape(-1)
        if self.layout == SPLIT_OUTPUT:
            array = array.reshape(array.shape[0], -1)
        if self.layout == SPLIT_INPUT:
            array = array.reshape(-1, array.shape[-1])
        return array.T


def entries(modules: Iterable) -> list[Entry]:
    """Returns one entry a weight of the rows of a table."""
    return [
        Entry(
            f"{ours}/{our_leaf}",
            f"{theirs}.{their_leaf}" if their_leaf else theirs,
            layout,
        )
        for ours, theirs, kind in modules
        for our_leaf, their_leaf, layout in kind
    ]


@dataclass(frozen=True)
class Spelling:
    """A name of a file in the spelling of PyTorch's bare encoder.

    Attributes:
        name: str, such as `"encoder.layer.0.output.dense.weight"`.
        has_prefix: bool, whether the encoder's prefix stood before it.
        is_transposed: bool, whether the array is: HDF5 kernels are `(in, out)`.
    """

    name: str
    has_prefix: bool
    is_transposed: bool


def without_outer_prefix(
    names: Iterable[str], prefixes: Sequence[str], anchor: str
) -> dict[str, str]:
    """Takes what stands before the encoder's own prefix off PyTorch's names.

    Data-parallel training, compiling and frameworks put theirs in front:

        module.roberta.embeddings...   roberta.embeddings...
        module.classifier.bias         classifier.bias
        auto_model.embeddings...       roberta.embeddings...

    Args:
        names: those of a file; HDF5's paths stay as they are.
        prefixes: the encoder's names in a task's file; the first stands for
            any other name.
        anchor: str, a weight that every encoder has, without a prefix.

    Returns:
        Dict of each name to what it becomes.

    Raises:
        ValueError: several encoders in one file.
    """
    same = {name: name for name in names}
    before = {
        name.removesuffix(anchor)
        for name in same
        if name == anchor or name.endswith(f".{anchor}")
    }
    if not before or before & {"", *(f"{prefix}." for prefix in prefixes)}:
        return same
    if len(before) > 1:
        raise ValueError(
            "The checkpoint holds several encoders, under "
            f"{', '.join(sorted(before))}. Save one of them alone."
        )
    (before,) = before
    own = f"{prefixes[0]}."
    outer = before
    for prefix in prefixes:
        if before.endswith(f".{prefix}."):
            own, outer = "", before.removesuffix(f"{prefix}.")
    return {
        name: own + name.removeprefix(outer) if name.startswith(outer) else name
        for name in same
    }


def spell(name: str, prefixes: Collection[str]) -> Spelling:
    """Brings a name to PyTorch's spelling.

    Args:
        name: str, from a PyTorch or an HDF5 file.
        prefixes: the encoder's names in a task's file, such as `"roberta"`.
    """
    is_h5 = "/" in name
    parts = name.removesuffix(":0").split("/" if is_h5 else ".")
    starts = [i for i, part in enumerate(parts) if part in prefixes]
    if is_h5:
        # Keras puts a group and a class's name in front, and the group's name
        # again: what counts begins at its last occurrence. A head's group
        # holds copies of the encoder's weights too, with the encoder's prefix.
        last = len(parts) - 1 - parts[::-1].index(parts[0])
        has_prefix = bool(starts)
        parts = parts[starts[-1] + 1 :] if has_prefix else parts[last:]
        parts[0] = HDF5_HEADS.get(parts[0], parts[0])
    else:
        has_prefix = starts[:1] == [0]
        parts = parts[1:] if has_prefix else parts
    leaf = parts[-1]
    renamed = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
    if is_h5:
        renamed["embeddings"] = "weight"
    parts[-1] = renamed.get(leaf, leaf)
    spelling = re.sub(r"\blayer_\._(\d+)", r"layer.\1", ".".join(parts))
    return Spelling(spelling, has_prefix, is_h5 and leaf == "kernel")
