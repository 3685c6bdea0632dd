"""The parts of the benchmark: what is asked of the workers, in which order.

Each writes a row as soon as it has one. `Bench` holds what they share.
"""

import dataclasses
import statistics

from benchmark_gpu import check
from benchmark_gpu import kernels
from benchmark_gpu.progress import Progress
from benchmark_gpu.results import Results
from benchmark_gpu.settings import Settings
from benchmark_gpu.worker import WorkerError

# How much of all time may be gone at the end of each part.
SHARES = {"check": 0.3, "rates": 0.35, "tune": 0.6, "time": 0.93, "memory": 1.0}
PASSES = {"forward": False, "forward + backward": True}


@dataclasses.dataclass
class Bench:
    """What all parts need.

    Attributes:
        workers: dict of `Worker` by framework, those that have answered.
        through: dict by framework: dict by method, what its figures come from.
    """

    settings: Settings
    results: Results
    progress: Progress
    workers: dict
    through: dict

    def steps(self, part, steps):
        return self.progress.steps(part, steps, SHARES[part])

    def first_calls(self, part, asked):
        """Compiles; returns those of (framework, name) that have run."""
        ready = []
        for framework, name in asked:
            with self.progress.guard(f"{part}, {framework} {name}"):
                self.workers[framework].ask("first", name=name)
                ready.append((framework, name))
        return ready

    def rounds(self, part, ready):
        """Seconds of each (framework, name), in interleaved rounds.

        None of them in a dry run, where a first call is all.
        """
        if self.settings.dry:
            return {key: [] for key in ready}
        found, repeats = {key: [] for key in ready}, {}
        for number in range(self.settings.rounds + 1):
            for key in list(found):
                framework, name = key
                try:
                    seconds = self.workers[framework].ask(
                        "seconds", name=name, repeats=repeats.get(key, 1)
                    )
                except WorkerError as error:
                    self.progress.failed(f"{part}, {framework} {name}", error)
                    del found[key]
                    continue
                if number:
                    found[key].append(seconds)
                else:  # long enough for the clock, short enough to interleave
                    count = self.settings.batch_seconds / max(seconds, 1e-6)
                    repeats[key] = int(min(max(count, 1), 200))
        return found


def run_check(bench):
    """Every case against float64, through each framework that can."""
    planned = check.plan(
        bench.settings.cases,
        bench.settings.largest_case,
        bench.settings.check_dtypes,
    )
    steps = [
        (f"{framework} {name} {dtype}", (framework, name, dtype))
        for name, dtype in planned
        for framework in bench.workers
    ]
    if bench.settings.dry:
        # XLA makes these kernels for GPUs only, and Triton's interpreter
        # multiplies the bits of bfloat16 as integers.
        steps = [
            (title, step)
            for title, step in steps
            if step[0] != "jax" and step[2] != "bfloat16"
        ]
    for framework, name, dtype in bench.steps("check", steps):
        with bench.progress.guard(f"check {framework} {name} {dtype}"):
            add_check(bench, framework, name, dtype)
    if bench.settings.dry and "jax" in bench.workers:
        with bench.progress.guard("check, lowering through JAX"):
            count = bench.workers["jax"].ask(
                "lower_case", name=planned[0][0], dtype="float32"
            )
            row = {"through": "JAX", "name": "lowered", "calls": count}
            bench.results.add("dry run", row)


def add_check(bench, framework, name, dtype, tiles=None):
    """Adds a row about one case; a wrong one is a failure."""
    through = bench.through[framework]["kernel"]
    if tiles:
        through += ", tuned"
    row = {"through": through, "case": name, "dtype": dtype}
    try:
        found = bench.workers[framework].ask(
            "check_case", name=name, dtype=dtype, tiles=tiles
        )
    except WorkerError as error:
        bench.results.add("check", row | {"right": False, "why": str(error)})
        raise
    right = found["worst"] <= 1
    bench.results.add("check", row | found | {"right": right})
    if not right:
        bench.progress.failed(
            f"check {framework} {name} {dtype}",
            f"{found['of']} is off by {found['error']:.2g}, "
            f"{found['worst']:.1f} times what is allowed",
        )


