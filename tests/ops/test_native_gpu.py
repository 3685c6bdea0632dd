"""The GPU's kernels, as far as can be told without a GPU.

That their IR computes the right thing is shown in Triton's interpreter, and
that XLA compiles it, in `tests/native`.
"""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import custom_call
from keras_longformer.ops import native
from keras_longformer.ops import native_cpu
from keras_longformer.ops import native_gpu
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import Case
from tests.ops.gradients import run
from tests.ops.pretended import A100
from tests.ops.pretended import H200
from tests.ops.pretended import UNKNOWN
from tests.ops.pretended import V100
from tests.ops.pretended import gpus as gpus

BECOMING = [
    Case("plain"),
    Case("no-global", g=0, dtype="float16"),
    Case("all", g=3, key_mask="some", dilation=(1, 3, 1), dtype="bfloat16"),
]


def forward_operands(case):
    tensors, _ = cases.split(case.inputs())
    no_mask = tf.zeros((0, 0), tf.bool)
    no_tokens = tf.zeros((0, 0, 0, 0), case.dtype)
    no_segments = tf.zeros((0, 0), tf.int32)
    return [
        tensors["query"],
        tensors["key"],
        tensors["value"],
        tensors.get("key_mask", no_mask),
        tensors.get("global_key", no_tokens),
        tensors.get("global_value", no_tokens),
        tensors.get("global_key_mask", no_mask),
        no_segments,
        no_segments,
        tf.zeros((0,), tf.int32),
    ]


def backward_operands(case):
    operands = forward_operands(case)
    query = operands[0]
    return [*operands, query, tf.zeros((case.b, case.h, case.n)), query]


def unknown(x):
    """Batch and length unknown, but for what is left out."""
    if 0 in x.shape:
        return x.shape
    if x.shape.rank == 3:  # log_sum
        return tf.TensorShape([None, x.shape[1], None])
    return tf.TensorShape([None, None, *x.shape[2:]])


def gpu_hlo(case, step, shape=lambda x: x.shape):
    """What XLA is given for a GPU."""
    operands = (
        forward_operands(case) if step == "forward" else backward_operands(case)
    )
    dilations = case.dilation
    if isinstance(dilations, int):
        dilations = [dilations] * case.h
    branch = functools.partial(
        getattr(native_gpu, step),
        reach=case.window_size // 2,
        causal=case.causal,
        threshold=0,
        dilations=dilations,
    )
    function = tf.function(
        # In the CPU's place, since there is no GPU to ask for its HLO.
        lambda *operands: custom_call.call(operands, {"CPU": branch}),
        jit_compile=True,
        autograph=False,
        input_signature=[tf.TensorSpec(shape(x), x.dtype) for x in operands],
    )
    return function.experimental_get_compiler_ir(*operands)(stage="hlo")


def types_of_calls(hlo):
    """For each call, its operands' types."""
    return [
        re.findall(r"(\w+\[[\d,]*\])\{", part.split("custom-call(")[-1])
        for part in hlo.split('), custom_call_target="__gpu$xla.gpu.triton"')[
            :-1
        ]
    ]


@pytest.mark.parametrize(
    "shape", [lambda x: x.shape, unknown], ids=["known", "unknown"]
)
@pytest.mark.parametrize("case", BECOMING, ids=str)
def test_becomes_hlo(case, shape):
    forward = types_of_calls(gpu_hlo(case, "forward", shape))
    backward = types_of_calls(gpu_hlo(case, "backward", shape))
    assert len(forward) == 1
    assert len(backward) == (3 if case.g else 2)


def test_operands():
    """In the kernel's order: see native/gpu/README.md."""
    case = Case("any", d=64, g=2, key_mask="some", dtype="bfloat16")
    like_query = "bf16[2,37,3,64]"
    like_globals = ["bf16[2,2,3,64]"] * 2 + ["pred[2,2]"]
    rows, dilations = "f32[2,3,37]", "s32[3]"
    window = [*[like_query] * 3, "pred[2,37]"]
    (forward,) = types_of_calls(gpu_hlo(case, "forward"))
    assert forward == [*window, *like_globals, dilations]
    assert types_of_calls(gpu_hlo(case, "backward")) == [
        [*window, *like_globals, dilations, like_query, rows, like_query],
        [*window, dilations, rows, like_query, rows],
        [like_query, *like_globals, rows, like_query, rows],
    ]


def test_sizes_that_are_not_known_are_one_more_operand():
    case = Case("any", d=64, g=2, key_mask="some")
    (forward,) = types_of_calls(gpu_hlo(case, "forward", unknown))
    assert forward[8:] == ["s32[3]"]  # b, n, g
    *_, global_gradient = types_of_calls(gpu_hlo(case, "backward", unknown))
    assert global_gradient[7:] == ["s32[3]"]
    assert "constant({2, 37, 2})" in gpu_hlo(case, "forward", unknown)


