"""The GPU benchmark, without a GPU: what runs there runs, and is right."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import window_attention
from tests.ops.cases import Case

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "benchmarks" / "gpu"
HAS_TRITON = all(importlib.util.find_spec(x) for x in ("torch", "triton"))


@pytest.fixture
def benchmark(monkeypatch):
    """Imports one of the benchmark's modules by name."""
    names = ("check", "definition", "measure", "report", "__main__")
    before = {name: sys.modules.get(name) for name in names}
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.syspath_prepend(str(SCRIPT))
    for name in names[:-1]:
        sys.modules.pop(name, None)
    yield importlib.import_module
    for name in names[:-1]:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        timeout=300,
    )


def test_says_that_there_is_no_gpu(tmp_path):
    process = run("--frameworks", "torch", "jax", "--output", tmp_path / "out")
    assert process.returncode == 2
    assert "Nothing was run" in process.stderr
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.skipif(not HAS_TRITON, reason="needs PyTorch and Triton")
def test_dry_run_checks_the_kernels(tmp_path):
    process = run(
        *("--dry-run", "--frameworks", "torch", "--parts", "check", "time"),
        *("--cases", "one-token", "--output", tmp_path),
    )
    assert process.returncode == 0, process.stderr[-3000:]
    text = (tmp_path / "results.md").read_text()
    assert "nothing is timed" in text and "2 of 2 checks right" in text


def test_needs_no_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        f"sys.path[:0] = [{str(SCRIPT)!r}]\n"
        "import check\n"
        "from keras_longformer.native.gpu import ir\n"
        "assert len(check.plan()) > 80\n"
        "assert ir.find('forward', 'float16', 64)\n"
    )
    root = SCRIPT.parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


@pytest.mark.parametrize(
    "changes",
    [
        {"key_mask": "some", "g": 3},
        {"dilation": (1, 3, 2), "causal": True, "g": 2},
        {"key_mask": "none"},
    ],
    ids=str,
)
def test_definition_is_the_package_s(benchmark, changes):
    definition = benchmark("definition")
    case = Case("some", **changes)
    inputs = case.inputs()
    tensors = {k: x for k, x in inputs.items() if tf.is_tensor(x)}
    upstream = np.random.default_rng(1).standard_normal(inputs["query"].shape)
    arrays = {k: x.numpy() for k, x in tensors.items()}
    got = definition.attention(case, arrays, upstream, "float64")
    floats = {
        k: tf.cast(x, tf.float64)
        for k, x in tensors.items()
        if x.dtype.is_floating
    }
    with tf.GradientTape() as tape:
        tape.watch(floats)
        output = window_attention(
            **{**inputs, **floats}, implementation="reference"
        )
    want = tape.gradient(output, floats, output_gradients=upstream)
    for name, values in (want | {"output": output}).items():
        np.testing.assert_allclose(got[name], values, atol=1e-12)


def test_a_wrong_kernel_is_found(benchmark):
    check, definition = benchmark("check"), benchmark("definition")

    def wrong(case, inputs, upstream, dtype):
        results = definition.attention(case, inputs, upstream, dtype)
        results["global_key"] = results["global_key"] * 1.2
        return results

    def missing(case, inputs, upstream, dtype):
        results = definition.attention(case, inputs, upstream, dtype)
        return {k: np.full_like(x, np.nan) for k, x in results.items()}

    for dtype in check.DTYPES:
        found = check.compare("global", dtype, definition.attention)
        assert found["worst"] <= 0.5
        found = check.compare("global", dtype, wrong)
        assert found["worst"] > 1 and found["of"] == "global_key"
        assert check.compare("global", dtype, missing)["worst"] == np.inf


def test_bfloat16_rounds_to_even(benchmark):
    definition = benchmark("definition")
    values = np.float32([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.1415927])
    want = np.float32([1, 1, 1 + 2**-6, -3.140625])
    np.testing.assert_array_equal(definition.to_bfloat16(values), want)


def test_report(benchmark, tmp_path):
    timed = {"passes": "forward", "b": 1, "useful": 4e11, "share": 0.5}
    times = [
        timed | {"n": n, "method": name, "ms": ms * n, "ratio": ms}
        for n in (1024, 2048)
        for name, ms in (("kernel (Triton launch)", 1.0), ("FlexAttention", 2))
    ]
    peak = {"passes": "forward", "n": 2048, "method": "kernel", "growth": 2.0}
    tile = {"kernel": "forward", "tile": [64, 32, 4, 3], "ms": 0.9}
    found = {
        "about": "Some GPU",
        "failed": ["tune: no"],
        "check": [
            {"right": True, "worst": 0.5, "case": "one", "dtype": "bfloat16"}
        ],
        "rates": [{"rate": 8e14}],
        "tune": [tile | {"own": True, "best": True}],
        "time": times,
        "memory": [peak | {"bytes": 2**22}],
    }
    report = benchmark("report")
    text = report.markdown({"torch": found}, dry=False)
    assert "1 of 1 checks right" in text and "800 TFLOP/s" in text
    assert "| 1024 | 1 | FlexAttention | 2048.000 | 2.00 | 0.4 | 50% |" in text
    assert "| forward | 2048 | kernel | 4 | 2.00 |" in text
    assert "| 64 x 32, 4 warps, 3 stages | 0.900 | 1.00 | best |" in text
    assert "FAILED tune: no" in text
    pytest.importorskip("matplotlib")
    report.draw({"torch": found}, tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 10_000
