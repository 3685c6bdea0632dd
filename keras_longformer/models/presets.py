"""What `from_preset` of the backbone and of the tasks have in common."""

import inspect
import json
import logging
import os

import keras

from keras_longformer import weights
from keras_longformer.layers.positions import position_offset
from keras_longformer.text.packing import length_buckets
from keras_longformer.unfinished import whole_folder

LOGGER = logging.getLogger("keras_longformer")

# The encoder's own part that a checkpoint or a model may lack.
OPTIONAL = ("pooler/*",)
# Files that say what the others of a preset are.
SAY_CLASSES = (
    "preprocessor.json",
    "tokenizer.json",
    "config.json",
    "task.json",
)
REQUIREMENTS = "requirements.txt"
NOTE = """\
# The classes of this preset are keras_longformer's. `import keras_longformer`
# before KerasHub's `from_preset` or Keras' `load_model` opens it.
keras_longformer
"""


def load_arrays(model, arrays, source, fresh=OPTIONAL):
    """Assigns arrays to a model, and warns of weights that they lack.

    Args:
        model: the backbone or task.
        arrays: mapping of our name to array.
        source: str, where they are from.
        fresh: patterns of weights that may be lacking.

    Raises:
        ValueError: all weights and arrays that do not fit.
    """
    assigned = weights.assign(
        model,
        arrays,
        source=source,
        may_be_fresh=fresh,
        may_be_unused=OPTIONAL,
    )
    warn_of_numbers(assigned.not_finite, source, type(model).__name__)
    if assigned.fresh:
        LOGGER.warning(
            "'%s' has no weights for %s of %s: they start from random "
            "numbers, so train the model before you use it.",
            source,
            ", ".join(assigned.fresh),
            type(model).__name__,
        )


def warn_of_numbers(names, source, model_name):
    """Logs which weights of a file hold NaN or infinity, if any do.

    Args:
        names: list of str, theirs.
        source: str, the file.
        model_name: str, the class.
    """
    if names:
        LOGGER.warning(
            "'%s' has weights of %s in which some number is not finite (NaN "
            "or infinite), and so will be what it computes: %s. The training "
            "that wrote it may have diverged.",
            source,
            model_name,
            ", ".join(names),
        )


def check_numbers(model, source):
    """Logs which weights of a model that Keras opened are not finite."""
    names = [
        weight.path
        for weight in model.weights
        if keras.backend.is_float_dtype(weight.dtype)
        and not weights.is_finite(
            keras.ops.convert_to_numpy(weight).astype("float32")
        )
    ]
    warn_of_numbers(names, source, type(model).__name__)


def written(folder):
    """Returns a context in which a preset is written, whole or not at all.

    Args:
        folder: str, the preset; the context's value is what to write into.
    """
    return whole_folder(folder, last=SAY_CLASSES, kept=[REQUIREMENTS])


def write_note(folder):
    """Writes into a preset which package opens it.

    KerasHub says of classes that it does not know only how they are called.

    Args:
        folder: str, where `requirements.txt`, if there is none, and a key
            `library` of `metadata.json` are written.
    """
    path = os.path.join(folder, REQUIREMENTS)
    with open(path, "w", encoding="utf-8") as file:
        file.write(NOTE)
    path = os.path.join(folder, "metadata.json")
    with open(path, encoding="utf-8") as file:
        metadata = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**metadata, "library": "keras_longformer"}, file, indent=4)


