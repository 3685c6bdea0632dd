"""Reads checkpoint files into arrays under the names that they stand in.

A reader is a read-only mapping from a foreign name to a NumPy array. Arrays
are read when they are asked for, and their shapes before: from here to `assign`
one array at a time is in memory beside the model. (PyTorch's format is read as
a whole.) Nothing here runs code found in a file.
"""

import json
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_longformer.weights.sentence import MODULES
from keras_longformer.weights.sentence import Sentence
from keras_longformer.weights.sentence import encoder_folder
from keras_longformer.weights.sentence import read_modules
from keras_longformer.weights.sentence import read_sentence

HUB_SCHEME = "hf://"
LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# Names of dtypes: safetensors', NumPy's. Others are NumPy's in capitals.
SAFETENSORS_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
}
FLOATS = ("float64", "float32", "float16", "bfloat16")

# Other files of a folder that a tokenizer may need, and `from_preset` with it.
TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "sentencepiece.bpe.model",
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
        return path if os.path.isfile(path) else None

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


def read_json(path: str) -> dict:
    """Returns the dict that a JSON file holds."""
    check_no_pointer(path)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"'{path}' must hold a JSON object. "
            f"Received: {type(content).__name__}."
        )
    return content


class LazyArrays(Mapping):
    """A read-only mapping that reads each array when it is asked for.

    Args:
        loaders: dict of name to a function without arguments.
        shapes: dict of name to a function without arguments that returns the
            array's shape. An array that has none is read for it.
        dtypes: dict of name to a function without arguments that returns the
            name of the array's dtype in the file.
    """

    def __init__(
        self,
        loaders: dict[str, Callable[[], np.ndarray]],
        shapes: Mapping[str, Callable[[], tuple[int, ...]]] | None = None,
        dtypes: Mapping[str, Callable[[], str]] | None = None,
    ):
        self._loaders = loaders
        self._shapes = shapes or {}
        self._dtypes = dtypes or {}

    def __getitem__(self, name: str) -> np.ndarray:
        return as_float32(self._loaders[name]())

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    def __contains__(self, name: object) -> bool:
        return name in self._loaders

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Returns an array's shape, without reading it if that can be."""
        if name in self._shapes:
            return tuple(self._shapes[name]())
        return self[name].shape

    def dtype_of(self, name: str) -> str:
        """Returns an array's dtype in the file, as NumPy names it."""
        if name in self._dtypes:
            dtype = self._dtypes[name]()
            return SAFETENSORS_DTYPES.get(dtype, dtype.lower())
        return self[name].dtype.name

    def is_float(self, name: str) -> bool:
        """Says whether an array can be a weight: floats of 16 bits or more."""
        return self.dtype_of(name) in FLOATS


def as_float32(array: np.ndarray) -> np.ndarray:
    """Returns floating-point arrays as float32, others as they are.

    Those of 16 bits exactly; those of 64 rounded to the nearest, as Hugging
    Face does when it loads them into a float32 model.
    """
    # NumPy has no kind for bfloat16: ml_dtypes registers it as "V".
    floating = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(np.float32, copy=False) if floating else array


def read_safetensors(path: str) -> LazyArrays:
    """Reads a `.safetensors` file, bfloat16 and float16 as float32."""
    import ml_dtypes  # noqa: F401  (teaches NumPy what bfloat16 is)
    import safetensors

    try:
        file = safetensors.safe_open(path, framework="numpy")
        names = list(file.keys())
    except (safetensors.SafetensorError, OSError) as error:
        raise _broken(path, "safetensors", error) from error
    return LazyArrays(
        {name: _bind(file.get_tensor, name) for name in names},
        {name: file.get_slice(name).get_shape for name in names},
        {name: file.get_slice(name).get_dtype for name in names},
    )


