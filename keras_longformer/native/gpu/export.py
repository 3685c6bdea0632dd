"""Makes IR from the kernels. Needs the triton package, and no GPU.

`scripts/build/gpu_kernels.py` writes what this makes beside this file.
"""

import inspect
import re
from typing import NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.compiler import ASTSource

from keras_longformer.native.gpu import tiles
from keras_longformer.native.gpu.forward import window_attention_forward
from keras_longformer.native.gpu.global_gradient import (
    window_attention_global_gradient,
)
from keras_longformer.native.gpu.key_gradient import (
    window_attention_key_gradient,
)
from keras_longformer.native.gpu.query_gradient import (
    window_attention_query_gradient,
)

# The IR is the same for every GPU: this only has to have tensor cores.
TARGET = GPUTarget("cuda", 80, 32)

DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}


class Kernel(NamedTuple):
    """A kernel, its results, and which of its blocks its `Tile` sets."""

    function: triton.JITFunction
    results: tuple
    own: str
    met: str


KERNELS = {
    "forward": Kernel(
        window_attention_forward,
        ("output", "log_sum"),
        "BLOCK_Q",
        "BLOCK_K",
    ),
    "query_gradient": Kernel(
        window_attention_query_gradient,
        ("query_gradient", "delta"),
        "BLOCK_Q",
        "BLOCK_K",
    ),
    "key_gradient": Kernel(
        window_attention_key_gradient,
        ("key_gradient", "value_gradient"),
        "BLOCK_K",
        "BLOCK_Q",
    ),
    "global_gradient": Kernel(
        window_attention_global_gradient,
        ("global_key_gradients", "global_value_gradients"),
        "BLOCK_G",
        "BLOCK_Q",
    ),
}

# Shapes of all operands and results; dtypes of those that are not `dtype`.
SHAPES = {
    "query": "b n h d",
    "key": "b n h d",
    "value": "b n h d",
    "key_mask": "b n",
    "global_key": "b g h d",
    "global_value": "b g h d",
    "global_key_mask": "b g",
    "dilations": "h",
    "output": "b n h d",
    "log_sum": "b h n",
    "output_gradient": "b n h d",
    "delta": "b h n",
    "query_gradient": "b n h d",
    "key_gradient": "b n h d",
    "value_gradient": "b n h d",
    "global_key_gradients": "splits b g h d",
    "global_value_gradients": "splits b g h d",
}
OTHER_DTYPES = {
    "key_mask": "bool",
    "global_key_mask": "bool",
    "dilations": "int32",
    "log_sum": "float32",
    "delta": "float32",
    "global_key_gradients": "float32",
    "global_value_gradients": "float32",
}
_POINTERS = {"bool": "*u8", "int32": "*i32", "float32": "*fp32"}


def parameters(kernel: str) -> tuple[dict, dict, dict]:
    """A kernel's parameters, in order, by what they are.

    Returns:
        Pointers and what they point to (`""` for the attention's dtype),
        scalars and their dtypes, and constants, each `None`.
    """
    pointers, scalars, constants = {}, {}, {}
    function = KERNELS[kernel].function
    for name, parameter in inspect.signature(function.fn).parameters.items():
        if name in SHAPES:
            pointers[name] = OTHER_DTYPES.get(name, "")
        elif parameter.annotation is inspect.Parameter.empty:
            scalars[name] = "float32" if name == "scale" else "int32"
        else:
            constants[name] = None
    return pointers, scalars, constants


def describe(kernel: str) -> dict:
    """What the manifest says of a kernel, whatever the variant."""
    pointers, scalars, _ = parameters(kernel)
    results = KERNELS[kernel].results

    def buffers(names):
        return [[name, pointers[name], SHAPES[name]] for name in names]

    return {
        "name": KERNELS[kernel].function.fn.__name__,
        "operands": buffers([name for name in pointers if name not in results]),
        "results": buffers(results),
        "scalars": scalars,
    }


def make(
    kernel: str, dtype: str, head_size: int, padded: bool, precision: str
) -> str:
    """Makes the IR of one variant.

    Args:
        kernel: a name in `KERNELS`.
        dtype: a name in `DTYPES`.
        head_size: one of `tiles.HEAD_SIZES`.
        padded: whether heads are smaller than `head_size`.
        precision: of products of float32: `"ieee"` or `"tf32"`.
    """
    function, _, own, met = KERNELS[kernel]
    tile = tiles.tile(kernel, dtype, head_size, padded)
    pointers, scalars, constants = parameters(kernel)
    signature = {
        **{
            name: _POINTERS.get(other, "*" + DTYPES[dtype])
            for name, other in pointers.items()
        },
        **{name: "fp32" if name == "scale" else "i32" for name in scalars},
        **dict.fromkeys(constants, "constexpr"),
    }
    fixed = {
        "D": head_size,
        "PADDED": padded,
        "PRECISION": precision,
        "BLOCK_G": tiles.BLOCK_G,
        own: tile.own,
        met: tile.met,
    }
    places = {name: (at,) for at, name in enumerate(signature)}
    source = ASTSource(
        function,
        signature,
        {places[name]: fixed[name] for name in constants},
        # XLA's buffers start at multiples of 16 bytes and more.
        {places[name]: [["tt.divisibility", 16]] for name in pointers},
    )
    return _fast_exp2(_without_locations(_ir(source, tile)))


def _ir(source, tile):
    """Triton IR after Triton's own first clean-up, as text."""
    from triton._C.libtriton import ir

    backend = CUDABackend(TARGET)
    options = backend.parse_options(
        {"num_warps": tile.warps, "num_stages": tile.stages}
    )
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    module = source.make_ir(
        TARGET,
        options,
        backend.get_codegen_implementation(options),
        backend.get_module_map(),
        context,
    )
    stages = {}
    backend.add_stages(stages, options, source.language)
    return str(stages["ttir"](module, {}))


def _without_locations(ir):
    """Drops what says where in which file a line came from."""
    lines = [line for line in ir.splitlines() if not line.startswith("#loc")]
    text = "\n".join(lines) + "\n"
    kept, at = [], 0
    while (start := text.find(" loc(", at)) >= 0:
        kept.append(text[at:start])
        at, depth = start + len(" loc("), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
    return "".join(kept) + text[at:]


def _fast_exp2(ir):
    """Takes the exponential that flushes tiny results to zero.

    XLA makes `math.exp2` into one that does not, four instructions longer for
    each score. Triton's interpreter cannot run assembly, so that the kernels
    themselves say `tl.exp2`.
    """
    assembly = (
        r'tt.elementwise_inline_asm "ex2.approx.ftz.f32 $0, $1;" '
        r'{constraints = "=f,f", packed_element = 1 : i32, pure = true} '
        r"\1 : \2 -> \2"
    )
    return re.sub(r"math\.exp2 (%[\w#]+) : (tensor<\S+>|f32)", assembly, ir)
