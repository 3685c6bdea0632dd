"""Reads and writes Hugging Face's folders."""

import json
import os
import warnings

import keras
import numpy as np

from keras_longformer.unfinished import whole_folder
from keras_longformer.unfinished import write_bytes
from keras_longformer.unfinished import write_text
from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.adapted import check_not_quantized
from keras_longformer.weights.adapted import merge_adapters
from keras_longformer.weights.assign import weights_by_name
from keras_longformer.weights.families import family_of
from keras_longformer.weights.families.config import head_keywords
from keras_longformer.weights.foreign import ForeignPreset
from keras_longformer.weights.lengthen import POSITION_TABLE


def read_hugging_face(
    preset: str,
    *,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a Hugging Face folder or `hf://` handle.

    Args:
        preset: str, a folder or handle of a model_type of one of `families`.
        load_weights: bool, `False` reads the configuration only.
        head_modules: table of the head whose arrays are wanted; of none by
            default.

    Returns:
        A `ForeignPreset`.

    Raises:
        ValueError: a model of another kind, or a broken file.
    """
    preset = os.fspath(preset)
    # What cannot be read is refused before its weights are looked at.
    said = readers.Folder(preset).read_json("config.json")
    where = f"{preset.rstrip('/')}/config.json"
    family = family_of(said, where)
    config = family.to_keywords(said, where)
    checkpoint = readers.open_checkpoint(preset)
    family.check_sizes(config, checkpoint.arrays, checkpoint.source)
    config["pooler"] = family.has_pooler(checkpoint.arrays)
    poolers = {entry.theirs for entry in names.entries(family.pooler)}
    arrays = {}
    if load_weights:
        arrays = family.to_ours(
            checkpoint.arrays,
            num_layers=config["num_layers"],
            num_heads=config["num_heads"],
            head_modules=head_modules,
            source=checkpoint.source,
        )
    return ForeignPreset(
        checkpoint.source,
        family,
        config,
        arrays,
        checkpoint.tokenizer_files,
        head_keywords(said),
        architecture=_architecture(said),
        classifier_dropout=(
            said.get("classifier_dropout") if family.heads_drop else None
        ),
        head_activations=family.activations_of_head(said, head_modules),
        of_encoder=frozenset(
            entry.ours
            for entry in names.entries(family.head_modules(head_modules))
            if entry.theirs in poolers
        ),
        sentence=checkpoint.sentence,
    )


def _architecture(said):
    """The class that was saved, where the config says one."""
    classes = said.get("architectures")
    named = isinstance(classes, list) and classes
    return classes[0] if named and isinstance(classes[0], str) else ""


def save_hugging_face(
    model: keras.Model,
    folder: str,
    *,
    tokenizer: keras.layers.Layer | None = None,
) -> None:
    """Writes a model as a folder that `transformers` loads.

    `config.json`, `model.safetensors` (float32) and, if the model has a
    preprocessor with a tokenizer, `vocab.json`, `merges.txt`,
    `tokenizer_config.json` and `special_tokens_map.json`. They are there all
    together or not at all.

    All weights are written as they are, LoRA's adapters merged into what they
    adapt. A model that counts positions by the
    column (BERT's) gets one row more at the front of its position table for
    each id up to the padding's, from which Longformer counts: theirs computes
    the same where padding is on the right and no token of a text has the
    padding's id. Where `max_global_tokens` is 0, as in
    masked language modelling, nothing has trained the global projections;
    `save_to_preset` and `from_preset` start them anew for a next task.

    Their Longformer pads to the largest window and needs every layer's window
    to divide it; a model with other windows is written, and fails there at
    lengths that do not fit.

    Args:
        model: a `LongformerBackbone`, a `LongformerSeq2SeqBackbone`, which
            becomes an LED, or a task with one of them, which says by
            `hugging_face_class`, `head_modules` and `hugging_face_config()`
            what its head is there.
        folder: str, made if it is not there; files of these names are
            replaced.
        tokenizer: what to write instead of the preprocessor's tokenizer; a
            backbone has none of its own.

    Raises:
        ValueError: the model is dilated, causal or quantized, or has weights, a
            head or a head's activation that Hugging Face's Longformer does not.

    Example:

    ```python
    save_hugging_face(classifier, "longformer-reviews")
    transformers.AutoModelForSequenceClassification.from_pretrained(
        "longformer-reviews")
    ```
    """
    check_not_quantized(model, "`save_hugging_face`, which writes float32")
    # A task says what its head is, or that there is no such class.
    is_task = hasattr(model, "hugging_face_config")
    head = model.hugging_face_config() if is_task else {}
    head_modules = model.head_modules if is_task else ()
    backbone = getattr(model, "backbone", model)
    family = backbone.written_as
    architecture = model.hugging_face_class if is_task else family.encoder_class
    keywords = backbone.get_config()
    if tokenizer is None:
        preprocessor = getattr(model, "preprocessor", None)
        tokenizer = getattr(preprocessor, "tokenizer", None)
    config = family.to_config(
        keywords,
        architecture=architecture,
        special_token_ids=_special_token_ids(tokenizer),
        **head,
    )
    num_layers = family.num_layers(keywords)
    weights = _weights(model, family, num_layers, head_modules)
    merged, adapters = merge_adapters(model)
    arrays = {
        name: merged.get(
            id(weight), np.asarray(weight.value).astype(np.float32, copy=False)
        )
        for name, weight in weights.items()
        if id(weight) not in adapters
    }
    if keywords.get("position_rule", family.position_rule) != (
        family.position_rule
    ):
        table = arrays[POSITION_TABLE]
        rows = np.repeat(table[:1], keywords["pad_token_id"] + 1, axis=0)
        arrays[POSITION_TABLE] = np.concatenate([rows, table])
    arrays = family.to_theirs(
        arrays,
        num_layers=num_layers,
        head_modules=head_modules,
        prefix=f"{family.prefixes[0]}." if head_modules else "",
    )
    files = {}
    if tokenizer is not None:
        files = tokenizer.hugging_face_files(keywords["max_sequence_length"])
    files["config.json"] = (
        json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    )
    with whole_folder(folder, last=["config.json"]) as new:
        for name, content in files.items():
            write = write_text if isinstance(content, str) else write_bytes
            write(os.path.join(new, name), content)
        _save_arrays(arrays, os.path.join(new, "model.safetensors"))


def _save_arrays(arrays, path):
    from safetensors.numpy import save_file

    write_bytes(path, b"")
    mode = os.stat(path).st_mode
    save_file(arrays, path, metadata={"format": "pt"})
    os.chmod(path, mode)  # `save_file` lets only the owner read.


def _weights(model, family, num_layers, head_modules):
    """Returns the model's weights by our names.

    Without the pooler where transformers' class has none: that of a head that
    does not list it.
    """
    head = names.entries(head_modules)
    pooler = {e.ours for e in names.entries(family.pooler)}
    known = [entry.ours for entry in family.entries(num_layers) + head]
    weights = weights_by_name(model, known)
    if head:
        unwanted = pooler - {entry.ours for entry in head}
        return {n: w for n, w in weights.items() if n not in unwanted}
    if not pooler <= set(weights):
        warnings.warn(
            f"{type(model).__name__} has no pooler: transformers will start "
            f"{family.encoder_class}'s from random numbers, unless it is "
            "called with add_pooling_layer=False.",
            stacklevel=3,
        )
    return weights


def _special_token_ids(tokenizer):
    """The ids of a tokenizer that `config.json` says."""
    start = getattr(tokenizer, "start_token_id", None)
    end = getattr(tokenizer, "end_token_id", None)
    if start is None or end is None:
        return {}
    return {"bos_token_id": start, "eos_token_id": end, "sep_token_id": end}
