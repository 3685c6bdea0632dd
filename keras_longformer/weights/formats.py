"""Reads the three formats of weights, one array at a time where it can be.

Nothing here runs code found in a file.
"""

import importlib
import os
import types
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from keras_longformer.weights.files import parse_text

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
# What h5py raises of a file whose bits are not as they were written.
BROKEN_H5 = (
    AttributeError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
MOST_GROUPS = 10_000  # A layer of an encoder has about 30.
LONGEST_NAME = 1000  # Characters. BERT's longest is of about 100.


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
    with np.errstate(over="ignore"):  # `assign` lists what is not finite.
        return array.astype(np.float32, copy=False) if floating else array


def read_safetensors(path: str) -> LazyArrays:
    """Reads a `.safetensors` file, bfloat16 and float16 as float32."""
    import ml_dtypes  # noqa: F401  (teaches NumPy what bfloat16 is)
    import safetensors

    try:
        _check_header(path)
        file = safetensors.safe_open(path, framework="numpy")
        names = list(file.keys())
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _broken(path, "safetensors", error) from error
    return LazyArrays(
        {name: bind(file.get_tensor, name) for name in names},
        {name: file.get_slice(name).get_shape for name in names},
        {name: file.get_slice(name).get_dtype for name in names},
    )


def _check_header(path):
    """Raises `ValueError` where two arrays have one name.

    safetensors takes either of them; all else it looks at itself.
    """
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size <= os.path.getsize(path):
            parse_text(file.read(size))


def read_h5(path: str) -> LazyArrays:
    """Reads every dataset of an HDF5 file, named by its path in it."""
    import h5py

    loaders = {}
    shapes = {}
    dtypes = {}
    most = os.path.getsize(path)

    def visit(name, item):
        if not isinstance(name, str):
            raise ValueError(f"the name {name!r:.100} is not UTF-8")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"a name of {len(name):,} characters")
        if isinstance(item, h5py.Dataset):
            _check_dataset(name, item, most)
            loaders[name] = bind(_read_dataset, (path, item))
            shapes[name] = bind(getattr, item, "shape")
            dtypes[name] = bind(getattr, item.dtype, "name")

    try:
        # Soft and external links are not followed by `visititems`.
        h5py.File(path, "r").visititems(visit)
    except BROKEN_H5 as error:
        raise _broken(path, "HDF5", error) from error
    return LazyArrays(loaders, shapes, dtypes)


def _check_dataset(name, dataset, most):
    """Raises `ValueError` for one whose numbers are not in this file."""
    if dataset.shape is None:
        raise ValueError(f"{name} is empty")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} leads to another file, which is not read")
    if dataset.nbytes > most:
        raise ValueError(
            f"{name} says that it has the shape {dataset.shape}, "
            f"{dataset.nbytes:,} bytes, and the file has {most:,}"
        )


def check_links(path: str) -> None:
    """Raises `ValueError` for an HDF5 file with links or cycles of groups.

    `read_h5` passes over links, and others do not.
    """
    import h5py

    def check(file):
        waiting = [("", file)]
        for place, group in waiting:
            for name in group:
                place_of_name = f"{place}/{name}"
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise ValueError(
                        f"{place_of_name} is a link, which is not followed: "
                        "it may lead to another file"
                    )
                if isinstance(group[name], h5py.Group):
                    waiting.append((place_of_name, group[name]))
            if len(waiting) > MOST_GROUPS:
                raise ValueError(
                    f"it has more than {MOST_GROUPS:,} groups, or one lies "
                    "within itself"
                )

    try:
        with h5py.File(path, "r") as file:
            check(file)
    except BROKEN_H5 as error:
        raise _broken(path, "HDF5", error) from error


def read_torch(path: str) -> LazyArrays:
    """Reads a `pytorch_model.bin` by `torch.load(weights_only=True)`.

    Training frameworks put it into a dict, as its `"state_dict"`.
    """
    torch = optional("torch", "torch")
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
        {name: bind(read, name) for name in state},
        {name: bind(tuple, x.shape) for name, x in state.items()},
        {
            name: bind(str.removeprefix, str(x.dtype), "torch.")
            for name, x in state.items()
        },
    )


def optional(module: str, extra: str) -> types.ModuleType:
    """Imports an optional module, or says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This checkpoint needs the package {module}. Try: "
            f"pip install 'keras_longformer[{extra}]'."
        ) from error


def bind(function: Callable, *arguments) -> Callable:
    """Returns a function without arguments that calls it with these."""
    return lambda: function(*arguments)


def _read_dataset(path_and_dataset):
    path, dataset = path_and_dataset
    try:
        return dataset[()]
    except BROKEN_H5 as error:
        raise _broken(path, "HDF5", error) from error


def _broken(path, format_name, error):
    return ValueError(
        f"'{path}' cannot be read as {format_name}: {error}. The file may be "
        "cut short or of another format; fetch it again."
    )
