"""Looks at a preset of ours before Keras makes anything of it.

KerasHub builds the model that `config.json` describes, and compares it with
the weights after that.
"""

import collections
import contextlib
import os
from collections.abc import Iterator
from collections.abc import Mapping

import keras

from keras_longformer import weights
from keras_longformer.weights.formats import check_links
from keras_longformer.weights.formats import read_h5

JSON_FILES = (
    "config.json",
    "task.json",
    "preprocessor.json",
    "tokenizer.json",
    "metadata.json",
    "model.weights.json",
)
ENDING = ".weights.h5"
# A table's rows and columns, by the backbone's arguments. Each number of it
# takes half a byte at the least, quantized.
TABLES = (
    ("vocabulary_size", "hidden_dim"),
    ("max_sequence_length", "hidden_dim"),
    ("num_token_types", "hidden_dim"),
    ("hidden_dim", "hidden_dim"),
    ("hidden_dim", "intermediate_dim"),
)
LEAST_BYTES = 0.5
# A layer has more arrays than one, and HDF5 keeps more than this of each.
BYTES_OF_LAYER = 1000

# What KerasHub, Keras and h5py raise of files that nobody wrote so.
UNREADABLE = (AttributeError, IndexError, KeyError, OSError, RuntimeError)


@contextlib.contextmanager
def opening(preset: str, load_weights: bool = True) -> Iterator[None]:
    """Names the preset in what others say of its files.

    Args:
        preset, load_weights: of `check_preset`, which is called.

    Raises:
        ValueError: what cannot be opened.
    """
    check_preset(preset, load_weights)
    try:
        yield
    except FileNotFoundError:
        raise
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error}{_where(preset)}") from error
    except UNREADABLE as error:
        raise ValueError(
            f"'{preset}' cannot be opened as a preset: "
            f"{type(error).__name__}: {error}. A file may be cut short, or "
            "changed since it was saved; fetch it again."
        ) from error


def _where(preset):
    """What a message ends with that may be of a file's words or a caller's."""
    if not os.path.isdir(preset):
        return ""
    names = [x for x in JSON_FILES if os.path.isfile(os.path.join(preset, x))]
    return (
        f"\n(While '{preset}' was opened, as its {', '.join(names)} say and "
        "with the arguments that were given.)"
    )


def check_preset(preset: str, load_weights: bool = True) -> None:
    """Raises `ValueError` for a folder that is not to be opened.

    Nothing of the sizes that it says is made before. Of a handle or name,
    which KerasHub fetches, nothing is looked at.

    Args:
        preset: str, what KerasHub's `from_preset` takes.
        load_weights: bool, `False` where there need be none.
    """
    if not os.path.isdir(preset):
        return
    size = 0
    for folder, folders, files in os.walk(preset):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            weights.check_inside(path, preset)
            if name.endswith(ENDING):
                # Keras follows links of any kind.
                check_links(path)
                read_h5(path)
                size += os.path.getsize(path)
    for name in JSON_FILES:
        path = os.path.join(preset, name)
        if not os.path.isfile(path):
            continue
        content = weights.read_json(path)
        if name == "model.weights.json":
            _check_shards(content, path)
        elif name != "metadata.json":
            _check_object(content, path)
        for config in _backbones(content) if size or load_weights else ():
            _check_sizes(config, path, size)


def check_kinds(model: keras.Model, preset: str) -> None:
    """Raises `ValueError` for weights with integers for a model's floats.

    Keras takes numbers of any kind, and makes of them what it needs.

    Args:
        model: the backbone or task that was opened.
        preset: str, a folder; of a handle or name nothing is looked at.
    """
    if not os.path.isdir(preset):
        return
    whose = {"model": getattr(model, "backbone", model)}
    task = os.path.join(preset, "task.json")
    if os.path.isfile(task):
        if weights.read_json(task)["class_name"] == type(model).__name__:
            whose["task"] = model
    for name in sorted(os.listdir(preset)):
        owner = whose.get(name[: -len(ENDING)].partition("_")[0])
        if owner is not None and name.endswith(ENDING):
            _check_kinds(os.path.join(preset, name), owner)


def _check_kinds(path, model):
    # Random generators have integers, and quantized layers.
    left = collections.Counter(
        tuple(variable.shape)
        for variable in model.variables
        if not keras.backend.is_float_dtype(variable.dtype)
    )
    arrays = read_h5(path)
    for name in arrays:
        kind, shape = arrays.dtype_of(name), arrays.shape_of(name)
        # Of bfloat16 HDF5 has the bytes, of no kind.
        if kind.startswith(("float", "void")):
            continue
        left[shape] -= 1
        if left[shape] < 0:
            raise ValueError(
                f"'{path}' has {kind} of shape {shape} as {name}, where "
                f"'{model.name}' has floating-point numbers. It was changed "
                "since it was saved; fetch it again."
            )


def _check_object(content, path):
    """What Keras makes an object of."""
    named = isinstance(content.get("class_name"), str)
    if not named or not isinstance(content.get("config"), Mapping):
        raise ValueError(
            f"'{path}' must say a `class_name` and its `config`, as "
            "`save_to_preset` writes them."
        )


def _check_shards(content, path):
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, Mapping):
        raise ValueError(f"'{path}' has no `weight_map`.")
    for value in weight_map.values():
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or os.path.basename(name) != name:
                raise ValueError(
                    f"'{path}' must name files beside it. "
                    f"Received: {name!r:.200}."
                )


def _backbones(content):
    """Yields the arguments of all backbones of ours that a file describes."""
    waiting = [content]
    for value in waiting:
        if isinstance(value, Mapping):
            if "num_layers" in value and "hidden_dim" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_sizes(config, path, size):
    """Compares them with how many bytes the weights' files have."""
    names = {"num_layers", "num_heads", *(n for pair in TABLES for n in pair)}
    wrong = [
        f"{name}={config[name]!r}, which is no integer of 1 or more"
        for name in sorted(names & config.keys())
        if isinstance(config[name], bool)
        or not isinstance(config[name], int)
        or config[name] < 1
    ]
    if not wrong:
        layers = config["num_layers"]
        if layers * BYTES_OF_LAYER > size:
            wrong.append(f"num_layers={layers}")
        wrong += [
            f"{rows}={config[rows]}, {columns}={config[columns]}"
            for rows, columns in TABLES
            if rows in config and columns in config
            if config[rows] * config[columns] * LEAST_BYTES > size
        ]
    if wrong:
        raise ValueError(
            f"'{path}' does not describe the model whose weights lie beside "
            f"it, in {size:,} bytes:\n  " + "\n  ".join(wrong)
        )
