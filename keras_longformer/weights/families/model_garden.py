"""TensorFlow Model Garden's encoders, as their objects are named.

Read are checkpoints of `BertEncoder`, `BertEncoderV2` and, of its project
`longformer`, `LongformerEncoder`, alone or within one of its models. Kernels
have our layouts, but for the one after the attention of `LongformerEncoder`.

Their arithmetic is ours with `position_rule="absolute"`, an epsilon of 1e-12
and the approximate GELU. Two things besides are `LongformerEncoder`'s alone:

- The first `global_attention_size` tokens of every row are global, none other,
  even where they are padding.
- With `global_attention_size=0` it leaves out the product after the attention:
  such a checkpoint has no kernel for it, and gets the one that changes nothing.
"""

from dataclasses import replace

import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights.families.config import ACTIVATIONS
from keras_longformer.weights.families.roberta import ROBERTA
from keras_longformer.weights.lazy import LazyArray
from keras_longformer.weights.object_graph import ObjectGraph

MODEL_GARDEN = replace(
    ROBERTA,
    model_types=(),
    position_rule="absolute",
    encoder_class="LongformerEncoder",
)
LAYER_NORM_EPSILON = 1e-12  # written into both encoders.
APPROXIMATE_GELU = "gelu_approximate"  # Our name of what its "gelu" is.

# What Model Garden's converter of Hugging Face's Longformer does otherwise than
# Hugging Face's, and what it means to take it back.
QUIRKS = {
    "unshifted_positions": "the rows of the position table that Hugging Face "
    "keeps for the padding are taken for the first positions",
    "epsilon": "1e-12 in all LayerNorms instead of 1e-5",
    "approximate_gelu": "the approximate GELU instead of the exact one",
    "untransposed_pooler": "the pooler's kernel stays (out, in)",
    "global_key_bias": "key's bias is that of global_key",
    "repeated_token_type": "the one token type stands twice",
}
CONVERTER_QUIRKS = tuple(QUIRKS)

# Ours, theirs. The leaves (kernel, bias, gamma, beta, embeddings) are Keras's.
EMBEDDINGS = (
    ("embeddings/token_embedding", "_embedding_layer"),
    ("embeddings/position_embedding", "_position_embedding_layer"),
    ("embeddings/token_type_embedding", "_type_embedding_layer"),
    ("embeddings/layer_norm", "_embedding_norm_layer"),
)
LAYERS = "_transformer_layers"
LAYER = (
    ("attention/query", "_attention_layer/_query_dense"),
    ("attention/key", "_attention_layer/_key_dense"),
    ("attention/value", "_attention_layer/_value_dense"),
    ("attention/global_query", "_attention_layer/_global_query_dense"),
    ("attention/global_key", "_attention_layer/_global_key_dense"),
    ("attention/global_value", "_attention_layer/_global_value_dense"),
    ("attention/attention_output", "_attention_layer/_output_dense"),
    ("attention_layer_norm", "_attention_layer_norm"),
    ("intermediate", "_intermediate_dense"),
    ("output", "_output_dense"),
    ("output_layer_norm", "_output_layer_norm"),
)
POOLER = (("pooler", "_pooler_layer"),)
LEAVES = ("kernel", "bias", "gamma", "beta", "embeddings")
# An older functional `BertEncoder` has no such attributes: its layers stand in
# this order, then the blocks, then the pooler.
BY_NUMBER = "layer_with_weights-{}"

# Longformer's name of a head's module, which tasks go by, and the path to it
# from the model around the encoder.
HEADS = {
    "lm_head.dense": "masked_lm/dense",
    "lm_head.layer_norm": "masked_lm/layer_norm",
    "lm_head": "masked_lm",
    "classifier.dense": "classifier/dense",
    "classifier.out_proj": "classifier/out_proj",
    "classifier": "classifier",
    "qa_outputs": "span_labeling/layer_with_weights-0",
}
# Where a head lacks this one, it reads the encoder's pooler, which is the same.
POOLED = "classifier.dense"
# Our leaf, theirs, where it is not Keras's.
HEAD_LEAVES = {"output_bias": "output_bias/bias"}


def find_encoder(graph: ObjectGraph) -> int:
    """Returns the object of a checkpoint that is an encoder.

    Raises:
        ValueError: there is none, or several.
    """
    found = [i for i in graph if _blocks(graph, i)]
    if len(found) == 1:
        return found[0]
    top = ", ".join(graph.children(graph.root)) or "nothing"
    raise ValueError(
        f"'{graph.source}' must hold one encoder of Model Garden's: "
        "BertEncoder, BertEncoderV2 or LongformerEncoder. Found: "
        f"{len(found)}, among its objects ({top})."
    )


