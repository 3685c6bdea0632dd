"""Opens checkpoint folders: arrays under the names that they stand in.

A reader is a read-only mapping from a foreign name to a NumPy array. Arrays
are read when they are asked for, and their shapes before: from here to `assign`
one array at a time is in memory beside the model. (PyTorch's format is read as
a whole.) Nothing here runs code found in a file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_longformer.weights.files import check_inside
from keras_longformer.weights.files import check_no_pointer as check_no_pointer
from keras_longformer.weights.files import read_json as read_json
from keras_longformer.weights.formats import LazyArrays as LazyArrays
from keras_longformer.weights.formats import bind
from keras_longformer.weights.formats import optional
from keras_longformer.weights.formats import read_h5 as read_h5
from keras_longformer.weights.formats import (
    read_safetensors as read_safetensors,
)
from keras_longformer.weights.formats import read_torch as read_torch
from keras_longformer.weights.sentence import MODULES
from keras_longformer.weights.sentence import Sentence
from keras_longformer.weights.sentence import encoder_folder
from keras_longformer.weights.sentence import read_modules
from keras_longformer.weights.sentence import read_sentence

HUB_SCHEME = "hf://"

# Other files of a folder that a tokenizer may need, and `from_preset` with it.
TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "config.json",
)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder, opened.

    Attributes:
        source: str, the weights' file, for messages.
        config: dict, what `config.json` says.
        arrays: mapping of foreign name to array, read when asked for.
        tokenizer_files: dict of file name to path, only those that exist.
        sentence: what sentence-transformers says of embeddings, or `None`.
    """

    source: str
    config: dict
    arrays: Mapping[str, np.ndarray]
    tokenizer_files: dict[str, str]
    sentence: Sentence | None = None


class Folder:
    """A folder on this machine or, as `hf://owner/name`, on the hub.

    Of a folder of sentence-transformers, that within it which has the encoder.

    Args:
        preset: str, a path or a handle.
    """

    def __init__(self, preset: str):
        self.preset = os.fspath(preset)
        self.on_hub = self.preset.startswith(HUB_SCHEME)
        if not self.on_hub and not os.path.isdir(self.preset):
            raise ValueError(
                "`preset` must be a folder or a handle `hf://owner/name`. "
                f"Received: preset={preset!r}, which is not a folder here."
            )
        self.within = ""
        self._modules = None
        path = self._find(MODULES)
        if path is not None:
            self._modules = read_modules(path)
            self.within = encoder_folder(self._modules)

    def find(self, name: str) -> str | None:
        """Returns the path of the file `name`, or `None` without one."""
        return self._find(f"{self.within}/{name}" if self.within else name)

    def _find(self, name):
        if self.on_hub:
            return _download(self.preset.removeprefix(HUB_SCHEME), name)
        path = os.path.join(self.preset, name)
        if not os.path.isfile(path):
            return None
        check_inside(path, self.preset)
        return path

    def sentence(self) -> Sentence | None:
        """Returns what sentence-transformers says of embeddings, if it does."""

        def read(name):
            path = self._find(name)
            return {} if path is None else read_json(path)

        if self._modules is None:
            return None
        return read_sentence(self._modules, read)

    def read_json(self, name: str) -> dict:
        """Returns what the JSON file `name` holds, which must be a dict."""
        path = self.find(name)
        if path is None:
            raise ValueError(
                f"{self.preset!r} has no {name}. {self.listing()}"
                f"{self.adapter()}"
            )
        return read_json(path)

    def listing(self) -> str:
        """Returns a sentence that names the folder's files."""
        if self.on_hub:
            return f"See https://huggingface.co/{self.preset[5:]}/tree/main."
        files = ", ".join(sorted(os.listdir(self.preset))) or "nothing"
        return f"The folder holds: {files}."

    def adapter(self) -> str:
        """Returns a sentence, where the folder holds an adapter alone."""
        path = self.find("adapter_config.json")
        if path is None:
            return ""
        base = read_json(path).get("base_model_name_or_path")
        return (
            f" It is a PEFT adapter of {base!r}, which has no encoder of its "
            "own: merge it first (`PeftModel.from_pretrained(base, folder)"
            ".merge_and_unload().save_pretrained(new_folder)`)."
        )


