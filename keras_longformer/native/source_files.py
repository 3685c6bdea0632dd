"""The kernel's sources, their flags, and where their libraries lie."""

import hashlib
import os
import pathlib
import platform

FOLDER = pathlib.Path(__file__).parent / "src"
COMMAND = "python -m keras_longformer.native.build"

COMMON_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=fast",
)
_AVX2_FLAGS = ("-mavx2", "-mfma", "-mbmi", "-mbmi2")
# What `schedule.cc` asks the processor for before it runs such code.
_SOURCE_FLAGS = {
    "band_attention_portable.cc": (),
    "band_attention_avx2.cc": _AVX2_FLAGS,
    "band_attention_avx512.cc": (
        *_AVX2_FLAGS,
        "-mavx512f",
        "-mavx512bw",
        "-mavx512cd",
        "-mavx512dq",
        "-mavx512vl",
        "-mprefer-vector-width=512",
    ),
    "schedule.cc": (),
}


def cache_folder() -> pathlib.Path:
    """Where libraries are looked for, and built unless told otherwise."""
    if folder := os.environ.get("KERAS_LONGFORMER_NATIVE"):
        return pathlib.Path(folder)
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(cache) / "keras_longformer"
    return pathlib.Path.home() / ".cache" / "keras_longformer"


def library_stem() -> str:
    """The start of the name of every library that fits.

    It names the sources and TensorFlow, but not the compiler, so that a
    library built elsewhere is found on a machine that has none.
    """
    import tensorflow as tf

    digest = hashlib.sha256(f"{tf.__version__} {platform.machine()}".encode())
    digest.update(repr((COMMON_FLAGS, _SOURCE_FLAGS)).encode())
    for path in sorted(FOLDER.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return f"window_attention-tf{tf.__version__}-{digest.hexdigest()[:16]}"


def kernel_sources() -> dict[str, tuple[str, ...]]:
    """The sources of the kernels, and the flags each is compiled with."""
    if platform.machine() in ("x86_64", "AMD64"):
        return dict(_SOURCE_FLAGS)
    return {name: flags for name, flags in _SOURCE_FLAGS.items() if not flags}
