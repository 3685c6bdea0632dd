"""Reads and writes Hugging Face's folders."""

import json
import os
import tempfile
import warnings

import keras
import numpy as np

from keras_longformer.weights import configs
from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.assign import weights_by_name
from keras_longformer.weights.foreign import Preset

# A weight that only one kind of task has, and transformers' class for it.
ARCHITECTURES = (
    ("lm_head/output_bias", "LongformerForMaskedLM"),
    ("logits/kernel", "LongformerForSequenceClassification"),
    ("qa_outputs/kernel", "LongformerForQuestionAnswering"),
    ("classifier/kernel", "LongformerForTokenClassification"),
)
BARE = "LongformerModel"

# Their name, our tokenizer's attribute, and RoBERTa's token without one.
SPECIAL_TOKENS = (
    ("bos_token", "start_token", "<s>"),
    ("eos_token", "end_token", "</s>"),
    ("cls_token", "start_token", "<s>"),
    ("sep_token", "end_token", "</s>"),
    ("unk_token", "unk_token", "<unk>"),
    ("pad_token", "pad_token", "<pad>"),
    ("mask_token", "mask_token", "<mask>"),
)


def read_hugging_face(preset: str, *, load_weights: bool = True) -> Preset:
    """Opens a Hugging Face folder or `hf://` handle.

    Args:
        preset: str, a folder or handle of a model_type in
            `configs.MODEL_TYPES`.
        load_weights: bool, `False` reads the configuration only.

    Returns:
        A `Preset`.

    Raises:
        ValueError: a model of another kind, or a broken file.
    """
    checkpoint = readers.open_checkpoint(preset)
    config = configs.to_keywords(checkpoint.config, os.fspath(preset))
    known = {names.pytorch_name(name)[0] for name in checkpoint.arrays}
    config["pooler"] = "pooler.dense.weight" in known
    arrays = {}
    if load_weights:
        arrays = names.to_ours(
            checkpoint.arrays,
            num_layers=config["num_layers"],
            num_heads=config["num_heads"],
        )
    tokenizer = readers.byte_pair_files(checkpoint.tokenizer_files)
    head = configs.head_keywords(checkpoint.config)
    return Preset(checkpoint.source, config, arrays, *tokenizer, head=head)


def save_hugging_face(
    model: keras.Model,
    folder: str,
    *,
    tokenizer: keras.layers.Layer | None = None,
) -> None:
    """Writes a model as a folder that `transformers` loads.

    `config.json`, `model.safetensors` (float32) and, if the model has a
    preprocessor with a tokenizer, `vocab.json`, `merges.txt`,
    `tokenizer_config.json` and `special_tokens_map.json`. Each file is written
    under a temporary name and renamed, so none is ever half there.

    All weights are written as they are. Where `max_global_tokens` is 0, as in
    masked language modelling, nothing has trained the global projections;
    `save_to_preset` and `from_preset` start them anew for a next task.

    Their Longformer pads to the largest window and needs every layer's window
    to divide it; a model with other windows is written, and fails there at
    lengths that do not fit.

    Args:
        model: a `LongformerBackbone` or a task with one.
        folder: str, made if it is not there; files of these names are
            replaced.
        tokenizer: what to write instead of the preprocessor's tokenizer; a
            backbone has none of its own.

    Raises:
        ValueError: the model is dilated or causal, or has weights or a head
            that Hugging Face's Longformer does not.

    Example:

    ```python
    save_hugging_face(classifier, "longformer-reviews")
    transformers.AutoModelForSequenceClassification.from_pretrained(
        "longformer-reviews")
    ```
    """
    from safetensors.numpy import save_file

    backbone = getattr(model, "backbone", model)
    keywords = backbone.get_config()
    table = {entry.ours for entry in names.entries(keywords["num_layers"])}
    weights = weights_by_name(model, table)
    architecture, num_labels = _architecture(model, weights)
    config = configs.to_config(
        keywords,
        architecture=architecture,
        num_labels=num_labels,
        class_names=getattr(model, "class_names", None),
        problem_type=getattr(model, "problem_type", None),
    )
    arrays = {
        name: np.asarray(weight.value).astype(np.float32, copy=False)
        for name, weight in weights.items()
    }
    arrays = names.to_pytorch(
        arrays,
        num_layers=keywords["num_layers"],
        prefix="" if architecture == BARE else "longformer.",
    )
    os.makedirs(folder, exist_ok=True)
    if tokenizer is None:
        preprocessor = getattr(model, "preprocessor", None)
        tokenizer = getattr(preprocessor, "tokenizer", None)
    if tokenizer is not None:
        _write_tokenizer(tokenizer, folder, keywords["max_sequence_length"])
    _write(
        folder,
        "model.safetensors",
        lambda path: save_file(arrays, path, metadata={"format": "pt"}),
    )
    _write_json(folder, "config.json", config)


def _architecture(model, weights):
    """Returns transformers' class, and the labels of a classifier.

    Drops the pooler from `weights` where that class has none.
    """
    if getattr(model, "scoring", "choices") != "choices":
        raise ValueError(
            "Hugging Face's Longformer scores no candidates in one sequence. "
            f"Received: a {type(model).__name__} with "
            f"scoring={model.scoring!r}. Keep it with `save_to_preset`."
        )
    architecture = next(
        (theirs for ours, theirs in ARCHITECTURES if ours in weights), BARE
    )
    if "MultipleChoice" in type(model).__name__:
        architecture = "LongformerForMultipleChoice"
    elif architecture != BARE:
        for name in ("pooler/kernel", "pooler/bias"):
            weights.pop(name, None)
    if architecture == BARE and "pooler/kernel" not in weights:
        warnings.warn(
            f"{type(model).__name__} has no pooler: transformers will start "
            "LongformerModel's from random numbers, unless it is called with "
            "add_pooling_layer=False.",
            stacklevel=3,
        )
    for name in ("logits/bias", "classifier/bias"):
        if name in weights and "MultipleChoice" not in architecture:
            return architecture, weights[name].shape[0]
    return architecture, None


def _write_tokenizer(tokenizer, folder, max_sequence_length):
    """Writes the files that `LongformerTokenizer` reads."""
    with tempfile.TemporaryDirectory() as assets:
        tokenizer.save_assets(assets)
        vocabulary = readers.read_json(os.path.join(assets, "vocabulary.json"))
        merges = readers.read_merges(os.path.join(assets, "merges.txt"))
    tokens = {
        theirs: str(getattr(tokenizer, ours, default))
        for theirs, ours, default in SPECIAL_TOKENS
    }
    _write_json(folder, "vocab.json", vocabulary)
    # Their reader drops the first line, whatever it says.
    text = "\n".join(["#version: 0.2", *merges, ""])
    _write(folder, "merges.txt", lambda path: _write_text(path, text))
    _write_json(folder, "special_tokens_map.json", tokens)
    _write_json(
        folder,
        "tokenizer_config.json",
        tokens
        | {
            "tokenizer_class": "LongformerTokenizer",
            "model_max_length": max_sequence_length,
            "add_prefix_space": getattr(tokenizer, "add_prefix_space", False),
            "errors": "replace",
        },
    )


def _write_json(folder, name, content):
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    _write(folder, name, lambda path: _write_text(path, text))


def _write_text(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _write(folder, name, write):
    """Calls `write` with a temporary path, which becomes `name` after it."""
    descriptor, path = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    os.close(descriptor)
    try:
        write(path)
        os.chmod(path, 0o644)  # `mkstemp` lets only the owner read.
        os.replace(path, os.path.join(folder, name))
    except BaseException:
        os.unlink(path)
        raise
