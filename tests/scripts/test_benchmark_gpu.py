"""The GPU benchmark, without a GPU: what runs there runs, and is right."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
HAS_TRITON = all(importlib.util.find_spec(x) for x in ("torch", "triton"))


@pytest.fixture(autouse=True)
def scripts_path(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


def run(*arguments):
    return subprocess.run(
        ["bash", str(SCRIPTS / "benchmark_gpu.sh"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
        timeout=300,
    )


def test_says_that_there_is_no_gpu(tmp_path):
    process = run("--frameworks", "torch", "jax", "--output", tmp_path / "out")
    if process.returncode == 0:
        pytest.skip("there is a GPU here")
    assert process.returncode == 2
    assert "nothing was run" in process.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not HAS_TRITON, reason="needs PyTorch and Triton")
def test_dry_run_checks_and_times_nothing(tmp_path):
    process = run(
        *("--dry-run", "--frameworks", "torch", "--parts", "check", "rates"),
        *("--cases", "one-token", "--output", tmp_path),
    )
    assert process.returncode == 0, process.stderr[-3000:]
    stored = json.loads((tmp_path / "results.json").read_text())
    (row,) = stored["parts"]["check"]
    assert row["right"] and row["dtype"] == "float32"
    text = (tmp_path / "results.md").read_text()
    assert "nothing is timed" in text and "1 of 1" in text
    assert "seconds" not in (tmp_path / "results.json").read_text()
    assert not list(tmp_path.glob("*.tmp*"))


def test_case_table_loads_without_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from benchmark_gpu import check, kernels, package\n"
        "assert len(check.plan()) > 80\n"
        "assert kernels.default('bfloat16', 64).tiles['forward'].own\n"
        "assert package.native('gpu.ir').find('forward', 'float16', 64)\n"
        "assert sys.modules['tensorflow'] is None\n"
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def _case(**changes):
    from benchmark_gpu import package

    case = package.case_table().Case("some", **changes)
    inputs = case.inputs(seed=0)
    upstream = np.random.default_rng(1).standard_normal(inputs["query"].shape)
    return case, inputs, upstream


@pytest.mark.parametrize(
    "changes",
    [
        {"key_mask": "some", "g": 3},
        {"dilation": (1, 3, 2), "causal": True, "g": 2},
        {"key_mask": "none"},
    ],
    ids=str,
)
def test_definition_is_the_package_s(changes):
    tf = pytest.importorskip("tensorflow")
    from benchmark_gpu import definition

    from keras_longformer.ops import window_attention

    case, inputs, upstream = _case(**changes)
    got = definition.attention(case, inputs, upstream, "float64")
    tensors = {
        k: tf.constant(x)
        for k, x in inputs.items()
        if isinstance(x, np.ndarray)
    }
    floats = {k: x for k, x in tensors.items() if x.dtype.is_floating}
    with tf.GradientTape() as tape:
        tape.watch(floats)
        output = window_attention(
            **{**inputs, **tensors}, implementation="reference"
        )
    want = tape.gradient(output, floats, output_gradients=upstream)
    for name, values in (want | {"output": output}).items():
        np.testing.assert_allclose(got[name], values, atol=1e-12)


def test_a_wrong_kernel_is_found():
    from benchmark_gpu import check
    from benchmark_gpu import definition

    def right(case, inputs, upstream, dtype):
        return definition.attention(case, inputs, upstream, dtype)

    def wrong(case, inputs, upstream, dtype):
        results = right(case, inputs, upstream, dtype)
        results["global_key"] = results["global_key"] * 1.2
        return results

    def missing(case, inputs, upstream, dtype):
        return {
            k: np.full_like(x, np.nan)
            for k, x in right(case, inputs, upstream, dtype).items()
        }

    for dtype in check.DTYPES:
        assert check.compare("global", dtype, right)["worst"] <= 0.5
        found = check.compare("global", dtype, wrong)
        assert found["worst"] > 1 and found["of"] == "global_key"
        assert check.compare("global", dtype, missing)["worst"] == np.inf


def test_bfloat16_rounds_to_even():
    from benchmark_gpu import definition

    values = np.float32([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.1415927, 1e-30])
    want = [1, 1, 1 + 2**-6, -3.140625, 9.98e-31]
    got = definition.to_bfloat16(values)
    np.testing.assert_allclose(got, want, rtol=1e-3)
    np.testing.assert_array_equal(got[:4], np.float32(want[:4]))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dilation", [1, 3])
def test_walk_covers_the_band(causal, dilation):
    from benchmark_gpu import kernels
    from benchmark_gpu import walk

    problem = walk.Problem(
        n=307, h=1, reach=40, dilation=dilation, causal=causal, g=2
    )
    gap = np.arange(307)[:, None] - np.arange(307)
    seen = (abs(gap) <= 40 * dilation) & (gap % dilation == 0)
    seen &= (gap >= 0) | (not causal)
    assert problem.pairs() == seen.sum() + 2 * 307
    for owner in ("query", "key"):
        counts = walk.band(problem, kernels.Tile(32, 16, 4, 2), owner=owner)
        pairs = seen.sum() + (2 * 307 if owner == "query" else 0)
        assert counts.area >= pairs
        assert counts.useful == pairs / counts.area
        if owner == "query":
            assert counts.inside in _whole_tiles(seen, dilation, 32, 16)
    blocks = walk.flex(problem, block=32)
    padded = np.zeros((320, 320), bool)
    padded[:307, :307] = seen
    padded[:307, :2] = True
    touched = padded.reshape(10, 32, 10, 32).any((1, 3))
    if dilation == 1:
        assert blocks.area == touched.sum() * 32 * 32
    else:
        assert blocks.area >= touched.sum() * 32 * 32


def _whole_tiles(seen, dilation, rows, columns):
    """Range of how many tiles need no mask; blocks at the end are cut short."""
    least = most = 0
    for phase in range(dilation):
        of_phase = seen[phase::dilation, phase::dilation]
        for q in range(0, len(of_phase), rows):
            for k in range(0, len(of_phase) - columns + 1, columns):
                tile = of_phase[q : q + rows, k : k + columns]
                most += int(tile.all())
                least += int(tile.all() and len(tile) == rows)
    return range(least, most + 1)


def test_a_worker_that_dies_is_told_and_replaced():
    from benchmark_gpu.worker import Worker
    from benchmark_gpu.worker import WorkerError

    worker = Worker("nothing", device="cpu")
    with pytest.raises(WorkerError, match="No module named"):
        worker.ask("describe")
    with pytest.raises(WorkerError, match="No module named"):
        worker.ask("describe")
    first = worker.process
    first.kill()
    first.wait()
    with pytest.raises(WorkerError, match="No module named"):
        worker.ask("describe")
    assert worker.process.pid != first.pid
    worker.process.send_signal(signal.SIGSTOP)
    with pytest.raises(WorkerError, match="no answer in 0 s"):
        worker.ask("describe", timeout_seconds=0)
    worker.close()


def _results(tmp_path):
    """Rows of every part, with made-up figures."""
    from benchmark_gpu.results import Results

    results = Results(tmp_path)
    results.devices = [{"gpu": "Some GPU", "versions": "PyTorch 9"}]
    through = "Triton launch (PyTorch)"
    results.add("rates", {"through": "torch", "name": "matrix", "rate": 8e14})
    for n in (1024, 2048):
        row = {"framework": "torch", "n": n, "pass": "forward"}
        kernel = row | {"name": "kernel", "through": through}
        flex = row | {"name": "FlexAttention", "through": "PyTorch"}
        timed = {"b": 1, "work": 4e11}
        results.add("time", kernel | timed | {"seconds": [1e-3, 2e-3, 3e-3]})
        results.add("time", flex | timed | {"seconds": [4e-3]})
        results.add("memory", kernel | {"b": 1, "bytes": n * 2**11})
    for own, tile, seconds in (
        (True, [128, 64, 4, 3], 1.0e-3),
        (False, [64, 64, 4, 3], 0.99e-3),
        (False, [64, 32, 4, 3], 0.9e-3),
    ):
        row = {"name": "forward", "dtype": "bfloat16", "case": str(tile)}
        row |= {"tile": tile, "own": own, "seconds": [seconds]}
        results.add("tune", row)
    return results


def test_report_and_picture(tmp_path):
    from benchmark_gpu import parts
    from benchmark_gpu import report
    from benchmark_gpu.results import Results

    _results(tmp_path)
    results = Results(tmp_path)  # as read from the file
    bench = parts.Bench(None, results, None, {}, {})
    best = parts.tuned(bench)
    assert best == {"bfloat16": {"forward": [64, 32, 4, 3]}}
    text = report.markdown(results, best)
    assert "| forward | 1024 | 1 | FlexAttention | PyTorch | 4.000 |" in text
    assert "| 2.00 | 100.0 | 12 % |" in text  # 4e11 / 4 ms of 8e14 a second
    assert "| 2048 | kernel | Triton launch (PyTorch) | 4.0 | 2.00 |" in text
    if importlib.util.find_spec("matplotlib"):
        process = run("--draw", "--output", tmp_path)
        assert process.returncode == 0, process.stderr
        assert (tmp_path / "results.png").stat().st_size > 10_000


def test_stops_at_the_limit_and_goes_on_after_a_failure():
    from benchmark_gpu.progress import Progress

    progress = Progress(minutes=1)
    with progress.guard("first"):
        raise ValueError("wrong")
    assert progress.failures == [("first", "ValueError: wrong")]
    progress.start -= 31
    steps = [("a", 1), ("b", 2)]
    assert list(progress.steps("second", steps, share=0.5)) == []
    assert progress.failures[-1] == ("second", "not run, out of time: a, b")
    assert list(progress.steps("third", steps, share=1)) == [1, 2]


def _compiled_rows():
    """Made-up counts of a kernel whose tiles are 64 x 64, for both GPUs."""
    loop = {
        "instructions": 500,
        "exponentials": 34,
        "products": 64 * 64 * 64 * 2,
        "operand_bytes": 24576,
    }
    return [
        {
            "gpu": gpu,
            "kernel": kernel,
            "tile": [64, 64, 4, 2],
            "registers": 168,
            "stack_bytes": 0,
            "shared_bytes": 40960,
            "loops": [loop] * count,
        }
        for gpu in ("H200", "A100")
        for kernel, count in (
            ("forward", 5),
            ("query_gradient", 5),
            ("key_gradient", 3),
        )
    ]


def test_estimate_adds_up():
    from benchmark_gpu import estimate
    from benchmark_gpu import walk
    from benchmark_gpu.gpus import GPUS

    rows = _compiled_rows()
    for gpu in GPUS:
        chosen = estimate.best(rows, gpu, walk.Problem(n=4096, b=2))
        assert chosen.keys() == {"forward", "query_gradient", "key_gradient"}
        assert chosen["forward"].resident(gpu) == 3
        before = None
        for n in (8192, 16384, 32768):
            problem = walk.Problem(n=n, b=4)
            for passes in ("forward", "backward"):
                low, high = estimate.pass_seconds(chosen, problem, gpu, passes)
                work = estimate.useful_operations(problem, passes)
                assert work / gpu.matrix_rate < low <= high
            if before:  # linear, save for launches and a rest of blocks
                assert high / before == pytest.approx(2, rel=0.05)
            before = high
    # By hand: 500 instructions by 4 warps in 4 parts are 500 cycles; of a
    # GPU where products take as long as they should, 2 * 64 ** 3 / 1024.
    a100 = GPUS[1]
    forward = estimate.best(rows, a100, walk.Problem(n=4096))["forward"]
    low, high = estimate.cycles(forward.loop("inside"), forward, a100, 64)
    assert (low, high) == (2048, 2048 + 500)


def test_estimate_is_written(tmp_path):
    resources = tmp_path / "resources.json"
    content = {"triton": "9.9", "kernels": _compiled_rows()}
    resources.write_text(json.dumps(content))
    subprocess.run(
        [sys.executable, "-m", "benchmark_gpu.estimate", resources, tmp_path],
        check=True,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
    )
    text = (tmp_path / "gpu_estimate.md").read_text()
    assert "not measured" in text.splitlines()[0]
    assert "{" not in text.replace("${", "")
    assert "| H200 | 131072 | 1 |" in text and "Triton 9.9" in text


def test_counts_the_loops_of_machine_code():
    from benchmark_gpu import compiled

    code = """
        /*0000*/  MOV R1, R2 ;
        /*0010*/  HMMA.16816.F32.BF16 R4, R8, R10, R4 ;
        /*0020*/  LDSM.16.M88.4 R8, [R3] ;
        /*0030*/  MUFU.EX2 R5, R5 ;
        /*0040*/  @!P0 BRA 0x10 ;
        /*0050*/  HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], R24 ;
        /*0060*/  HGMMA.64x64x16.F32.BF16 R24, R12, gdesc[UR8], R24 ;
        /*0070*/  @P1 BRA 0x50 ;
        /*0080*/  FADD R1, R1, R2 ;
        /*0090*/  @P2 BRA 0x80 ;
        /*00a0*/  @P3 BRA 0x0 ;
    """
    first, second = compiled.loops(code)
    assert first == {
        "instructions": 4,
        "exponentials": 1,
        "products": 16 * 8 * 16,
        "operand_bytes": 512,
    }
    assert second["products"] == 2 * 64 * 64 * 16
    assert second["operand_bytes"] == 2 * 64 * 16 * 2 + 64 * 16 * 2
