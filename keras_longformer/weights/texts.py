"""What a preset says of texts, without its weights: tokenizer and length."""

import os

from keras_longformer.weights import keras_hub
from keras_longformer.weights import model_garden
from keras_longformer.weights import readers
from keras_longformer.weights.families import FAMILIES
from keras_longformer.weights.families import SEQ2SEQ_FAMILIES
from keras_longformer.weights.families import family_of
from keras_longformer.weights.load import preset_kind
from keras_longformer.weights.seq2seq import is_seq2seq


def tokenizer_files(preset: str) -> dict[str, str]:
    """Returns the paths of the tokenizer's files of a preset of others.

    Args:
        preset: str, a Hugging Face folder or `hf://` handle, also one without
            a model, a RoBERTa or BERT of KerasHub's, or a checkpoint of
            Model Garden's, beside which they lie.

    Returns:
        Dict of file name, as Hugging Face names it, to path.
    """
    preset = os.fspath(preset)
    kind = None if is_tokenizer_alone(preset) else preset_kind(preset)
    if kind == "keras_hub_encoder":
        return keras_hub.files_of_preset(preset)
    if kind == "model_garden":
        folder = model_garden.folder_of(preset)
    else:
        folder = readers.Folder(preset)
    paths = {name: folder.find(name) for name in readers.TOKENIZER_FILES}
    return {name: path for name, path in paths.items() if path}


def is_tokenizer_alone(preset: str) -> bool:
    """Says whether a folder has a tokenizer and no model."""
    if not os.path.isdir(preset):
        return False
    folder = readers.Folder(preset)
    if folder.find("config.json") is not None:
        return False
    return any(folder.find(name) for name in readers.TOKENIZER_FILES)


def longest_row(preset: str) -> int:
    """Returns how many tokens the model of a preset reads.

    Args:
        preset: str, of any kind.

    Raises:
        ValueError: a model of another kind.
    """
    preset = os.fspath(preset)
    kind = preset_kind(preset)
    if kind == "model_garden":
        foreign = model_garden.read_model_garden(preset, load_weights=False)
        config = foreign.config
    elif os.path.isdir(preset) or preset.startswith(readers.HUB_SCHEME):
        config = readers.Folder(preset).read_json("config.json")
        if kind == "hugging_face":
            is_pair = is_seq2seq(preset)
            families = SEQ2SEQ_FAMILIES if is_pair else FAMILIES
            family = family_of(config, preset, families)
            config = family.to_keywords(config, preset)
            if is_pair:  # A BART does not say how long it is to be.
                longest = family.max_sequence_length
                config.setdefault("max_sequence_length", longest)
        else:
            config = config.get("config", {})
    else:
        import keras_hub as theirs

        # KerasHub has no public way to the configuration of a name alone.
        config = theirs.models.Backbone.from_preset(
            preset, load_weights=False
        ).get_config()
    if "max_sequence_length" not in config:
        raise ValueError(
            f"'{preset}' does not say how many tokens its model reads: give "
            "`sequence_length`, or a preset of a Longformer, RoBERTa or BERT."
        )
    return config["max_sequence_length"]


def saved_class(preset: str, name: str) -> str | None:
    """Returns the class that a file of a preset of ours was saved of.

    Args:
        preset: str, its folder or handle.
        name: str, such as `"preprocessor.json"`.

    Returns:
        The class's name, or `None` where the file is not there, or where the
        preset is one that only KerasHub can look into.
    """
    preset = os.fspath(preset)
    if not os.path.isdir(preset) and not preset.startswith(readers.HUB_SCHEME):
        return None
    path = readers.Folder(preset).find(name)
    return None if path is None else readers.read_json(path).get("class_name")