def run_rates(bench):
    """The device's rate for products of matrices, and for a copy."""
    size, count = bench.settings.matrix_size, bench.settings.copy_bytes
    steps = [(framework, framework) for framework in bench.workers]
    asked = []
    for framework in bench.steps("rates", steps):
        with bench.progress.guard(f"rates, {framework}"):
            worker = bench.workers[framework]
            worker.ask("clear")
            worker.ask("rates", size=size, copy_bytes=count)
            asked += [(framework, "matrix"), (framework, "copy")]
    amount = {"matrix": 2 * size**3, "copy": 2 * count}
    ready = bench.first_calls("rates", asked)
    for (framework, name), all_seconds in bench.rounds("rates", ready).items():
        row = {"through": framework, "name": name}
        if all_seconds:
            rate = amount[name] / statistics.median(all_seconds)
            row |= {"rate": rate, "seconds": all_seconds}
        bench.results.add("rates", row)


def run_tune(bench):
    """Tries tiles of every kernel; keeps the best of each dtype."""
    if "torch" not in bench.workers:
        print("tune: left out, for it needs PyTorch and Triton", flush=True)
        return
    settings = bench.settings
    steps = [
        (f"{dtype} {kernel}", (dtype, kernel))
        for dtype in settings.tune_dtypes
        for kernel in kernels.KERNELS
    ]
    for dtype, kernel in bench.steps("tune", steps):
        with bench.progress.guard(f"tune {dtype} {kernel}"):
            _tune_kernel(bench, dtype, kernel)
    if settings.dry:
        return
    for dtype, tiles in tuned(bench).items():
        with bench.progress.guard(f"check of tuned tiles, {dtype}"):
            add_check(bench, "torch", "model", dtype, tiles)


def _tune_kernel(bench, dtype, kernel):
    settings, worker = bench.settings, bench.workers["torch"]
    tiles = kernels.candidates(kernel, dtype, settings.head_size)
    if settings.dry:
        tiles = tiles[:1]
    asked = []
    worker.ask("clear")
    for tile in tiles:
        part = f"tune {dtype} {kernel}, {kernels.spell(tile)}"
        with bench.progress.guard(part):
            worker.ask(
                "prepare_kernel",
                problem=settings.problem(settings.tune_length, b=2),
                dtype=dtype,
                kernel=kernel,
                tile=list(tile),
                name=kernels.spell(tile),
            )
            asked.append(("torch", kernels.spell(tile)))
    ready = bench.first_calls(f"tune {dtype} {kernel}", asked)
    found = bench.rounds("tune", ready)
    for tile in tiles:
        all_seconds = found.get(("torch", kernels.spell(tile)))
        row = {
            "through": bench.through["torch"]["kernel"],
            "name": kernel,
            "case": kernels.spell(tile),
            "dtype": dtype,
            "tile": list(tile),
            "own": tile == tiles[0],
        }
        if all_seconds:
            row["seconds"] = all_seconds
        bench.results.add("tune", row)


def tuned(bench):
    """`{dtype: {kernel: tile}}`: the package's own, or one 2 % faster."""
    best = {}
    for row in bench.results.rows("tune"):
        if "seconds" not in row:
            continue
        seconds = statistics.median(row["seconds"])
        if row["own"]:
            seconds *= 0.98
        of_dtype = best.setdefault(row["dtype"], {})
        kept = of_dtype.get(row["name"])
        if kept is None or seconds < kept[0]:
            of_dtype[row["name"]] = seconds, row["tile"]
    return {
        dtype: {kernel: tile for kernel, (_, tile) in of_dtype.items()}
        for dtype, of_dtype in best.items()
    }
