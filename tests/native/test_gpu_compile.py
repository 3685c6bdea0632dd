"""What TensorFlow's XLA makes for GPUs: kernels, and the chunks' program.

No GPU is needed.
"""

import concurrent.futures
import os
import re

import pytest
import tensorflow as tf

from keras_longformer.native.gpu import ir
from tests.native.gpu_compile import tool
from tests.native.gpu_compile.attention_hlo import attention_hlo
from tests.native.gpu_compile.kernel_hlo import kernel_hlo

pytestmark = pytest.mark.native

# The most that a thread may spill and a block may share, in bytes, whatever
# the target: with ptxas 12.9 and TensorFlow 2.20 and 2.21 it was at most 0 and
# 45056, 24 and 51200, 152 and 50176, 0 and 23040.
LIMITS = {
    "forward": (0, 48 * 1024),
    "query_gradient": (32, 51200),
    "key_gradient": (160, 51200),
    "global_gradient": (0, 24 * 1024),
}

# 1 sequence of 4,096 tokens, one of them global, window 512.
SIZES = dict(
    b=1,
    n=4096,
    h=12,
    d=64,
    g=1,
    behind=256,
    ahead=256,
    dilation=1,
    has_key_mask=1,
    has_dilations=0,
    scale=0.125,
)

# The kernels of a model as it is trained and served.
CASES = [(target, kernel) for kernel in LIMITS for target in tool.TARGETS]


@pytest.fixture(scope="module", autouse=True)
def built():
    reason = tool.reason_against()
    if reason is not None:
        pytest.skip(reason)
    return tool.built()


@pytest.fixture(scope="module")
def compiled(built):
    """The kernels alone, by case."""

    def one(case):
        target, kernel = case
        variant = ir.find(kernel, "bfloat16", SIZES["d"])
        hlo = kernel_hlo(variant, **SIZES, splits=variant.splits)
        return tool.compile_hlo(hlo, target)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_kernel_compiles_and_hardly_spills(compiled, case):
    _, kernel = case
    most_spilled, most_shared = LIMITS[kernel]
    (own,) = [
        made
        for name, made in compiled[case].kernels.items()
        if f"window_attention_{kernel}" in name
    ]
    assert own.products, "it does not use the tensor cores"
    assert own.registers <= 255
    assert own.stack_bytes <= most_spilled
    assert max(compiled[case].shared_bytes) <= most_shared


@pytest.mark.parametrize(
    "target, known_length",
    [(target, True) for target in tool.TARGETS] + [("h200", False)],
)
def test_attention_with_gradients_becomes_kernels(target, known_length):
    hlo = attention_hlo(
        "native", tf.bfloat16, gradient=True, known_length=known_length
    )
    compiled = tool.compile_hlo(hlo, target)
    names = " ".join(compiled.kernels)
    for kernel in LIMITS:
        assert f"window_attention_{kernel}" in names
    # Log-sums, their like backward, and the global keys' partial sums.
    assert compiled.temporary_bytes < 2 * 4 * 4096 * 12 + 2**20


@pytest.mark.parametrize("target", tool.TARGETS)
def test_chunks_copy_nothing_in_float32(target):
    hlo = attention_hlo("chunked", tf.bfloat16, gradient=False)
    compiled = tool.compile_hlo(hlo, target)
    keys, scores = 4096 * 12 * 64, 4096 * 12 * (512 + 128 + 16)
    for opcode, type_, line in compiled.instructions():
        if opcode == "parameter":
            continue
        for dtype, shape in re.findall(r"(f32|bf16)\[([\d,]*)\]", type_):
            sizes = [int(size) for size in shape.split(",") if size]
            if dtype == "f32" and sizes and sizes[-1] < 512:  # not scores
                elements = 1
                for size in sizes:
                    elements *= size
                assert elements < keys, f"a copy in float32: {line}"
    # Scores in float32 and in bfloat16: the rest fits in one of them.
    assert compiled.temporary_bytes < 6 * scores + 2**23


def test_failure_is_told():
    with pytest.raises(RuntimeError, match="could not compile for a100"):
        tool.compile_hlo("HloModule nothing", "a100")
