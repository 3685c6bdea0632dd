"""The figures of what is compiled, and the record they are compared with."""

import json
import pathlib

import tensorflow as tf

from keras_longformer.native.gpu import ir
from tests.native.gpu_compile import tool
from tests.native.gpu_compile.attention_hlo import attention_hlo
from tests.native.gpu_compile.kernel_hlo import kernel_hlo

KERNELS = ("forward", "query_gradient", "key_gradient", "global_gradient")
RECORD = pathlib.Path(__file__).parents[3] / "docs" / "gpu_compile.json"

# 1 sequence of 4,096 tokens, one of them global, window 512.
_SIZES = dict(
    b=1,
    n=4096,
    h=12,
    g=1,
    behind=256,
    ahead=256,
    dilation=1,
    has_key_mask=1,
    has_dilations=0,
)


def kernel_names():
    """Names such as "forward bfloat16 64" of all stored kernels."""
    manifest = json.loads((ir.FOLDER / "kernels.json").read_text())
    return list(manifest["variants"])


def kernel_row(target, name):
    """Compiles a kernel alone. Returns the figures as a dict."""
    kernel, dtype, size, *padded = name.split()
    d = int(size) - 3 * bool(padded)
    variant = ir.find(kernel, dtype, d)
    hlo = kernel_hlo(
        variant, **_SIZES, d=d, scale=d**-0.5, splits=variant.splits
    )
    compiled = tool.compile_hlo(hlo, target)
    (own,) = [
        made for own, made in compiled.kernels.items() if variant.name in own
    ]
    return dict(
        registers=own.registers,
        stack_bytes=own.stack_bytes,
        shared_bytes=max(compiled.shared_bytes),
        instructions=own.instructions,
        products=own.products,
    )


def chunked_row(target, dtype, gradient):
    """Compiles `chunked`. Returns the figures as a dict."""
    hlo = attention_hlo("chunked", dtype, gradient=gradient)
    compiled = tool.compile_hlo(hlo, target)
    free = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element")
    steps = [op for op, *_ in compiled.instructions() if op not in free]
    return dict(
        temporary_mib=round(compiled.temporary_bytes / 2**20),
        steps=len(steps),
        kernels=len(compiled.kernels),
    )


def recorded(name, target):
    """What the record has for this TensorFlow and this ptxas, or `None`."""
    return read().get(versions(), {}).get(target, {}).get(name)


def versions():
    """What the figures depend on, besides the source."""
    return f"TensorFlow {tf.__version__}, ptxas {tool.ptxas_version()}"


def read():
    """The record."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def write(record):
    """Writes the record: rows by versions, target and name."""
    text = json.dumps(record, indent=1, sort_keys=True)
    RECORD.write_text(text + "\n")