def read_h5(path: str) -> LazyArrays:
    """Reads every dataset of an HDF5 file, named by its path in it."""
    import h5py

    loaders = {}
    shapes = {}
    dtypes = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            loaders[name] = _bind(_read_dataset, (path, item))
            shapes[name] = _bind(getattr, item, "shape")
            dtypes[name] = _bind(getattr, item.dtype, "name")

    try:
        # Soft and external links are not followed by `visititems`.
        h5py.File(path, "r").visititems(visit)
    except (OSError, RuntimeError) as error:
        raise _broken(path, "HDF5", error) from error
    return LazyArrays(loaders, shapes, dtypes)


def read_torch(path: str) -> LazyArrays:
    """Reads a `pytorch_model.bin` by `torch.load(weights_only=True)`.

    Training frameworks put it into a dict, as its `"state_dict"`.
    """
    torch = _import("torch", "torch")
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _broken(path, "PyTorch weights", error) from error
    if not isinstance(state, dict):
        raise _broken(path, "PyTorch weights", "it holds no dict of tensors")
    if isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    others = [
        str(n) for n, x in state.items() if not isinstance(x, torch.Tensor)
    ]
    if others:
        raise ValueError(
            f"'{path}' must hold a dict of tensors. It has others: "
            f"{', '.join(others[:5])}. Save `model.state_dict()` alone."
        )

    def read(name):
        tensor = state[name].detach()
        return (
            tensor.float() if tensor.is_floating_point() else tensor
        ).numpy()

    return LazyArrays(
        {name: _bind(read, name) for name in state},
        {name: _bind(tuple, x.shape) for name, x in state.items()},
        {
            name: _bind(str.removeprefix, str(x.dtype), "torch.")
            for name, x in state.items()
        },
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


def check_no_pointer(path: str) -> None:
    """Raises `ValueError` for what Git LFS leaves in a file's place."""
    with open(path, "rb") as file:
        start = file.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        raise ValueError(
            f"'{path}' is a Git LFS pointer, not the file that it points to: "
            "the folder was cloned without it. Run `git lfs pull` in it, or "
            "open `hf://owner/name`."
        )


def _read_shards(folder, index_path, read):
    """Joins the files that an index names, checking that none is missing."""
    weight_map = read_json(index_path).get("weight_map")
    if not isinstance(weight_map, dict):
        raise ValueError(f"'{index_path}' has no `weight_map`.")
    loaders = {}
    shapes = {}
    dtypes = {}
    for shard in sorted(set(weight_map.values())):
        if os.path.basename(shard) != shard:
            raise ValueError(
                f"'{index_path}' must name files beside it. "
                f"Received: {shard!r}."
            )
        path = folder.find(shard)
        if path is None:
            raise ValueError(
                f"'{index_path}' names {shard}, which is not there. "
                f"{folder.listing()}"
            )
        check_no_pointer(path)
        arrays = read(path)
        loaders.update(
            {name: _bind(arrays.__getitem__, name) for name in arrays}
        )
        shapes.update({name: _bind(arrays.shape_of, name) for name in arrays})
        dtypes.update({name: _bind(arrays.dtype_of, name) for name in arrays})
    # An h5 index says `<model>/roberta/...` of what is stored as `roberta/...`.
    absent = [
        name
        for name in weight_map
        if name not in loaders and name.partition("/")[2] not in loaders
    ]
    if absent:
        raise ValueError(
            f"The files of '{index_path}' lack: {', '.join(absent)}."
        )
    return LazyArrays(loaders, shapes, dtypes)


def _read_dataset(path_and_dataset):
    path, dataset = path_and_dataset
    try:
        return dataset[()]
    except (OSError, RuntimeError) as error:
        raise _broken(path, "HDF5", error) from error


def _download(handle, name):
    """Returns the path of one downloaded file, or `None` without one."""
    hub = _import("huggingface_hub", "hub")
    errors = _import("huggingface_hub.errors", "hub")
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


def _bind(function, *arguments):
    return lambda: function(*arguments)


def _import(module, extra):
    """Imports an optional module, or says how to install it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This checkpoint needs the package {module}. Try: "
            f"pip install 'keras_longformer[{extra}]'."
        ) from error


def _broken(path, format_name, error):
    return ValueError(
        f"'{path}' cannot be read as {format_name}: {error}. The file may be "
        "cut short or of another format; fetch it again."
    )
