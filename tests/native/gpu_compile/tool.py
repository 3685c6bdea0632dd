"""Builds `compile_hlo.cc` once, and runs it.

It is linked with the installed TensorFlow, so that what it compiles is what
that TensorFlow's XLA makes of the same HLO on such a GPU, but for what XLA
finds by trying on the GPU itself (tiles of products, cuBLAS or its own).
"""

import functools
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import tensorflow as tf

from keras_longformer.native import build
from keras_longformer.native import cache
from tests.native.gpu_compile.result import Compiled
from tests.native.gpu_compile.result import read

FOLDER = pathlib.Path(__file__).parent
TARGETS = ("h200", "a100", "l4")

# The assembler that `pip install tensorflow[and-cuda]` brings.
CUDA_PACKAGE = "nvidia-cuda-nvcc-cu12"

# Nothing can be tried without a GPU: XLA takes its first guess of tiles.
_XLA_FLAGS = (
    "--xla_gpu_autotune_level=0",
    "--xla_gpu_enable_command_buffer=",  # Kernels stay in the entry.
    "--xla_dump_hlo_as_text",
)

# Where XLA says how much shared memory a Triton kernel takes: in TensorFlow
# 2.20, and in 2.21.
_LOGGED = "fusion_emitter=2,xtile_compiler=2"


def reason_against() -> str | None:
    """Says why nothing can be compiled here, or `None`."""
    if not tf.sysconfig.get_build_info()["is_cuda_build"]:
        return "this TensorFlow is made without CUDA"
    try:
        build.find_compiler()
        cuda_folder()
    except RuntimeError as error:
        return str(error)
    return None


def cuda_folder() -> pathlib.Path:
    """Where the package with ptxas and libdevice lies.

    Raises:
        RuntimeError: it is not installed.
    """
    for folder in map(pathlib.Path, sys.path):
        found = folder / "nvidia" / "cuda_nvcc"
        if (found / "bin" / "ptxas").exists():
            return found
    raise RuntimeError(
        f"There is no ptxas. Install it with `pip install {CUDA_PACKAGE}`."
    )


@functools.cache
def ptxas_version() -> str:
    """Such as "12.9.86". Registers and spills depend on it."""
    command = [cuda_folder() / "bin" / "ptxas", "--version"]
    text = subprocess.run(command, capture_output=True, text=True).stdout
    return re.search(r"V([\d.]+)", text).group(1)


@functools.cache
def built() -> pathlib.Path:
    """The tool's path; builds it unless it is in the cache.

    Takes 15 seconds with TensorFlow 2.20, a minute with 2.21.

    Raises:
        RuntimeError: no compiler, or the compiler failed.
    """
    source = FOLDER / "compile_hlo.cc"
    tensorflow = pathlib.Path(tf.sysconfig.get_lib())
    include = tensorflow / "include"
    flags = [
        f"-DTENSORFLOW_MINOR={tf.__version__.split('.')[1]}",
        *(f for f in tf.sysconfig.get_compile_flags() if f.startswith("-D")),
        "-std=c++17",
        "-O0",  # XLA does the work, and it is optimised.
        "-w",
        f"-isystem{FOLDER / 'missing_headers'}",
        f"-isystem{include}",
        f"-isystem{include / 'external/farmhash_archive/src'}",
        # What registers itself is needed, although nothing here names it.
        "-Wl,--no-as-needed",
        tensorflow / "libtensorflow_cc.so.2",
        tensorflow / "libtensorflow_framework.so.2",
        f"-Wl,-rpath,{tensorflow}",
    ]
    digest = hashlib.sha256(repr((tf.__version__, flags)).encode())
    for path in [source, *sorted(FOLDER.rglob("*.h"))]:
        digest.update(path.read_bytes())
    name = f"compile_hlo-tf{tf.__version__}-{digest.hexdigest()[:16]}"
    target = cache.folders()[-1] / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            output = pathlib.Path(folder) / name
            _run(
                [build.find_compiler(), source, *flags, "-o", output],
                "The C++ compiler failed.",
            )
            os.replace(output, target)  # At once and whole.
    return target


def compile_hlo(hlo: str, target: str) -> Compiled:
    """Compiles an HLO module.

    Args:
        hlo: its text.
        target: one of `TARGETS`.

    Raises:
        RuntimeError: it cannot be compiled. The message has XLA's.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "module.hlo").write_text(hlo)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TF_CPP_", "XLA_"))
        }
        flags = (
            *_XLA_FLAGS,
            f"--xla_gpu_cuda_data_dir={cuda_folder()}",
            f"--xla_dump_to={folder / 'dump'}",
        )
        start = time.monotonic()
        log = _run(
            [
                built(),
                folder / "module.hlo",
                FOLDER / "targets" / f"{target}.txtpb",
                folder / "result",
            ],
            f"XLA could not compile for {target}.",
            env={
                **environment,
                "TF_CPP_VMODULE": _LOGGED,
                "XLA_FLAGS": " ".join(flags),
            },
            cwd=folder,
        )
        seconds = time.monotonic() - start
        return read(folder / "dump", folder / "result", log, seconds)


def _run(command, failed, **options):
    process = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    )
    if process.returncode:
        raise RuntimeError(f"{failed}\n{process.stdout[-4000:]}")
    return process.stdout