def is_longformer(graph: ObjectGraph, encoder: int) -> bool:
    """Says whether an encoder is a `LongformerEncoder`."""
    path = "_attention_layer/_global_query_dense"
    return graph.walk(_blocks(graph, encoder)[0], path) is not None


def read_encoder(graph: ObjectGraph, encoder: int) -> dict[str, LazyArray]:
    """Returns an encoder's arrays in our names and layouts, none read.

    A variable of the encoder that no table knows keeps its path, for `assign`
    to report.

    Raises:
        ValueError: an encoder that is factorized, of which we have none.
    """
    objects = _modules(graph, encoder)
    ours = {}
    known = set()
    for module, node in objects:
        for leaf in LEAVES:
            variable = graph.walk(node, leaf)
            array = graph.array(variable)
            if array is not None:
                known.add(variable)
                ours[f"{module}/{leaf}"] = array
    unknown = {
        path: graph.array(i)
        for i, path in graph.variables(encoder).items()
        if i not in known
    }
    if any("embedding_projection" in path for path in unknown):
        raise ValueError(
            f"'{graph.source}' has embeddings of another width than its "
            "layers (`embedding_size`), which this encoder has not."
        )
    return _with_output(ours) | unknown


def read_head(
    graph: ObjectGraph, encoder: int, head_modules: names.Modules
) -> dict[str, LazyArray]:
    """Returns the arrays of a head, as far as the checkpoint has it.

    Args:
        graph: the checkpoint.
        encoder: int, its encoder.
        head_modules: the task's table.
    """
    models = [i for i in graph if encoder in graph.children(i).values()]
    ours = {}
    for module, theirs, kind in head_modules:
        places = [
            graph.walk(model, HEADS[theirs])
            for model in models
            if theirs in HEADS
        ]
        for place in places:
            children = {} if place is None else graph.children(place)
            for leaf, _, _ in kind:
                # Not by `walk`: its name has a slash in it.
                variable = children.get(HEAD_LEAVES.get(leaf, leaf))
                array = graph.array(variable)
                if array is not None:
                    ours.setdefault(f"{module}/{leaf}", array)
    return ours


def pooler_as_head(
    arrays: dict[str, LazyArray],
    head: dict[str, LazyArray],
    head_modules: names.Modules,
) -> dict[str, LazyArray]:
    """Returns an encoder's pooler under the name of a classifier's first layer.

    Nothing where the head has a layer of its own, or no place for one.
    """
    found = {}
    for module, theirs, kind in head_modules:
        if theirs == POOLED and f"{module}/kernel" not in head:
            for leaf, _, _ in kind:
                if f"pooler/{leaf}" in arrays:
                    found[f"{module}/{leaf}"] = arrays[f"pooler/{leaf}"]
    return found


def sizes(arrays: dict[str, LazyArray], source: str) -> dict[str, int]:
    """Returns what the arrays say of an encoder, as keywords of ours.

    Returns:
        Dict of keywords; `rows` is the number of positions.

    Raises:
        ValueError: arrays that lack what it needs.
    """
    queries = [n for n in arrays if n.endswith("/attention/query/kernel")]
    asked = {
        "vocabulary_size": ("embeddings/token_embedding/embeddings", 0),
        "hidden_dim": ("embeddings/token_embedding/embeddings", 1),
        "rows": ("embeddings/position_embedding/embeddings", 0),
        "num_token_types": ("embeddings/token_type_embedding/embeddings", 0),
        "num_heads": ("layer_0/attention/query/kernel", 1),
        "intermediate_dim": ("layer_0/intermediate/kernel", 1),
    }
    missing = sorted({name for name, _ in asked.values()} - set(arrays))
    if missing:
        raise ValueError(
            f"'{source}' lacks arrays of an encoder: {', '.join(missing)}."
        )
    flat = sorted(
        f"{name} {arrays[name].shape}"
        for name, axis in set(asked.values())
        if len(arrays[name].shape) <= axis
    )
    if flat:
        raise ValueError(
            f"'{source}' has arrays with too few axes: {', '.join(flat)}."
        )
    found = {k: arrays[name].shape[axis] for k, (name, axis) in asked.items()}
    return found | {"num_layers": len(queries)}