def test_numbers_are_in_the_ir():
    case = Case("any", window_size=6, dilation=(1, 4, 2), causal=True)
    hlo = gpu_hlo(case, "forward")
    for line in (
        "%n = arith.constant 37 : i32",
        "%behind = arith.constant 3 : i32",
        "%ahead = arith.constant 0 : i32",
        "%dilation = arith.constant 4 : i32",
        "%has_dilations = arith.constant 1 : i32",
        "%has_key_mask = arith.constant 0 : i32",
        "%scale = arith.constant 4.472135955e-01 : f32",
    ):
        assert line in hlo, line
    assert "constant({1, 4, 2})" in hlo


def attend(case):
    tensors, options = cases.split(case.inputs())
    return lambda: native.window_attention(**tensors, **options)


def modules(function):
    """The modules that a function's graph carries, and their platforms."""
    graph = tf.function(function).get_concrete_function().graph
    return [
        (op.get_attr("platforms"), op.get_attr("module").decode())
        for op in graph.get_operations()
        if op.type == "XlaCallModule"
    ]


@pytest.fixture(params=[True, False], ids=["built", "not-built"])
def cpu_built(request, monkeypatch):
    """With the C++ kernel and without."""
    if request.param:
        request.getfixturevalue("kernel")
    else:
        monkeypatch.setattr(native_cpu, "available", lambda: False)
    return request.param


def test_platforms(gpus, cpu_built):
    """One module for all devices of the process that have a kernel."""
    both = [b"CPU", b"CUDA"] if cpu_built else [b"CUDA"]
    half = Case("half", dtype="float16")  # which the CPU's cannot
    for details in ([H200], [A100, H200]):
        gpus(*details)
        assert not native.preferred()  # It has to be asked for.
        ((platforms, module),) = modules(attend(Case("any", g=2)))
        assert platforms == both
        assert ("stablehlo.case" in module) == cpu_built
        assert ("@keras_longformer_window_attention" in module) == cpu_built
        assert "@__gpu$xla.gpu.triton" in module
        ((platforms, module),) = modules(attend(half))
        assert platforms == [b"CUDA"]


def test_older_and_unknown_gpus(gpus, cpu_built):
    """The lowest decides."""
    for details in ([V100], [UNKNOWN], [H200, V100], [UNKNOWN, A100]):
        gpus(*details)
        assert not native.preferred()
        with pytest.raises(NotImplementedError, match="want 8.0.*'chunked'"):
            attend(Case("any"))()
    gpus(UNKNOWN, A100)
    with pytest.raises(NotImplementedError, match="no compute capability"):
        attend(Case("any"))()


def test_no_gpu():
    """Today's graphs on a CPU: its kernel alone."""
    assert native_gpu.reason_against_devices() == "there is no GPU"


@pytest.mark.native
def test_no_gpu_but_portable(kernel):
    attention = attend(Case("any", g=2))
    ((platforms, module),) = modules(attention)
    assert platforms == [b"CPU"]
    assert "gpu" not in module
    with native.portable():
        ((platforms, module),) = modules(attention)
    assert platforms == [b"CPU", b"CUDA"]
    ((platforms, _),) = modules(attention)
    assert platforms == [b"CPU"]


def test_gpu_limits(gpus):
    gpus(H200)
    assert native.reason_against(Case("any", d=1).inputs()["query"]) is None
    for spec, match in [
        (tf.TensorSpec([2, 37, 3, 5], tf.float64), "float16, not float64"),
        (tf.TensorSpec([2, 37, 3, 257]), "at most 256 elements, not 257"),
        (tf.TensorSpec([2, 37, 3, None]), "size of a head must be known"),
        (tf.TensorSpec([2, 37, None, 5]), "number of heads must be known"),
    ]:
        assert match in native.reason_against(spec)
    query = tf.TensorSpec([2, 37, 3, 5], tf.float16)
    assert native.reason_against(query) is None
    reason = native.reason_against(query, dropout_rate=0.1)
    assert "on a GPU it has no attention dropout" in reason


@pytest.mark.native
@pytest.mark.parametrize("jit", [None, False, True], ids=str)
def test_runs_on_the_cpu_of_a_machine_with_a_gpu(kernel, gpus, jit):
    """The CPU's way of the same module: the same bits, forward and backward."""
    case = Case("any", g=3, key_mask="some", dilation=(1, 2, 1))
    tensors, options = cases.split(case.inputs())
    upstream = tf.random.normal(tensors["query"].shape)

    def compute(tensors, upstream):
        return run({**tensors, **options}, upstream=upstream)

    def specs(tensors):
        return tf.nest.map_structure(
            lambda x: tf.TensorSpec(unknown(x), x.dtype), tensors
        )

    want = compute(tensors, upstream)
    gpus(H200)
    if jit is not None:
        compute = tf.function(
            compute,
            jit_compile=jit,
            input_signature=specs([tensors, upstream]),
        )
    got = compute(tensors, upstream)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], name)


def test_only_for_gpus(gpus, monkeypatch):
    """Such a graph cannot run on the CPU, and says so."""
    monkeypatch.setattr(native_cpu, "available", lambda: False)
    gpus(H200)
    with pytest.raises(tf.errors.NotFoundError, match="CUDA"):
        attend(Case("any"))()
