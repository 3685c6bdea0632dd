"""What a preset says of texts, without its weights: tokenizer and length."""

import os

from keras_longformer.weights import keras_hub
from keras_longformer.weights import model_garden
from keras_longformer.weights import readers
from keras_longformer.weights.families import family_of
from keras_longformer.weights.families import keras_hub as keras_hub_families
from keras_longformer.weights.load import preset_kind


def tokenizer_files(preset: str) -> dict[str, str]:
    """Returns the paths of the tokenizer's files of a preset of others.

    Args:
        preset: str, a Hugging Face folder or `hf://` handle, also one without
            a model, a RoBERTa preset of KerasHub's, or a checkpoint of Model
            Garden's, beside which they lie.

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


def model_keywords(preset: str) -> dict:
    """Returns what a preset's configuration says of its backbone.

    Args:
        preset: str, of any kind.

    Returns:
        Dict of `LongformerBackbone`'s keywords, `max_sequence_length` and
        `pad_token_id` among them.

    Raises:
        ValueError: a model of another kind.
    """
    preset = os.fspath(preset)
    kind = preset_kind(preset)
    if kind == "model_garden":
        return model_garden.read_model_garden(preset, load_weights=False).config
    if os.path.isdir(preset) or preset.startswith(readers.HUB_SCHEME):
        config = readers.Folder(preset).read_json("config.json")
        if kind == "hugging_face":
            return family_of(config, preset).to_keywords(config, preset)
        keywords = dict(config.get("config", {}))
        if kind == "keras_hub_encoder":
            keywords |= keras_hub_families.KINDS[config["class_name"]].keywords
        return keywords
    import keras_hub as theirs

    # KerasHub has no public way to the configuration of a name alone.
    backbone = theirs.models.Backbone.from_preset(preset, load_weights=False)
    if kind == "keras_hub_encoder":
        return keras_hub_families.to_keywords(backbone)
    return backbone.get_config()


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
