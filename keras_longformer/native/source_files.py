"""The kernel's sources, their flags, and what they are compiled for."""

import hashlib
import pathlib
import platform
from collections.abc import Callable
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
_AVX512_FLAGS = (
    *_AVX2_FLAGS,
    "-mavx512f",
    "-mavx512bw",
    "-mavx512cd",
    "-mavx512dq",
    "-mavx512vl",
    "-mprefer-vector-width=512",
)
# Those that bring the package `tensorflow`, with its headers.
_DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu", "tf-nightly")
# What `processor.cc` asks the processor for before it runs such code.
_SOURCE_FLAGS = {
    "band_attention_portable.cc": (),
    "band_attention_avx2.cc": _AVX2_FLAGS,
    "band_attention_avx512.cc": _AVX512_FLAGS,
    "processor.cc": (),
    "schedule.cc": (),
}


class NewerSource(NamedTuple):
    """A source of instructions that not every compiler knows.

    Attributes:
        flags: tuple of str, what it is compiled with.
        macro: str, what tells `processor.cc` that it is there.
        probe: str, a program that a compiler takes which knows them, and whose
            assembler does.
    """

    flags: tuple[str, ...]
    macro: str
    probe: str


_BF16_PROBE = """#include <immintrin.h>
__m512 f(__m512 sum, __m512bh a) { return _mm512_dpbf16_ps(sum, a, a); }
"""
_AMX_PROBE = """
void g(float* x) {
  _tile_loadd(1, x, 64);
  _tile_dpbf16ps(0, 1, 2);
  _tile_release();
}
"""
_NEWER_SOURCES = {
    "band_attention_avx512_bf16.cc": NewerSource(
        (*_AVX512_FLAGS, "-mavx512bf16"), "KLF_HAS_AVX512_BF16", _BF16_PROBE
    ),
    "band_attention_amx.cc": NewerSource(
        (*_AVX512_FLAGS, "-mavx512bf16", "-mamx-tile", "-mamx-bf16"),
        "KLF_HAS_AMX",
        _BF16_PROBE + _AMX_PROBE,
    ),
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
    flags = (COMMON_FLAGS, _SOURCE_FLAGS, _NEWER_SOURCES)
    digest.update(repr(flags).encode())
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".cc", ".h"):
            digest.update(path.name.encode() + path.read_bytes())
    return f"window_attention-tf{version}-{digest.hexdigest()[:16]}"


def kernel_sources(
    knows: Callable[[str, tuple[str, ...]], bool],
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The sources of the kernels, and the flags each is compiled with.

    Args:
        knows: says whether the compiler takes a program with some flags.

    Returns:
        The flags by source, and the sources that are left out because the
        compiler does not know their instructions.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        portable = {k: flags for k, flags in _SOURCE_FLAGS.items() if not flags}
        return portable, []
    newer = {
        name: source
        for name, source in _NEWER_SOURCES.items()
        if knows(source.probe, source.flags)
    }
    sources = dict(_SOURCE_FLAGS)
    sources["processor.cc"] = tuple(f"-D{x.macro}" for x in newer.values())
    sources |= {name: source.flags for name, source in newer.items()}
    return sources, [name for name in _NEWER_SOURCES if name not in newer]