def undo(
    arrays: dict[str, LazyArray], quirks: tuple[str, ...], source: str
) -> dict[str, LazyArray]:
    """Returns arrays of which the converter's quirks are taken back.

    Those that are in the arrays: the others are in the configuration. The bias
    of `key` is gone for good, and nothing with it: it adds the same number to
    all scores of a query, which softmax takes away again.

    Raises:
        ValueError: token types that differ, though one is said to be repeated.
    """
    arrays = dict(arrays)
    pooler = arrays.get("pooler/kernel")
    if "untransposed_pooler" in quirks and pooler is not None:
        arrays["pooler/kernel"] = pooler.map(np.transpose)
    types = "embeddings/token_type_embedding/embeddings"
    if "repeated_token_type" in quirks:
        rows = np.asarray(arrays[types])
        if (rows != rows[:1]).any():
            raise ValueError(
                f"The token types of '{source}' differ, so it has no "
                "'repeated_token_type'."
            )
        arrays[types] = arrays[types].map(lambda rows: rows[:1])
    return arrays


def to_activation(theirs: str, quirks: tuple[str, ...]) -> str:
    """Returns our name of an activation of Model Garden's.

    Its `"gelu"` is the approximate one, and so is that of its `bert_config`.
    """
    if theirs == "gelu" and "approximate_gelu" not in quirks:
        return APPROXIMATE_GELU
    return ACTIVATIONS.get(theirs, theirs)


def check_quirks(quirks: tuple[str, ...]) -> tuple[str, ...]:
    """Returns quirks as a tuple, or raises `ValueError` for an unknown one."""
    quirks = tuple(quirks)
    unknown = [name for name in quirks if name not in QUIRKS]
    if unknown:
        raise ValueError(
            f"`quirks` must be among {CONVERTER_QUIRKS}. "
            f"Received: {', '.join(map(repr, unknown))}."
        )
    return quirks


def _modules(graph, encoder):
    """Returns our name and the object of each module that is there."""
    blocks = _blocks(graph, encoder)
    modules = [
        (ours, graph.walk(encoder, path)) for ours, path in EMBEDDINGS + POOLER
    ]
    if modules[0][1] is None:
        numbers = [*range(len(EMBEDDINGS)), len(EMBEDDINGS) + len(blocks)]
        modules = [
            (ours, graph.walk(encoder, BY_NUMBER.format(i)))
            for (ours, _), i in zip(EMBEDDINGS + POOLER, numbers, strict=True)
        ]
    for i, block in enumerate(blocks):
        modules += [
            (f"layer_{i}/{ours}", graph.walk(block, path))
            for ours, path in LAYER
        ]
    return [(ours, node) for ours, node in modules if node is not None]


def _blocks(graph, node):
    """Returns the transformer blocks of an encoder; of other objects, none."""
    children = graph.children(node)
    if LAYERS in children and "_embedding_layer" in children:
        blocks = graph.children(children[LAYERS])
        blocks = [blocks[i] for i in sorted(blocks, key=_number)]
    elif LAYERS in children:
        return []  # Another kind of encoder, or the list's own owner.
    else:
        blocks = []
        while True:
            i = len(EMBEDDINGS) + len(blocks)
            block = children.get(BY_NUMBER.format(i))
            if block is None or not _is_block(graph, block):
                break
            blocks.append(block)
    return [block for block in blocks if _is_block(graph, block)]


def _is_block(graph, node):
    return graph.walk(node, "_attention_layer/_query_dense/kernel") is not None


def _number(name):
    return int(name) if name.isdigit() else -1


def _with_output(ours):
    """Gives the attention of every layer a product after it.

    `LongformerEncoder`'s kernel is (h * d, m), ours (h, d, m). Where none of
    the layers has one, it is the one that changes nothing.
    """
    queries = {
        name.removesuffix("query/kernel"): array.shape
        for name, array in ours.items()
        if name.endswith("/attention/query/kernel")
    }
    name = "attention_output/kernel"
    none_has = not any(path + name in ours for path in queries)
    for path, (width, *heads) in queries.items():
        if none_has:
            shape = (*heads, width)
            ours[path + name] = LazyArray(
                lambda shape=shape: np.eye(shape[-1], dtype="float32").reshape(
                    shape
                ),
                shape,
            )
            ours[path + "attention_output/bias"] = LazyArray(
                lambda width=width: np.zeros(width, "float32"), (width,)
            )
        elif path + name in ours and len(ours[path + name].shape) == 2:
            ours[path + name] = ours[path + name].map(
                lambda kernel, heads=tuple(heads): kernel.reshape(
                    *heads, kernel.shape[-1]
                )
            )
    return ours