def rebuild(model, keywords):
    """Gives a backbone, or a task's backbone, other arguments.

    Args:
        model: a `LongformerBackbone` or a task with one.
        keywords: dict of the backbone's arguments, and `positions`.

    Returns:
        The model itself where nothing changes, else a new one with its
        weights.
    """
    backbone = getattr(model, "backbone", model)
    config = backbone.get_config()
    positions = keywords.get("positions", "copy")
    weights.check_positions(positions)
    kept = {"positions"}  # And where `None` means "as it is":
    kept |= {
        name
        for name in ("max_sequence_length", "window_size")
        if keywords.get(name) is None
    }
    changed = {
        name: value
        for name, value in keywords.items()
        # A name that is not there is left to the constructor to refuse.
        if name not in kept and (name not in config or value != config[name])
    }
    if not changed:
        return model
    weights.check_not_quantized(
        model, ", ".join(f"another `{n}`" for n in changed)
    )
    rebuilt = type(backbone).from_config({**config, **changed})
    if model is not backbone:
        preprocessor = model.preprocessor
        if preprocessor is not None and "max_sequence_length" in changed:
            preprocessor = with_length(
                preprocessor, changed["max_sequence_length"]
            )
        own = {"backbone": rebuilt, "preprocessor": preprocessor}
        rebuilt = type(model)(**{**model.get_config(), **own})
    arrays = {weight.path: weight.numpy() for weight in model.weights}
    if backbone.max_global_tokens == 0 and "max_global_tokens" in changed:
        # They were not trained with the rest: start them from it once more,
        # as the paper does after masked language modelling.
        arrays = weights.without(arrays, [weights.GLOBAL_PROJECTIONS])
        LOGGER.warning(
            "'%s' was trained without global tokens (max_global_tokens=0): "
            "its global projections start as copies of its local ones.",
            model.name,
        )
    arrays = weights.make_long(
        arrays,
        max_sequence_length=changed.get("max_sequence_length"),
        positions=positions,
        position_offset=position_offset(
            backbone.position_rule, backbone.pad_token_id
        ),
        position_table=backbone.position_table,
    )
    load_arrays(rebuilt, arrays, model.name)
    return rebuilt


def merged_in_float32(model):
    """Returns a copy of a model in float32, LoRA's adapters merged.

    Args:
        model: a backbone or a task with one, not quantized.
    """
    backbone = getattr(model, "backbone", model)
    config = {**backbone.get_config(), "dtype": "float32"}
    copy = type(backbone).from_config(config)
    if model is not backbone:
        own = {"backbone": copy, "preprocessor": model.preprocessor}
        copy = type(model)(**{**model.get_config(), **own})
    merged, adapters = weights.merge_adapters(model)
    arrays = {
        weight.path: merged.get(
            id(weight), weight.numpy().astype("float32", copy=False)
        )
        for weight in model.weights
        if id(weight) not in adapters
    }
    load_arrays(copy, arrays, model.name)
    return copy


def with_length(preprocessor, sequence_length):
    """A copy of a preprocessor that truncates and pads to another length."""
    pad_to = preprocessor.pad_to
    if not isinstance(pad_to, str):
        pad_to = length_buckets(
            sequence_length, shortest=min(pad_to), per_doubling=4
        )
    return with_options(
        preprocessor, sequence_length=sequence_length, pad_to=pad_to
    )


def with_arguments(preprocessor, longest, **options):
    """A copy for a model that reads `longest` tokens, with other arguments."""
    length = options.get("sequence_length", preprocessor.sequence_length)
    too_long = length is None or length > longest
    if "sequence_length" not in options and too_long:
        length = longest  # It was saved for another model.
    if length != preprocessor.sequence_length and length is not None:
        preprocessor = with_length(preprocessor, length)
    return with_options(preprocessor, **options) if options else preprocessor


def with_options(preprocessor, **options):
    """A copy of a preprocessor with other constructor arguments."""
    return type(preprocessor).from_config(
        {
            **preprocessor.get_config(),
            "tokenizer": preprocessor.tokenizer,
            **options,
        }
    )


def keywords_of(cls):
    """The names of a constructor's arguments, without `self`, as a set."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    kinds = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return {p.name for p in parameters if p.kind in kinds} - {"self"}


def split_keywords(backbone_cls, keywords):
    """Takes the backbone's keywords out of a task's.

    Returns:
        Two dicts: the backbone's, those of `from_preset` included, and the
        rest.
    """
    own = {"max_sequence_length", "window_size", "positions"}
    own |= keywords_of(backbone_cls)
    return (
        {name: value for name, value in keywords.items() if name in own},
        {name: value for name, value in keywords.items() if name not in own},
    )
