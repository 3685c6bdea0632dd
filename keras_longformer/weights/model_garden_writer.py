"""Writes checkpoints that TensorFlow Model Garden's Longformer loads."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.unfinished import whole_folder
from keras_longformer.weights import names
from keras_longformer.weights.assign import weights_by_name
from keras_longformer.weights.families import model_garden as family

NAME = "longformer"  # The prefix of the checkpoint's files.
POSITIONS = "embeddings/position_embedding/embeddings"
TYPES = "embeddings/token_type_embedding/embeddings"


def save_model_garden(
    model: keras.Model,
    folder: str,
    *,
    quirks: Sequence[str] = (),
    global_attention_size: int = 1,
    tokenizer: keras.layers.Layer | None = None,
) -> str:
    """Writes a model as a checkpoint that `LongformerEncoder` loads.

    Written are the checkpoint, `encoder` and, of a `LongformerMaskedLM`,
    `masked_lm`, as `BertPretrainerV2.checkpoint_items` names them;
    `params.yaml`, what its `LongformerEncoderConfig` takes; and the
    tokenizer's files, if there are any.

    Model Garden's encoder computes what ours does where the first
    `global_attention_size` tokens are the global ones, the padding is on the
    right, `layer_norm_epsilon` is 1e-12 and the GELU the approximate one. A
    model that has another epsilon or the exact GELU is refused unless the
    difference is accepted by name.

    All weights are written as they are. Theirs has one global token at the
    least; where `max_global_tokens` is 0, as in masked language modelling,
    nothing has trained the projections that it goes through.

    Args:
        model: a `LongformerBackbone` or a `LongformerMaskedLM`.
        folder: str, made if it is not there; files of these names are
            replaced.
        quirks: what to write as Model Garden's converter of Hugging Face's
            weights would have done: names among `QUIRKS`, or
            `CONVERTER_QUIRKS`, all of them. `"epsilon"` and
            `"approximate_gelu"` accept that Model Garden computes with its
            own; the others change what is written.
        global_attention_size: int, at least 1, for `params.yaml`: with 0 its
            encoder leaves out the product after the attention.
        tokenizer: what to write instead of the preprocessor's tokenizer.

    Returns:
        The checkpoint's prefix, what `tf.train.Checkpoint(encoder=...).read`
        and the trainer's `init_checkpoint` take.

    Raises:
        ValueError: the model does what Model Garden's cannot; all of it.

    Example:

    ```python
    backbone = LongformerBackbone.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    quirks = ["epsilon", "approximate_gelu"]
    prefix = save_model_garden(backbone, "for-model-garden", quirks=quirks)
    as_model_garden_runs_it = LongformerBackbone.from_preset(prefix)
    as_it_was = LongformerBackbone.from_preset(
        ModelGardenCheckpoint(prefix, quirks=quirks))
    ```
    """
    quirks = family.check_quirks(quirks)
    backbone = getattr(model, "backbone", model)
    keywords = backbone.get_config()
    head = _head(model)
    _check(model, keywords, head, quirks, global_attention_size)
    arrays = _arrays(model, keywords, head)
    arrays = _as_theirs(arrays, keywords, quirks)
    roots = {"encoder": _encoder(arrays, keywords["num_layers"])}
    if head:
        roots["masked_lm"] = _masked_lm(
            arrays, head, roots["encoder"]._embedding_layer.embeddings
        )
    if tokenizer is None:
        preprocessor = getattr(model, "preprocessor", None)
        tokenizer = getattr(preprocessor, "tokenizer", None)
    texts = {
        "params.yaml": _parameters(keywords, arrays, global_attention_size)
    }
    if tokenizer is not None:
        texts |= tokenizer.hugging_face_files(keywords["max_sequence_length"])
    _write(roots, texts, folder)
    return os.path.join(folder, NAME)


def _head(model):
    """Returns the table of a masked LM's head, and of an encoder's none."""
    rows = getattr(model, "head_modules", ())
    return {ours: theirs for ours, theirs, _ in rows}


def _check(model, keywords, head, quirks, global_attention_size):
    wrong = []
    if any(not theirs.startswith("lm_head") for theirs in head.values()) or (
        hasattr(model, "backbone") and not head
    ):
        wrong.append(
            f"  the head of {type(model).__name__}: write its `backbone`"
        )
    for name, plain in (("dilation", 1), ("causal", False)):
        values = keywords[name]
        values = values if isinstance(values, list) else [values]
        if any(np.any(np.asarray(value) != plain) for value in values):
            wrong.append(f"  {name}={keywords[name]}")
    epsilon = keywords["layer_norm_epsilon"]
    if epsilon != family.LAYER_NORM_EPSILON and "epsilon" not in quirks:
        wrong.append(
            f"  layer_norm_epsilon={epsilon}: its own is "
            f"{family.LAYER_NORM_EPSILON}; accept that by quirks=['epsilon']"
        )
    activations = {"activation": keywords["activation"]}
    if head and hasattr(model, "activation"):
        activations["activation of the head"] = model.activation
    for name, activation in activations.items():
        if activation == family.APPROXIMATE_GELU or (
            activation == "gelu" and "approximate_gelu" in quirks
        ):
            continue
        line = f"  {name}={activation!r}: its own is the approximate GELU"
        if activation == "gelu":
            line += "; accept that by quirks=['approximate_gelu']"
        wrong.append(line)
    if (
        "unshifted_positions" in quirks
        and keywords["position_rule"] == "absolute"
    ):
        wrong.append(
            "  quirks=['unshifted_positions']: this model's positions have no "
            "shift"
        )
    if "repeated_token_type" in quirks and keywords["num_token_types"] != 1:
        wrong.append(
            "  quirks=['repeated_token_type']: this model has "
            f"{keywords['num_token_types']} token types"
        )
    if global_attention_size < 1:
        wrong.append(
            f"  global_attention_size={global_attention_size}, at least 1"
        )
    if wrong:
        raise ValueError(
            "Model Garden's LongformerEncoder cannot do what "
            f"'{model.name}' does.\n" + "\n".join(wrong)
        )


def _arrays(model, keywords, head):
    """Returns a model's arrays by our names."""
    encoder = family.MODEL_GARDEN.entries(keywords["num_layers"])
    known = [entry.ours for entry in encoder]
    if head:
        known += [e.ours for e in names.entries(model.head_modules)]
    weights = weights_by_name(model, known)
    unknown = sorted(set(weights) - set(known))
    if unknown:
        raise ValueError(
            "Model Garden's LongformerEncoder has no weights like: "
            f"{', '.join(unknown)}."
        )
    return {
        name: np.asarray(weight.value).astype(np.float32, copy=False)
        for name, weight in weights.items()
    }