def open_checkpoint(preset: str) -> Checkpoint:
    """Opens a Hugging Face folder or `hf://` handle.

    Weights are looked for as `model.safetensors`, `tf_model.h5` and
    `pytorch_model.bin`, in this order, each whole or in shards.

    Args:
        preset: str, a folder's path or `hf://owner/name`.

    Returns:
        A `Checkpoint`.

    Raises:
        ValueError: no `config.json`, no weights, or a broken file.
        ImportError: a package for this format is missing.
    """
    folder = Folder(preset)
    config = folder.read_json("config.json")
    source, arrays = _open_weights(folder)
    tokenizer_files = {name: folder.find(name) for name in TOKENIZER_FILES}
    tokenizer_files = {k: v for k, v in tokenizer_files.items() if v}
    return Checkpoint(
        source, config, arrays, tokenizer_files, folder.sentence()
    )


# In the order of preference: safe and quick to read first.
FORMATS = {
    "model.safetensors": read_safetensors,
    "tf_model.h5": read_h5,
    "pytorch_model.bin": read_torch,
}


def _open_weights(folder):
    """Returns the path and the arrays of the first format that is there."""
    for name, read in FORMATS.items():
        path = folder.find(name)
        if path is not None:
            check_no_pointer(path)
            return path, read(path)
        path = folder.find(f"{name}.index.json")
        if path is not None:
            return path, _read_shards(folder, path, read)
    looked_for = ", ".join(FORMATS)
    raise ValueError(
        f"{folder.preset!r} has no weights that can be read. Looked for: "
        f"{looked_for} (or <name>.index.json). {folder.listing()}"
        f"{folder.adapter()}"
    )


def _read_shards(folder, index_path, read):
    """Joins the files that an index names, checking that none is missing."""
    weight_map = read_json(index_path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"'{index_path}' has no `weight_map`.")
    ending = os.path.splitext(index_path.removesuffix(".index.json"))[1]
    for name, shard in weight_map.items():
        if not _is_plain_name(shard, ending):
            raise ValueError(
                f"'{index_path}' must name files beside it that end in "
                f"{ending}. Received: {shard!r:.200}, of {name}."
            )
    loaders = {}
    shapes = {}
    dtypes = {}
    shard_of = {}
    for shard in sorted(set(weight_map.values())):
        path = folder.find(shard)
        if path is None:
            raise ValueError(
                f"'{index_path}' names {shard}, which is not there. "
                f"{folder.listing()}"
            )
        check_no_pointer(path)
        arrays = read(path)
        for name in arrays:
            if name in shard_of:
                raise ValueError(
                    f"The files of '{index_path}' hold {name} twice: in "
                    f"{shard_of[name]} and in {shard}."
                )
            shard_of[name] = shard
            loaders[name] = bind(arrays.__getitem__, name)
            shapes[name] = bind(arrays.shape_of, name)
            dtypes[name] = bind(arrays.dtype_of, name)
    # An h5 index says `<model>/roberta/...` of what is stored as `roberta/...`.
    absent = [
        f"{name} ({shard})"
        for name, shard in weight_map.items()
        if shard not in (shard_of.get(name), shard_of.get(_inner(name)))
    ]
    if absent:
        more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
        raise ValueError(
            f"The files of '{index_path}' lack: {', '.join(absent[:10])}{more}."
        )
    return LazyArrays(loaders, shapes, dtypes)


def _is_plain_name(name, ending):
    """Whether it is a file's name that leads nowhere else."""
    if not isinstance(name, str) or not name.endswith(ending):
        return False
    return 0 < len(name) <= 255 and not {*"/\\:\0"} & {*name}


def _inner(name):
    return name.partition("/")[2]


def _download(handle, name):
    """Returns the path of one downloaded file, or `None` without one."""
    hub = optional("huggingface_hub", "hub")
    errors = optional("huggingface_hub.errors", "hub")
    try:
        return hub.hf_hub_download(repo_id=handle, filename=name)
    except errors.LocalEntryNotFoundError as error:
        raise ConnectionError(
            f"{HUB_SCHEME}{handle} is not in the cache and the hub cannot be "
            f"reached: {error}"
        ) from error
    except errors.EntryNotFoundError:
        return None
    except (errors.RepositoryNotFoundError, ValueError) as error:
        raise ValueError(
            "A handle must be `hf://owner/name` of a repository that you may "
            f"read. Received: {HUB_SCHEME}{handle}. {error}"
        ) from error
