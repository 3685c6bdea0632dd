"""Processes that take turns at the same work, and say what it took.

Each has what it compares in a process of its own, and waits while the others
work, so that a busy machine slows them alike.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence

import measure

# What a program says that has run out of memory.
_LOST = ("OOM", "MemoryError", "bad_alloc", "can't allocate", "DefaultCPU")


def serve(make: Callable, first: object, most_bytes: int) -> None:
    """Runs in a worker's process: does the work that each line of input names.

    Args:
        make: function that returns the function that works.
        first: the work that it is warmed up with.
        most_bytes: int, the memory that the process may take.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    work = make()
    measure.release()
    rest = measure.status_bytes("VmRSS")
    work(first)
    print("ready", flush=True)
    for line in sys.stdin:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # The peak starts again.
        wall, cpu = time.perf_counter(), time.process_time()
        work(json.loads(line))
        figures = [time.perf_counter() - wall, time.process_time() - cpu]
        figures.append(measure.status_bytes("VmHWM") - rest)
        print(json.dumps(figures), flush=True)


class Worker:
    """A process of this script's `--child`, while it has time and memory.

    Args:
        name: str.
        arguments: what `--child` gets.
        path: str, where its Python looks for packages first.

    Attributes:
        name: str.
        lost: str, why it works no more, or `None`.
    """

    def __init__(self, name: str, arguments: Sequence, path: str = ""):
        self.name, self.lost = name, None
        paths = [path, os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, sys.argv[0], "--child", json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
        )
        self._line()

    def work(self, work: object) -> list[float] | None:
        """Returns seconds of wall and CPU time, and bytes, or `None`."""
        self.process.stdin.write(f"{json.dumps(work)}\n")
        self.process.stdin.flush()
        line = self._line()
        return None if line is None else json.loads(line)

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()

    def _line(self):
        """The next line, or `None`: it ran out of memory.

        Raises:
            RuntimeError: it failed in another way.
        """
        line = self.process.stdout.readline()
        if line:
            return line
        self.process.wait()
        self.lost = "out of memory"
        error = self.process.stderr.read()
        if self.process.returncode > 0 and not any(s in error for s in _LOST):
            raise RuntimeError(f"{self.name} failed:\n{error[-3000:]}")
        return None


def take(
    workers: Sequence[Worker],
    work: object,
    rounds: int,
    most_seconds: float = float("inf"),
) -> dict[str, list[float] | str]:
    """Lets all work in turn, `rounds` times, after a round that only prepares.

    Returns:
        By name medians of the seconds of wall and of CPU time, and the peak of
        memory above that of the process before it worked at all, in bytes; or
        why there are none: out of memory, or over `most_seconds`.
    """
    figures = {worker.name: [] for worker in workers}
    peaks = dict.fromkeys(figures, 0)
    for number in range(rounds + 1):
        for worker in workers:
            each = None if worker.lost else worker.work(work)
            if each is None:
                continue
            # Of the first too: later ones find what it left.
            peaks[worker.name] = max(peaks[worker.name], each.pop())
            if each[0] > most_seconds:
                worker.lost = f"over {most_seconds:.0f} s"
            # The first prepares, but where there will be no other.
            if number or worker.lost:
                figures[worker.name].append(each)
    return {
        worker.name: [
            *map(statistics.median, zip(*figures[worker.name], strict=True)),
            peaks[worker.name],
        ]
        if figures[worker.name]
        else worker.lost
        for worker in workers
    }
