"""Opens encoders with decoders: LED, and BART, which is made long."""

import os

import numpy as np

from keras_longformer.weights import names
from keras_longformer.weights import readers
from keras_longformer.weights.families import SEQ2SEQ_FAMILIES
from keras_longformer.weights.families import family_of
from keras_longformer.weights.foreign import ForeignPreset

GENERATION_FILE = "generation_config.json"


def open_seq2seq(
    preset: str,
    *,
    max_sequence_length: int | None = None,
    window_size: int | list[int] | None = None,
    positions: str = "copy",
    seed: int = 0,
    load_weights: bool = True,
    head_modules: names.Modules = (),
) -> ForeignPreset:
    """Opens a Hugging Face folder or handle of an LED or a BART.

    Args:
        preset, max_sequence_length, window_size, positions, seed, load_weights,
            head_modules: as for `open_foreign`. A BART is made long: 16,384
            positions and a window of 1,024, if nothing else is said.

    Returns:
        A `ForeignPreset`, whose `config` has the keywords of
        `LongformerSeq2SeqBackbone`, and whose `generation` says how its texts
        are generated.

    Raises:
        ValueError: a model of another kind, or a broken file.
    """
    preset = os.fspath(preset)
    folder = readers.Folder(preset)
    said = folder.read_json("config.json")
    family = family_of(said, preset, SEQ2SEQ_FAMILIES)
    config = family.to_keywords(said, preset)
    checkpoint = readers.open_checkpoint(preset)
    family.check_sizes(config, checkpoint.arrays, checkpoint.source)
    arrays = {}
    if load_weights:
        arrays = family.to_ours(
            checkpoint.arrays,
            num_layers=family.num_layers(config),
            num_heads=family.num_heads(config),
            head_modules=head_modules,
        )
        for entry in names.entries(head_modules):
            # The bias of the logits, which files may leave out.
            zeros = np.zeros(config["vocabulary_size"], np.float32)
            arrays.setdefault(entry.ours, zeros)
    path = folder.find(GENERATION_FILE)
    own = {} if path is None else readers.read_json(path)
    # As transformers does: what was made from the config says nothing new.
    is_copy = path is None or own.get("_from_model_config", False)
    foreign = ForeignPreset(
        checkpoint.source,
        family,
        config,
        arrays,
        checkpoint.tokenizer_files,
        architecture=(said.get("architectures") or [""])[0],
        generation={**own, **said} if is_copy else own,
    )
    return foreign.make_long(
        max_sequence_length=max_sequence_length or family.max_sequence_length,
        window_size=window_size,
        positions=positions,
        seed=seed,
    )


def is_seq2seq(preset: str) -> bool:
    """Says whether a Hugging Face folder has a decoder that we can read."""
    preset = os.fspath(preset)
    if not os.path.isdir(preset) and not preset.startswith(readers.HUB_SCHEME):
        return False
    path = readers.Folder(preset).find("config.json")
    model_type = readers.read_json(path).get("model_type") if path else None
    return any(model_type in f.model_types for f in SEQ2SEQ_FAMILIES)
