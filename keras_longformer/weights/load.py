"""Opens the presets of others and makes them long."""

import os

import keras

from keras_longformer.weights import hugging_face
from keras_longformer.weights import keras_hub
from keras_longformer.weights import model_garden
from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import keras_hub as keras_hub_families
from keras_longformer.weights.families.family import is_hugging_face
from keras_longformer.weights.foreign import ForeignPreset
from keras_longformer.weights.model_garden import ModelGardenCheckpoint


def as_preset(
    preset: str | os.PathLike | keras.Model | ModelGardenCheckpoint,
) -> str | keras.Model | ModelGardenCheckpoint:
    """Returns a preset's path as a string, or what says more than a path."""
    if isinstance(preset, keras.Model | ModelGardenCheckpoint):
        return preset
    return os.fspath(preset)


def preset_kind(preset: str | keras.Model) -> str:
    """Tells whose a preset is.

    Args:
        preset: str, a folder, an `hf://` handle, or a name or handle that
            KerasHub knows; or a model of KerasHub's.

    Returns:
        `"hugging_face"`, `"model_garden"`, `"keras_hub_encoder"` for one of
        KerasHub's that we convert, or `"keras_hub"` for all others, which
        KerasHub's own loader opens or refuses: ours are there.

    Raises:
        ValueError: a folder that is not there or has no `config.json`, or a
            model that we do not convert.
    """
    if model_garden.is_model_garden(preset):
        return "model_garden"
    if isinstance(preset, keras.Model):
        keras_hub_families.kind_of(preset)
        return "keras_hub_encoder"
    preset = os.fspath(preset)
    is_folder = os.path.isdir(preset)
    if is_folder or preset.startswith(readers.HUB_SCHEME):
        config = readers.Folder(preset).read_json("config.json")
        if is_hugging_face(config):
            return "hugging_face"
        name = config.get("class_name")
        if not isinstance(name, str):
            raise ValueError(
                f"'{preset.rstrip('/')}/config.json' must say a `model_type`, "
                "as Hugging Face's do, or a `class_name`, as KerasHub's. It "
                f"says: {', '.join(sorted(config)) or 'nothing'}."
            )
        is_encoder = name in keras_hub_families.KINDS
    else:
        is_encoder = keras_hub_families.is_known_name(preset)
        # KerasHub's names have no slash outside a handle.
        if "://" not in preset and ("/" in preset or os.sep in preset):
            raise ValueError(
                "`preset` must be a folder, a handle `hf://owner/name`, or the "
                "name or handle of a RoBERTa or BERT of KerasHub's. Received: "
                f"preset={preset!r}, which is not a folder here."
            )
    return "keras_hub_encoder" if is_encoder else "keras_hub"


def open_foreign(
    preset: str | keras.Model,
    *,
    max_sequence_length: int | None = None,
    window_size: int | list[int] | None = None,
    positions: str = "copy",
    seed: int = 0,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a preset that KerasHub cannot open as a Longformer.

    Args:
        preset: str, a Hugging Face folder or `hf://` handle, a RoBERTa or
            BERT preset of KerasHub's, by its folder, name or handle, or such
            a backbone or task itself, or a checkpoint of Model Garden's.
        max_sequence_length: int or `None`, positions wanted; `None` keeps the
            preset's.
        window_size: int, one int a layer, or `None`: the preset's, 512 for
            RoBERTa.
        positions: `"copy"`, `"sinusoidal"` or `"random"`, how positions are
            made (`lengthen.long_positions`).
        seed: int, for random positions.
        load_weights: bool, `False` reads the configuration only.
        head_modules: a task's table of its head, whose arrays are wanted
            too; without it those of the encoder alone.

    Returns:
        A `ForeignPreset`.

    Raises:
        ValueError: a model of another kind, one that KerasHub's own loader
            opens (`preset_kind`), or a broken file.
        ImportError: a package that this format needs is missing.

    Example:

    ```python
    foreign = open_foreign("path/to/roberta-base", max_sequence_length=4096)
    backbone = LongformerBackbone(**foreign.config)
    assign(backbone, foreign.arrays, source=foreign.source)
    ```
    """
    read = {
        "hugging_face": hugging_face.read_hugging_face,
        "model_garden": model_garden.read_model_garden,
        "keras_hub_encoder": keras_hub.read_keras_hub,
    }.get(preset_kind(preset))
    if read is None:
        raise ValueError(
            f"'{os.fspath(preset)}' is neither a Hugging Face folder or handle "
            "nor a RoBERTa or BERT preset of KerasHub's. If it is one of ours, "
            "take `from_preset` of the backbone or the task."
        )
    foreign = read(preset, load_weights=load_weights, head_modules=head_modules)
    if foreign.config["window_size"] is None and window_size is None:
        raise ValueError(
            f"Nothing beside '{foreign.source}' "
            f"({', '.join(model_garden.PARAMETER_FILES)}) says the windows of "
            "its attention. Name them: `window_size=512`, or one for each "
            "layer."
        )
    return foreign.make_long(
        max_sequence_length=max_sequence_length,
        window_size=window_size,
        positions=positions,
        seed=seed,
    )
