"""Checks, tunes and measures the GPU kernels of window attention.

Command:
    python scripts/benchmarks/gpu [--output benchmark_gpu] [--quick]
        [--parts check rates tune time memory] [--frameworks torch jax
        tensorflow] [--dtypes bfloat16 float16 float32] [--lengths 1024 ...]
    python scripts/benchmarks/gpu --dry-run         without a GPU, tiny

Needs a CUDA GPU and PyTorch with Triton; or JAX; or TensorFlow. Each that is
installed does its part, in a process of its own, and needs none of the others.

check   every case of keras_longformer/native/cases.py and sizes as in models:
        output and all gradients against float64. Wrong is more than twice the
        error of a plain implementation in the same precision
rates   the device's own for a product of matrices in bfloat16
tune    tile sizes, warps and stages of each kernel (PyTorch)
time    n = 1,024 ... 131,072, forward and forward + backward, beside
        FlexAttention, dense attention and the chunked attention under XLA:
        medians of interleaved rounds, ratios to the kernel, and the share of
        the matrix rate that useful work reaches
memory  the peaks of the same, and their growth where n doubles

Takes 20 minutes for each framework (`--quick`: 5). Writes results.md,
results.json, tiles.json (the best tiles) and, with matplotlib, results.png.
Ends with 0; 1 where a check was wrong; 2 where no framework reaches a GPU; 3
where something else failed.
"""

import dataclasses
import functools
import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
# These sources, installed or not, and `measure`.
sys.path[1:1] = [str(HERE.parents[2]), str(HERE.parent)]

import check  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402

PARTS = ("check", "rates", "tune", "time", "memory")
FRAMEWORKS = ("torch", "jax", "tensorflow")
PASSES = {"forward": False, "forward + backward": True}
LENGTHS = [1024 * 2**i for i in range(8)]
TOKENS = 32768  # Of all sequences together, where one is shorter than that.
TUNED_LENGTH = 16384
MATRIX_SIZE = 8192
BATCH_SECONDS = 0.03  # What is measured at a time.
TUNED_GAIN = 0.98  # A tile must be 2 % faster to be preferred to the own one.
AGREEMENT = 3e-2  # Of results in bfloat16, of their largest.
MOST_GROWTH = 2.1  # Of memory where the length doubles.


@dataclasses.dataclass(frozen=True)
class Problem:
    """Sizes of the released models: 12 heads of 64, a window of 512."""

    n: int
    b: int = 1
    h: int = 12
    d: int = 64
    reach: int = 256
    g: int = 1

    def operations(self, backward: bool, dense: bool) -> int:
        """Useful ones: 2 products forward and 5 backward of what is seen."""
        reach = min(self.reach, self.n - 1)
        pairs = self.n * (2 * reach + 1 + self.g) - reach * (reach + 1)
        pairs = self.n**2 if dense else pairs
        products = 7 if backward else 2
        return 2 * self.d * self.b * self.h * products * pairs


