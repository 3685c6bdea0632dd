"""`from_preset` of the tokenizers: one door for presets of all kinds."""

import os
import tempfile

import keras

from keras_longformer import weights
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.opening import no_tokenizer
from keras_longformer.tokenizers.opening import open_tokenizer
from keras_longformer.weights.readers import read_json


def open_foreign_tokenizer(preset: str) -> GraphTokenizer:
    """Opens the tokenizer of a Hugging Face folder or a RoBERTa of KerasHub's.

    Raises:
        ValueError: no tokenizer, one of another kind, or one that cannot be
            followed.
    """
    files = weights.tokenizer_files(preset)
    tokenizer = open_tokenizer(files)
    if tokenizer is None:
        raise ValueError(no_tokenizer(preset, files))
    return tokenizer


def is_own(preset: str) -> bool:
    """Says whether KerasHub's loader opens a preset's tokenizer: it is ours."""
    if weights.is_tokenizer_alone(preset):
        return False
    return weights.preset_kind(preset) == "keras_hub"


def open_alone(preset: str, **options) -> GraphTokenizer:
    """Opens the tokenizer of a folder that has no model.

    That is what `save_to_preset` of a tokenizer wrote, or Hugging Face's
    files.
    """
    path = os.path.join(preset, "tokenizer.json")
    config = read_json(path) if os.path.isfile(path) else {}
    if "registered_name" not in config:
        return with_options(open_foreign_tokenizer(preset), **options)
    config = {**config, "config": {**config["config"], **options}}
    tokenizer = keras.saving.deserialize_keras_object(config)
    tokenizer.load_preset_assets(preset)
    return tokenizer


def with_options(tokenizer: GraphTokenizer, **options) -> GraphTokenizer:
    """Returns a tokenizer with other arguments of its constructor."""
    if not options:
        return tokenizer
    config = {**tokenizer.get_config(), **options}
    again = type(tokenizer).from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_assets(folder)
        again.load_assets(folder)
    return again
