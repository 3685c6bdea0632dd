"""Loads the compiled kernel, once, and makes it known to XLA."""

import ctypes
import logging
import os
import pathlib
import threading

from keras_longformer.native import cache
from keras_longformer.native import source_files

_logger = logging.getLogger("keras_longformer")
_lock = threading.Lock()
_library = None


def available(device: str = "CPU") -> bool:
    """Whether the kernel is built for a kind of device and can be loaded."""
    if device != "CPU":
        return False
    try:
        load()
    except RuntimeError:
        return False
    return True


def load() -> ctypes.CDLL:
    """Loads and registers the library, the first time; later returns it.

    Raises:
        NotBuiltError: it is not built, or damaged, or cannot be loaded.
        RuntimeError: XLA refuses it. Both messages name the build command.
    """
    global _library
    if _library is not None:
        return _library
    with _lock:
        if _library is None:
            _library = _find_and_load()
    return _library


# What kernels can be compiled for, the slowest first.
INSTRUCTIONS = ("portable", "avx2", "avx512", "avx512_bf16", "amx")


class NotBuiltError(RuntimeError):
    """There is no library that fits."""


def choose_instructions(name: str = "") -> None:
    """Selects the kernels compiled for one instruction set.

    Calls that have begun keep theirs. The environment variable
    `KERAS_LONGFORMER_INSTRUCTIONS` does the same on loading.

    Args:
        name: one of `INSTRUCTIONS`; `""` takes the fastest that this machine
            runs. `"avx512_bf16"` and `"amx"` differ from `"avx512"` for
            bfloat16 alone.

    Raises:
        ValueError: no such instruction set, or this machine lacks it, or the
            compiler did not know it.
    """
    _choose(load(), name)


def instructions() -> str:
    """The instruction set in use."""
    return load().keras_longformer_instructions().decode()


# The sources do not change while a process runs.
_stem_cache = []


def _stem():
    if not _stem_cache:
        import tensorflow as tf

        _stem_cache.append(source_files.library_stem(tf.__version__))
    return _stem_cache[0]


def _find_and_load():
    """The best of the libraries that fit; says what is wrong with others."""
    folders = cache.folders()
    for path in cache.find(_stem(), folders):
        if not cache.is_whole(path):
            _logger.warning("keras_longformer passes over %s: damaged.", path)
            continue
        try:
            return _load(path)
        except OSError as error:  # Of a machine with another libc, say.
            _logger.warning("keras_longformer passes over %s: %s", path, error)
    raise NotBuiltError(
        "The native kernel is not built for these sources and this TensorFlow "
        f"in {', '.join(map(str, folders))}. Build it with "
        f"`{source_files.COMMAND}`."
    )


def _load(path):
    library = ctypes.CDLL(str(path))
    library.keras_longformer_register.argtypes = [ctypes.c_void_p]
    library.keras_longformer_register.restype = ctypes.c_char_p
    library.keras_longformer_choose_instructions.argtypes = [ctypes.c_char_p]
    library.keras_longformer_instructions.restype = ctypes.c_char_p
    error = library.keras_longformer_register(_xla_api())
    if error:
        raise RuntimeError(
            f"XLA refuses {path}: {error.decode()}. Delete it and build it "
            f"anew with `{source_files.COMMAND}`."
        )
    _choose(library, os.environ.get("KERAS_LONGFORMER_INSTRUCTIONS", ""))
    return library


def _choose(library, name):
    if not library.keras_longformer_choose_instructions(name.encode()):
        raise ValueError(
            f"The instruction set must be one of {', '.join(INSTRUCTIONS)}, "
            "and one that this machine has and the compiler knew. "
            f"Received: {name!r}"
        )


def _xla_api():
    """The table of functions through which XLA takes custom calls."""
    import tensorflow as tf

    folder = pathlib.Path(tf.__file__).parent
    framework = ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"))
    framework.XLA_FFI_GetApi.restype = ctypes.c_void_p
    return framework.XLA_FFI_GetApi()