class Bench:
    """One framework's run; rows are written as soon as they are there."""

    def __init__(self, framework, options):
        self.module = importlib.import_module(f"with_{framework}")
        self.options = options
        self.dry = options.dry_run
        self.dtype = "float32" if self.dry else options.dtypes[0]
        self.path = options.output / f"results-{framework}.json"
        self.results = {"about": self.module.describe(), "failed": []}
        self.results |= {part: [] for part in PARTS}

    def add(self, part, **row):
        self.results[part].append(row)
        self.path.write_text(json.dumps(self.results, indent=1) + "\n")
        print(part, *row.values(), sep="  ", flush=True)

    def attempt(self, what, function, needed=True):
        """What the function returns, or `None` where it raises."""
        try:
            return function()
        except Exception as error:  # It is told, and the others go on.
            traceback.print_exc(limit=-6)
            text = f"{what}: {' '.join(str(error).split())[:300]}"
            if needed:
                self.results["failed"].append(text)
            return None

    def run(self):
        for part in self.options.parts:
            self.attempt(part, getattr(self, part))
        self.path.write_text(json.dumps(self.results, indent=1) + "\n")

    def problem(self, n):
        if self.dry:
            return Problem(n=n, h=1, d=16, reach=8)
        return Problem(n=n, b=max(1, TOKENS // n))

    def seconds(self, calls, needed=True):
        """Medians by name, of calls that run; `needed`: all should."""
        repeated, counts = {}, {}
        for name, call in calls.items():
            ready = self.attempt(
                name, lambda call=call: self._times(call, 1), needed
            )
            if ready is not None:
                once = self._times(call, 1)
                counts[name] = int(min(max(BATCH_SECONDS / once, 1), 200))
                repeated[name] = functools.partial(
                    self._times, call, counts[name]
                )
        rounds = 1 if self.dry else 3 if self.options.quick else 7
        found = measure.medians(measure.interleaved(repeated, rounds))
        return {name: each / counts[name] for name, each in found.items()}

    def _times(self, call, count):
        """Seconds of calls started in a row, with one wait at their end."""
        start = measure.time.perf_counter()
        for _ in range(count):
            results = call()
        self.module.wait(results)
        return max(measure.time.perf_counter() - start, 1e-9)

    # The parts

    def check(self):
        largest = 40 if self.dry else None
        dtypes = ("float32",) if self.dry else tuple(self.options.dtypes)
        for name, dtype in check.plan(self.options.cases, largest, dtypes):
            if not (self.dry and dtype == "bfloat16"):  # The interpreter can't.
                self._check(name, dtype, self.module.run_case)

    def _check(self, name, dtype, run_case):
        found = self.attempt(
            f"check {name} {dtype}",
            lambda: check.compare(name, dtype, run_case),
        )
        row = found or {"worst": float("inf"), "of": "", "error": None}
        right = bool(row["worst"] <= 1)
        self.add("check", case=name, dtype=dtype, right=right, **row)

    def rates(self):
        size = 64 if self.dry else MATRIX_SIZE
        seconds = self.seconds({"matrix": self.module.matrix(size)})
        self.add("rates", rate=2 * size**3 / seconds["matrix"])

    def tune(self):
        if not hasattr(self.module, "tunable") or self.dry:
            return
        launch = self.module.triton_launch
        best = {}
        for kernel in launch.KERNELS:
            tiles = launch.candidates(kernel, self.dtype, Problem(1).d)
            problem = Problem(n=TUNED_LENGTH, b=2)
            calls = dict(
                self.module.tunable(problem, self.dtype, kernel, tiles)
            )
            seconds = self.seconds(calls, needed=False)  # Some tiles don't fit.
            own = tiles[0]
            fair = {
                tile: each * (TUNED_GAIN if tile == own else 1)
                for tile, each in seconds.items()
            }
            best[kernel] = min(fair, key=fair.get)
            for tile, each in seconds.items():
                self.add(
                    "tune",
                    kernel=kernel,
                    tile=list(tile),
                    ms=1e3 * each,
                    own=tile == own,
                    best=tile == best[kernel],
                )
        run_case = functools.partial(self.module.run_case, tiles=best)
        self._check("model", self.dtype, run_case)
        path = self.options.output / "tiles.json"
        path.write_text(json.dumps({self.dtype: best}, indent=1) + "\n")
        self.tiles = best

    tiles = None

    def time(self):
        rate = max((row["rate"] for row in self.results["rates"]), default=0)
        for n, passes in self._steps():
            problem, backward = self.problem(n), PASSES[passes]
            calls = self._calls(problem, passes)
            if not backward:
                self._agree(n, calls)
            seconds = self.seconds(calls)
            base = seconds.get(self.module.KERNEL)
            for name, each in seconds.items():
                work = problem.operations(backward, "dense" in name)
                self.add(
                    "time",
                    passes=passes,
                    n=n,
                    b=problem.b,
                    method=name,
                    ms=1e3 * each,
                    ratio=each / base if base else None,
                    useful=work / each,
                    share=work / each / rate if rate else None,
                )

    def _steps(self):
        return [(n, p) for n in self.options.lengths for p in PASSES]

    def _calls(self, problem, passes):
        return dict(
            self.module.methods(problem, self.dtype, PASSES[passes], self.tiles)
        )

    def _agree(self, n, calls):
        """FlexAttention computes the same."""
        names = [self.module.KERNEL, "FlexAttention"]
        if not all(name in calls for name in names):
            return
        results = self.attempt(
            f"agreement at n={n}",
            lambda: [self.module.to_numpy(calls[name]()) for name in names],
        )
        if results:
            error = self.module.close(*results)
            right = bool(error <= AGREEMENT)
            name = f"FlexAttention, n={n}"
            row = {"worst": error / AGREEMENT, "of": "output", "error": error}
            self.add("check", case=name, dtype=self.dtype, right=right, **row)

    def memory(self):
        before = {}
        for n, passes in self._steps() * (not self.dry):
            problem = dataclasses.replace(self.problem(n), b=1)
            for name, call in self._calls(problem, passes).items():
                peak = self.attempt(
                    f"memory of {name} at n={n}",
                    lambda call=call: self.module.peak(call),
                )
                half = before.get((name, passes, n // 2))
                before[name, passes, n] = peak
                growth = peak / half if peak and half else None
                row = dict(passes=passes, n=n, method=name, bytes=peak)
                self.add("memory", **row, growth=growth)
                if name == self.module.KERNEL and (growth or 0) > MOST_GROWTH:
                    self.results["failed"].append(
                        f"memory grew {growth:.2f} times to n={n}, {passes}"
                    )


def parse(arguments=None):
    parser = measure.parser(__doc__)
    add = parser.add_argument
    add("--output", type=pathlib.Path, default=pathlib.Path("benchmark_gpu"))
    add("--quick", action="store_true", help="fewer lengths and rounds")
    add("--dry-run", action="store_true", help="tiny, and nothing is timed")
    add("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    add("--frameworks", nargs="+", choices=FRAMEWORKS, default=[*FRAMEWORKS])
    add("--dtypes", nargs="+", choices=check.DTYPES, default=[*check.DTYPES])
    add("--cases", nargs="+", help="of the checks, only these")
    add("--lengths", nargs="+", type=int)
    options = parser.parse_args(arguments)
    if options.lengths is None:
        options.lengths = LENGTHS[::2] if options.quick else LENGTHS
        options.lengths = [32] if options.dry_run else options.lengths
    return options


def start(framework, options, arguments):
    """Runs one framework's part in a process; returns why not, if so."""
    if importlib.util.find_spec(framework) is None:
        return "is not installed"
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if options.dry_run:
        if framework == "jax":
            return "compiles these kernels for GPUs only"
        environment |= {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(HERE), *arguments]
    command += ["--child", json.dumps(framework)]
    code = subprocess.run(command, env=environment, check=False).returncode
    return {0: None, 2: "reaches no GPU"}.get(code, f"ended with {code}")


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    if options.child:
        options.output.mkdir(parents=True, exist_ok=True)
        bench = Bench(options.child, options)
        if not bench.module.ON_GPU and not options.dry_run:
            return 2
        bench.run()
        return 0
    results, reasons = {}, {}
    for framework in options.frameworks:
        path = options.output / f"results-{framework}.json"
        path.unlink(missing_ok=True)
        reasons[framework] = start(framework, options, arguments)
        if path.exists():
            results[framework] = json.loads(path.read_text())
    for framework, reason in reasons.items():
        if reason:
            print(f"{framework}: {reason}", file=sys.stderr)
    if not results:
        print("Nothing was run. `--dry-run` needs no GPU.", file=sys.stderr)
        return 2
    text = report.markdown(results, options.dry_run)
    (options.output / "results.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    if importlib.util.find_spec("matplotlib") and not options.dry_run:
        report.draw(results, options.output / "results.png")
    each = list(results.values())
    if not all(row["right"] for found in each for row in found["check"]):
        return 1
    lost = [f for f, reason in reasons.items() if f in results and reason]
    return 3 if lost or any(found["failed"] for found in each) else 0


if __name__ == "__main__":
    sys.exit(main())
