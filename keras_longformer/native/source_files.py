"""The kernel's sources, their flags, and what they are compiled for."""

import hashlib
import pathlib
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

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
# Those that bring the package `tensorflow`, with its headers.
_DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu", "tf-nightly")
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


class TensorFlow(NamedTuple):
    """What a library is made for.

    Attributes:
        version: str, `tf.__version__`.
        headers: str, the folder of its C++ headers.
    """

    version: str
    headers: str


def running_tensorflow() -> TensorFlow:
    """That of this process, which is imported."""
    import tensorflow as tf

    return TensorFlow(tf.__version__, tf.sysconfig.get_include())


def installed_tensorflow(folders: Sequence[str]) -> TensorFlow | None:
    """One that is installed in one of some folders; it is not imported."""
    for folder in folders:
        headers = pathlib.Path(folder) / "tensorflow" / "include"
        if not (headers / "xla" / "ffi" / "api" / "ffi.h").is_file():
            continue
        for name in _DISTRIBUTIONS:
            for found in metadata.distributions(name=name, path=[folder]):
                return TensorFlow(found.version, str(headers))
    return None


def library_stem(version: str) -> str:
    """The start of the name of every library that fits.

    It names the sources and TensorFlow, but not the compiler, so that a
    library built elsewhere is found on a machine that has none.

    Args:
        version: TensorFlow's.
    """
    digest = hashlib.sha256(f"{version} {platform.machine()}".encode())
    digest.update(repr((COMMON_FLAGS, _SOURCE_FLAGS)).encode())
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".cc", ".h"):
            digest.update(path.name.encode() + path.read_bytes())
    return f"window_attention-tf{version}-{digest.hexdigest()[:16]}"


def kernel_sources() -> dict[str, tuple[str, ...]]:
    """The sources of the kernels, and the flags each is compiled with."""
    if platform.machine() in ("x86_64", "AMD64"):
        return dict(_SOURCE_FLAGS)
    return {name: flags for name, flags in _SOURCE_FLAGS.items() if not flags}
