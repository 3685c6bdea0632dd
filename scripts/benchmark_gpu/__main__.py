"""Checks, tunes and measures the GPU kernels of window attention.

    bash scripts/benchmark_gpu.sh [--output FOLDER] [--minutes 40] [--quick]
        [--parts check rates tune time memory] [--python torch=PATH ...]
    bash scripts/benchmark_gpu.sh --dry-run          without a GPU, tiny
    bash scripts/benchmark_gpu.sh --draw --output FOLDER

Needs a CUDA GPU and PyTorch with Triton; or JAX; or TensorFlow; each does its
part, in a process of its own, and each figure says where it comes from. They
may be in one Python or in several (`--python`).

1. check: every case of tests/ops/cases.py and sizes as in models, output and
   gradients, against float64.
2. rates: the device's own for bfloat16 products and for copies.
3. tune: tile sizes, warps and stages of each kernel, in each dtype.
4. time: forward and forward + backward, n = 1,024 ... 131,072, beside
   FlexAttention, dense attention and the chunked attention under XLA.
5. memory: the peaks of the same.

Writes results.json after every figure; results.md, tiles.json (the best tiles)
and, with matplotlib, results.png after every part. A second run into the same
folder adds to it.

Ends with 0; 1 where a check was wrong; 2 where there is no GPU; 3 where
something else failed or was not run for want of time.
"""

import argparse
import json
import pathlib
import sys

from benchmark_gpu import package
from benchmark_gpu import parts
from benchmark_gpu import report
from benchmark_gpu import results as results_module
from benchmark_gpu import timing
from benchmark_gpu.progress import Progress
from benchmark_gpu.results import Results
from benchmark_gpu.settings import Settings
from benchmark_gpu.worker import Worker
from benchmark_gpu.worker import WorkerError

PARTS = {
    "check": parts.run_check,
    "rates": parts.run_rates,
    "tune": parts.run_tune,
    "time": timing.run_time,
    "memory": timing.run_memory,
}
FRAMEWORKS = ("torch", "jax", "tensorflow")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="benchmark_gpu.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("benchmark_gpu")
    )
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--draw", action="store_true", help="only the picture")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--frameworks", nargs="+", choices=FRAMEWORKS, default=FRAMEWORKS
    )
    parser.add_argument(
        "--python",
        nargs="+",
        default=[],
        metavar="FRAMEWORK=PATH",
        help="another interpreter for a framework",
    )
    parser.add_argument("--cases", nargs="+", help="of the checks, only these")
    parser.add_argument("--lengths", nargs="+", type=int)
    parser.add_argument("--tokens", type=int, help="n * b of short lengths")
    parser.add_argument("--head-size", type=int)
    parser.add_argument("--window-size", type=int)
    options = parser.parse_args(arguments)
    options.python = dict(item.split("=", 1) for item in options.python)
    if unknown := options.python.keys() - set(FRAMEWORKS):
        parser.error(f"--python knows no {', '.join(sorted(unknown))}")
    return options


def start_workers(options):
    """Workers that answer, what they are, and why the others do not."""
    workers, devices, reasons = {}, {}, []
    for framework in options.frameworks:
        python = options.python.get(framework)
        if python is None and not package.installed(framework):
            reasons.append(f"{framework}: not installed in {sys.executable}")
            continue
        worker = Worker(
            framework,
            python or sys.executable,
            "cpu" if options.dry_run else "gpu",
        )
        try:
            devices[framework] = worker.ask("describe")
            workers[framework] = worker
        except WorkerError as error:
            reasons.append(str(error))
            worker.close()
    return workers, devices, reasons


def write_report(bench, folder):
    best = parts.tuned(bench)
    results = bench.results
    results.failures = bench.progress.failures
    results.write()
    if best:
        size = bench.settings.head_size
        tiles = {dtype: {str(size): tiles} for dtype, tiles in best.items()}
        text = json.dumps(tiles, indent=1) + "\n"
        results_module.write(folder / "tiles.json", text)
    results_module.write(folder / "results.md", report.markdown(results, best))
    if package.installed("matplotlib"):
        with bench.progress.guard("picture"):
            draw(folder)


def draw(folder):
    from benchmark_gpu import picture

    temporary = folder / "results.tmp.png"
    picture.draw(Results(folder), temporary)
    temporary.replace(folder / "results.png")


def main(arguments=None):
    options = parse(arguments)
    folder = options.output
    if options.draw:
        draw(folder)
        return 0
    settings = Settings.choose(
        dry=options.dry_run,
        quick=options.quick,
        cases=tuple(options.cases) if options.cases else None,
        lengths=tuple(options.lengths) if options.lengths else None,
        tokens=options.tokens,
        head_size=options.head_size,
        window_size=options.window_size,
    )
    workers, devices, reasons = start_workers(options)
    for reason in reasons:
        print(f"left out: {reason}", flush=True)
    if not workers:
        print(
            "No framework here can reach a GPU, so that nothing was run. "
            "`--dry-run` tries everything that runs without one.",
            file=sys.stderr,
        )
        return 2
    for device in devices.values():
        print(f"{device['gpu']}: {device['versions']}", flush=True)
    results = Results(folder)
    for device in devices.values():
        about = {key: device[key] for key in ("gpu", "versions")}
        if about not in results.devices:
            results.devices.append(about)
    bench = parts.Bench(
        settings=settings,
        results=results,
        progress=Progress(options.minutes),
        workers=workers,
        through={name: device["through"] for name, device in devices.items()},
    )
    for part, run in PARTS.items():
        if part in options.parts:
            with bench.progress.guard(part):
                run(bench)
            write_report(bench, folder)
    for worker in workers.values():
        worker.close()
    print(f"\n{(folder / 'results.md').read_text(encoding='utf-8')}")
    failures = bench.progress.failures
    if any(part.startswith("check") for part, _ in failures):
        return 1
    return 3 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
