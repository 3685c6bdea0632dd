"""What TensorFlow's XLA makes for GPUs: kernels, and the chunks' program.

The figures are compared with `docs/gpu_compile.json`, which
`scripts/compile_gpu_kernels.py --record` writes. No GPU is needed.
"""

import concurrent.futures
import os
import re

import pytest
import tensorflow as tf

from tests.native.gpu_compile import record
from tests.native.gpu_compile import tool
from tests.native.gpu_compile.attention_hlo import attention_hlo

pytestmark = pytest.mark.native

# The kernels of a model as it is trained and served; the script has all.
CASES = [
    (target, f"{kernel} bfloat16 64")
    for kernel in record.KERNELS
    for target in tool.TARGETS
]


@pytest.fixture(scope="module", autouse=True)
def built():
    reason = tool.reason_against()
    if reason is not None:
        pytest.skip(reason)
    return tool.built()


@pytest.fixture(scope="module")
def compiled(built):
    """The kernels alone, as rows of the record."""

    def one(case):
        target, name = case
        return record.kernel_row(target, name)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_kernel_compiles_as_recorded(compiled, case):
    target, name = case
    row = compiled[case]
    assert row["products"], "it does not use the tensor cores"
    assert row["registers"] <= 255
    expected = record.recorded(name, target)
    if expected is None:
        pytest.skip(
            f"no record for TensorFlow {tf.__version__} with ptxas "
            f"{tool.ptxas_version()}: see scripts/compile_gpu_kernels.py"
        )
    for figure in ("registers", "stack_bytes", "shared_bytes"):
        assert row[figure] <= expected[figure], figure


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
    for kernel in record.KERNELS:
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
