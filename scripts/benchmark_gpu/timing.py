"""The parts that compare methods: time, and memory."""

import statistics

from benchmark_gpu.parts import PASSES
from benchmark_gpu.parts import tuned
from benchmark_gpu.walk import Problem
from benchmark_gpu.worker import WorkerError

# How much memory may grow where the length doubles.
LINEAR = 2.1
# How far results in bfloat16 may lie apart, of their largest.
AGREEMENT = 3e-2


def run_time(bench):
    """Forward and backward at every length, methods in turn."""
    steps = [
        (f"n={n} {passes}", (n, passes))
        for n in bench.settings.lengths
        for passes in PASSES
    ]
    for n, passes in bench.steps("time", steps):
        part = f"time n={n} {passes}"
        with bench.progress.guard(part):
            _time(bench, part, n, passes)


def _time(bench, part, n, passes):
    settings = bench.settings
    problem = settings.problem(n)
    asked = prepare_all(bench, part, problem, PASSES[passes])
    ready = bench.first_calls(part, asked)
    apart = None
    wanted = [("torch", "kernel"), ("torch", "FlexAttention")]
    if passes == "forward" and all(key in ready for key in wanted):
        with bench.progress.guard(part):
            apart = bench.workers["torch"].ask(
                "agreement", name="kernel", other="FlexAttention"
            )
    found = bench.rounds(part, ready)
    work = operations(Problem(**problem), passes)
    for (framework, name), all_seconds in found.items():
        row = {
            "through": bench.through[framework][name],
            "framework": framework,
            "name": name,
            "dtype": settings.dtype,
            "pass": passes,
            "n": n,
            "b": problem["b"],
            "work": work["dense" if name == "dense SDPA" else "band"],
        }
        if (framework, name) == wanted[0] and apart is not None:
            row["apart"] = apart
        if all_seconds:
            row["seconds"] = all_seconds
            print(f"    {name}: {_ms(all_seconds)} ms", flush=True)
        bench.results.add("time", row)
    if apart is not None and not apart <= AGREEMENT:
        bench.progress.failed(
            f"check at n={n}, {passes}",
            f"the kernel and FlexAttention are {apart:.2g} apart",
        )


def _ms(all_seconds):
    return f"{statistics.median(all_seconds) * 1e3:.3f}"


def prepare_all(bench, part, problem, backward):
    """Prepares all methods; returns those (framework, name) that there are."""
    dtype, asked = bench.settings.dtype, []
    for framework, worker in bench.workers.items():
        with bench.progress.guard(part):
            worker.ask("clear")
        for name in bench.through[framework]:
            with bench.progress.guard(f"{part}, {framework} {name}"):
                if worker.ask(
                    "prepare",
                    problem=problem,
                    dtype=dtype,
                    backward=backward,
                    name=name,
                    tiles=tuned(bench).get(dtype),
                ):
                    asked.append((framework, name))
    return asked


def operations(problem, passes):
    """Useful operations of the band, and of dense attention.

    Two products forward and five backward, two operations a multiply-add, as
    FlashAttention's papers count.
    """
    products = 2 if passes == "forward" else 7
    each = 2 * problem.d * problem.b * problem.h * products
    return {"band": each * problem.pairs(), "dense": each * problem.n**2}


def run_memory(bench):
    """Peaks above the inputs, of one sequence."""
    steps = [
        (f"n={n} {passes}", (n, passes))
        for n in bench.settings.lengths
        for passes in PASSES
    ]
    for n, passes in bench.steps("memory", steps):
        part = f"memory n={n} {passes}"
        with bench.progress.guard(part):
            problem = bench.settings.problem(n, b=1)
            asked = prepare_all(bench, part, problem, PASSES[passes])
            for framework, name in bench.first_calls(part, asked):
                with bench.progress.guard(f"{part}, {framework} {name}"):
                    _add_peak(bench, framework, name, n, passes)
    if not bench.settings.dry:
        _check_growth(bench)


def _add_peak(bench, framework, name, n, passes):
    row = {
        "through": bench.through[framework][name],
        "framework": framework,
        "name": name,
        "pass": passes,
        "n": n,
        "b": 1,
    }
    if not bench.settings.dry:
        try:
            row["bytes"] = bench.workers[framework].ask("peak", name=name)
        except WorkerError as error:
            row["why"] = str(error)
            bench.results.add("memory", row)
            raise
    bench.results.add("memory", row)


def _check_growth(bench):
    for row, ratio in growth(bench.results.rows("memory")):
        if row["name"] == "kernel" and ratio > LINEAR:
            bench.progress.failed(
                f"check of memory, {row['through']} {row['pass']}",
                f"{ratio:.2f} times as much for n={row['n']} as for half",
            )


def growth(rows):
    """Pairs of a row and its peak over that of half the length."""
    peaks = {
        (row["through"], row["name"], row["pass"], row["n"]): row["bytes"]
        for row in rows
        if row.get("bytes")
    }
    for row in rows:
        key = row["through"], row["name"], row["pass"]
        half = peaks.get((*key, row["n"] // 2))
        if half and row.get("bytes"):
            yield row, row["bytes"] / half
