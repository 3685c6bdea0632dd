"""Compiles everything for GPUs without one, and shows what it takes.

Command:
    python scripts/compile_gpu_kernels.py [--only TEXT] [--targets h200 a100 l4]
        [--jobs 2] [--record]

Compiles each stored Triton kernel, and window attention as TensorFlow's own
operations (`chunked`), with the XLA of the installed TensorFlow, for the H200,
the A100 and the L4. Shows a thread's registers, the bytes that it spills to
(stack), a block's shared memory, instructions of the machine code, and the
device memory that a program takes besides its arguments and results. `--only`
takes those whose name has the text. `--record` writes them into
docs/gpu_compile.json, which tests compare with, beside what other versions left
there.

Needs a C++ compiler, TensorFlow's wheel with CUDA and
`pip install nvidia-cuda-nvcc-cu12`. A kernel takes some 2 seconds on an idle
core, those for heads of 256 longer; `--only "bfloat16 64"` takes a minute.
"""

import argparse
import concurrent.futures
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # for `tests`

import tensorflow as tf

from tests.native.gpu_compile import record as rows
from tests.native.gpu_compile import tool


def _work(only, targets):
    """What to compile: target, name, and the function that does."""
    work = [
        (target, name, rows.kernel_row, (target, name))
        for name in rows.kernel_names()
        for target in targets
    ]
    for dtype in (tf.float32, tf.bfloat16):
        for gradient in (False, True):
            name = f"chunked {dtype.name}{', gradients' * gradient}"
            for target in targets:
                arguments = (target, dtype, gradient)
                work.append((target, name, rows.chunked_row, arguments))
    return [item for item in work if only in item[1]]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--targets", nargs="+", default=tool.TARGETS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if reason := tool.reason_against():
        sys.exit(f"error: {reason}")
    tool.built()
    record, failed = rows.read(), 0
    print(rows.versions())
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        work = [
            (target, name, pool.submit(function, *arguments))
            for target, name, function, arguments in _work(
                options.only, options.targets
            )
        ]
        for target, name, future in work:
            try:
                row = future.result()
            except RuntimeError as error:
                failed += 1
                print(f"{target}  {name}  FAILED\n{error}", flush=True)
                continue
            figures = "  ".join(f"{k} {v}" for k, v in row.items())
            print(f"{target}  {name:32}  {figures}", flush=True)
            entry = record.setdefault(rows.versions(), {}).setdefault(
                target, {}
            )
            entry[name] = row
    if options.record:
        rows.write(record)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
