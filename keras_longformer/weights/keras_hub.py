"""Opens KerasHub's encoders: presets, and models that are there already."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Mapping

import keras

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import keras_hub as families
from keras_longformer.weights.foreign import ForeignPreset

# Hugging Face's names of the files that a tokenizer saves.
TOKENIZER_FILES = {
    "vocabulary.json": "vocab.json",
    "merges.txt": "merges.txt",
    "vocabulary.spm": "vocabulary.spm",  # They have no name for a preset's.
    "vocabulary.txt": "vocab.txt",
    "vocab.txt": "vocab.txt",
}
# KerasHub's classes, and transformers' of the same vocabulary.
TOKENIZER_CLASSES = {
    "RobertaTokenizer": "RobertaTokenizer",
    "XLMRobertaTokenizer": "XLMRobertaTokenizer",
    "BertTokenizer": "BertTokenizer",
}
# Options that change ids, and the only values that theirs can have.
FIXED_OPTIONS = {
    "split": True,
    "suffix_indicator": "##",
    "oov_token": "[UNK]",
    "add_bos": False,
    "add_eos": False,
    "special_tokens_in_strings": False,
}
# KerasHub's RoBERTa finds these in texts, ours by `special_tokens_in_text`.
CONTROL_TOKENS = {"<s>", "<pad>", "</s>", "<mask>"}
MERGES_HEAD = "#version: 0.2"


def read_keras_hub(
    preset: str | keras.Model,
    *,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a RoBERTa, XLM-RoBERTa or BERT of KerasHub's.

    Args:
        preset: str, a preset's folder, name or handle, or the backbone
            itself, or its masked LM or text classifier.
        load_weights: bool, `False` reads the configuration only.
        head_modules: table of the head whose arrays are wanted; of none by
            default.

    Returns:
        A `ForeignPreset`.

    Raises:
        ValueError: another class, or a tokenizer with options that ours
            cannot follow.
    """
    if isinstance(preset, str | os.PathLike):
        source = os.fspath(preset)
        model = _open(source, load_weights)
        tokenizer_files = files_of_preset(source)
    else:
        source, model = f"{preset.name} ({type(preset).__name__})", preset
        preprocessor = getattr(preset, "preprocessor", None)
        tokenizer = getattr(preprocessor, "tokenizer", None)
        tokenizer_files = _files_of_tokenizer(tokenizer)
    kind = families.kind_of(model)
    is_of_pooler = not hasattr(model, "pooled_dense")
    config = families.to_keywords(model)
    if (
        kind.family.position_rule == "absolute"
        and "vocab.txt" in tokenizer_files
    ):
        # Of no weight; but preprocessor and backbone must agree on it.
        config["pad_token_id"] = _line_of("[PAD]", tokenizer_files["vocab.txt"])
    return ForeignPreset(
        source,
        kind.family,
        config,
        families.to_ours(model, head_modules) if load_weights else {},
        tokenizer_files,
        families.to_head(model),
        classifier_dropout=_head_dropout(model),
        of_encoder=frozenset(
            f"{ours}/{leaf}"
            for ours, _, kind_of_layer in head_modules
            for leaf, *_ in kind_of_layer
            if ours == "pooled_dense" and is_of_pooler and kind.family.pooler
        ),
    )


def _head_dropout(model):
    """The rate of a classifier's dropout, which may be its own."""
    return (
        getattr(model, "dropout", None) if hasattr(model, "backbone") else None
    )


def _open(preset, load_weights):
    """Opens a preset as the task that it is, or as a backbone."""
    import keras_hub

    task_config = os.path.join(preset, "task.json")
    if os.path.isfile(task_config):
        class_name = readers.read_json(task_config).get("class_name")
        if class_name in families.TASK_NAMES:
            return getattr(keras_hub.models, class_name).from_preset(
                preset, load_weights=load_weights, preprocessor=None
            )
    return keras_hub.models.Backbone.from_preset(
        preset, load_weights=load_weights
    )


def files_of_preset(preset: str) -> dict[str, str]:
    """Returns the paths of a preset's tokenizer files by their names."""
    folder = os.path.join(preset, "assets", "tokenizer")
    config = os.path.join(preset, "tokenizer.json")
    if os.path.isdir(folder) and os.path.isfile(config):
        return _named_as_theirs(folder, readers.read_json(config))
    if os.path.isdir(preset):
        return {}
    # KerasHub has no public way to a single file of a handle.
    import keras_hub

    return _files_of_tokenizer(keras_hub.models.Tokenizer.from_preset(preset))


def _files_of_tokenizer(tokenizer):
    """Writes a tokenizer's files to where they may be read until the end."""
    if type(tokenizer).__name__ not in TOKENIZER_CLASSES:
        return {}
    folder = _folder_until_the_end()
    tokenizer.save_assets(folder)
    config = {
        "class_name": type(tokenizer).__name__,
        "config": tokenizer.get_config(),
    }
    return _named_as_theirs(folder, config)


def _named_as_theirs(folder, config: Mapping):
    """Adds to the files what KerasHub's configuration says of reading them."""
    class_name, options = config["class_name"], config["config"]
    wrong = [
        f"{name}={options[name]!r}"
        for name, value in FIXED_OPTIONS.items()
        if options.get(name, value) != value
    ]
    more = {*(options.get("unsplittable_tokens") or ())} - CONTROL_TOKENS
    if more:
        wrong.append(f"unsplittable_tokens={sorted(more)}")
    if options.get("sequence_length") is not None:
        wrong.append(f"sequence_length={options['sequence_length']}")
    if wrong:
        raise ValueError(
            f"A {class_name} of KerasHub's has options that our tokenizers do "
            f"not: {', '.join(wrong)}. Pass `preprocessor=None`, or a "
            "preprocessor with a tokenizer of your own."
        )
    theirs = {"tokenizer_class": TOKENIZER_CLASSES.get(class_name)}
    if "add_prefix_space" in options:
        theirs["add_prefix_space"] = options["add_prefix_space"]
    if "lowercase" in options:
        theirs["do_lower_case"] = options["lowercase"]
        theirs["strip_accents"] = options["strip_accents"]
    paths = {
        name: os.path.join(folder, file)
        for file, name in TOKENIZER_FILES.items()
        if os.path.isfile(os.path.join(folder, file))
    }
    written = {"tokenizer_config.json": json.dumps(theirs)}
    if "merges.txt" in paths:
        with open(paths["merges.txt"], encoding="utf-8") as file:
            merges = file.read()
        if not merges.startswith(MERGES_HEAD):  # transformers skips this line.
            written["merges.txt"] = f"{MERGES_HEAD}\n{merges}"
    folder = _folder_until_the_end()
    for name, text in written.items():
        paths[name] = os.path.join(folder, name)
        with open(paths[name], "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return paths


def _line_of(token, path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n").index(token)


def _folder_until_the_end():
    folder = tempfile.mkdtemp(prefix="keras_longformer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