def _as_theirs(arrays, keywords, quirks):
    """Returns arrays in Model Garden's layouts, with the quirks asked for."""
    arrays = dict(arrays)
    facts = replace(
        family.MODEL_GARDEN, position_rule=keywords["position_rule"]
    )
    if "unshifted_positions" not in quirks:
        offset = facts.position_offset(keywords)
        arrays[POSITIONS] = arrays[POSITIONS][offset:]
    if "repeated_token_type" in quirks:
        arrays[TYPES] = np.repeat(arrays[TYPES], 2, axis=0)
    if "untransposed_pooler" in quirks and "pooler/kernel" in arrays:
        arrays["pooler/kernel"] = arrays["pooler/kernel"].T
    for name, array in arrays.items():
        if name.endswith("/attention_output/kernel"):
            arrays[name] = array.reshape(-1, array.shape[-1])
        if name.endswith("/global_key/bias") and "global_key_bias" in quirks:
            arrays[name.replace("/global_key/", "/key/")] = array
    return arrays


def _encoder(arrays, num_layers):
    """Returns objects whose attributes are named as an encoder's."""
    encoder = _objects(arrays, "", family.EMBEDDINGS + family.POOLER)
    blocks = [
        _objects(arrays, f"layer_{i}/", family.LAYER) for i in range(num_layers)
    ]
    setattr(encoder, family.LAYERS, blocks)
    return encoder


def _masked_lm(arrays, head, embedding_table):
    paths = [
        (ours, family.HEADS[theirs].removeprefix("masked_lm").lstrip("/"))
        for ours, theirs in head.items()
    ]
    objects = _objects(arrays, "", [row for row in paths if row[1]])
    (own,) = [ours for ours, path in paths if not path]
    bias = tf.Variable(arrays[f"{own}/output_bias"])
    setattr(objects, family.HEAD_LEAVES["output_bias"], bias)
    objects.bias = bias
    objects.embedding_table = embedding_table
    return objects


def _objects(arrays, prefix, modules):
    """Returns a tree of objects with variables, of a table's rows."""
    top = tf.Module()
    for ours, path in modules:
        node = top
        for name in path.split("/"):
            if not hasattr(node, name):
                setattr(node, name, tf.Module())
            node = getattr(node, name)
        for leaf in family.LEAVES:
            array = arrays.get(f"{prefix}{ours}/{leaf}")
            if array is not None:
                setattr(node, leaf, tf.Variable(array))
    return top


def _parameters(keywords, arrays, global_attention_size):
    """Returns the YAML of an encoder's parameters, which is JSON as well."""
    windows = keywords["window_size"]
    if isinstance(windows, int):
        windows = [windows] * keywords["num_layers"]
    dropout = keywords["attention_dropout"]
    encoder = {
        "vocab_size": keywords["vocabulary_size"],
        "hidden_size": keywords["hidden_dim"],
        "num_layers": keywords["num_layers"],
        "num_attention_heads": keywords["num_heads"],
        "intermediate_size": keywords["intermediate_dim"],
        "hidden_activation": "gelu",
        "dropout_rate": keywords["dropout"],
        "attention_dropout_rate": (
            keywords["dropout"] if dropout is None else dropout
        ),
        "max_position_embeddings": len(arrays[POSITIONS]),
        "type_vocab_size": len(arrays[TYPES]),
        "attention_window": windows,
        "global_attention_size": global_attention_size,
        "pad_token_id": keywords["pad_token_id"],
    }
    model = {"encoder": {"type": "any", "any": encoder}}
    return json.dumps({"task": {"model": model}}, indent=2) + "\n"


def _write(roots, texts, folder):
    """Writes all files, whole or not at all."""
    # The one that is read last names the rest.
    with whole_folder(folder, last=["checkpoint"]) as new:
        tf.train.Checkpoint(**roots).write(os.path.join(new, NAME))
        texts["checkpoint"] = f'model_checkpoint_path: "{NAME}"\n'
        for name, content in texts.items():
            content = content.encode() if isinstance(content, str) else content
            with open(os.path.join(new, name), "wb") as file:
                file.write(content)
