"""All readers, each with its good files and their mutants.

As a script it goes on for some time, with other random numbers each round:

    python -m tests.hostile.run --minutes 5 --seed 1

and prints a table of what was tried, and each mutant that was not held.
"""

import argparse
import contextlib
import pathlib
import tempfile
import time

import numpy as np

from tests.hostile import samples
from tests.hostile import texts
from tests.hostile import written
from tests.hostile.judging import Table
from tests.hostile.judging import Worker
from tests.hostile.judging import judge

# What opens them, and what yields them.
SOURCES = {
    "checkpoints": ("checkpoint", samples.checkpoints),
    "model_garden": ("checkpoint", samples.model_garden),
    "tokenizers": ("tokenizer", texts.tokenizers),
    "corpora": ("corpus", written.corpora),
    "records": ("records", written.records),
    "states": ("state", written.states),
    "manifests": ("manifest", written.manifests),
    "presets": ("own_preset", written.presets),
    "keras_files": ("keras_file", written.keras_files),
}


@contextlib.contextmanager
def opened_worker():
    worker = Worker()
    try:
        yield worker
    finally:
        worker.close()


def mutants_of(source, generator, count, folder):
    """Yields the attempt, a name, the good sample's folder and its mutants.

    Args:
        source: str, of `SOURCES`.
        generator: `np.random.Generator`.
        count: int, how many of each kind that is drawn.
        folder: `pathlib.Path`, an empty one.
    """
    attempt, make = SOURCES[source]
    outside = folder / "outside"
    outside.mkdir()
    for sample in samples.OUTSIDE.get(source, ()):
        samples.write(sample(), outside)
    for name, sample, mutants in make(generator, count, outside):
        good = folder / name
        good.mkdir()
        samples.write(sample, good)
        yield attempt, name, good, mutants


def judge_source(table, worker, source, generator, count):
    """Judges all of a source's mutants into a table."""
    with tempfile.TemporaryDirectory() as folder:
        for attempt, name, good, mutants in mutants_of(
            source, generator, count, pathlib.Path(folder)
        ):
            for judged in judge(worker, attempt, str(good), mutants):
                table.add(name, *judged)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=list(SOURCES))
    arguments = parser.parse_args()
    table, end = Table(), time.monotonic() + 60 * arguments.minutes
    seed = arguments.seed
    with opened_worker() as worker:
        while True:
            generator = np.random.default_rng(seed)
            for source in arguments.only:
                judge_source(table, worker, source, generator, arguments.count)
                print(f"seed {seed}, {source}: {table.said()}", flush=True)
                if time.monotonic() > end:
                    break
            else:
                seed += 1
                if time.monotonic() < end:
                    continue
            break
    print(table.markdown())
    return 1 if table.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
