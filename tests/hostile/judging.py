"""Runs mutants in worker processes, and says which were not held."""

import collections
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import SAME

MOST_SECONDS = 1.0  # Of CPU, for each.
MOST_BYTES = 200 << 20
PATIENCE_SECONDS = 60  # What does not answer by then hangs.
CLEAR = {
    "ValueError",
    "TypeError",
    "FileNotFoundError",
    "BrokenStateError",
    "ImportError",
}
ROOT = pathlib.Path(__file__).parents[2]


class Worker:
    """The process, started again when it has died."""

    def __init__(self, goods):
        self.goods = goods  # attempt: folder, to be opened first.
        self.process = None

    def ask(self, attempt, folder, limited=True):
        """Returns the answer, or one that says how the process died."""
        if self.process is None:
            self._start()
        self.process.stdin.write(json.dumps([attempt, str(folder), limited]))
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        patience = PATIENCE_SECONDS if limited else 300
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        hangs = not ready
        self.close()
        code = self.process_code
        died = "hangs" if hangs else f"died: {code}"
        if code < 0 and not hangs:
            died = f"died: {signal.Signals(-code).name}"
        return {"died": died}

    def _start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": "tensorflow",
                "KERAS_LONGFORMER_NATIVE": "off",
                "CUDA_VISIBLE_DEVICES": "",
            },
        )
        self.digests = {}
        for attempt, folder in self.goods.items():
            answer = self.ask(attempt, folder, limited=False)
            if not answer.get("digest"):
                raise AssertionError(f"the good {attempt} fails: {answer}")
            self.digests.setdefault(attempt, answer["digest"])

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process_code = self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


def fault(mutant, answer, digest, folder):
    """Returns what is wrong with an answer, or `None`."""
    if "died" in answer:
        return answer["died"]
    if answer["seconds"] > MOST_SECONDS:
        return f"takes {answer['seconds']:.1f} s"
    if answer["bytes"] > MOST_BYTES:
        return f"takes {answer['bytes'] >> 20} MB"
    if answer["error"] is not None:
        message = answer["message"]
        if answer["error"] not in CLEAR:
            return f"{answer['error']}: {message[:300]}"
        if mutant.want == SAME:
            return f"is refused: {message[:300]}"
        name = pathlib.Path(mutant.file).name
        stem = name.split(".")[0]
        if name not in message and f"{folder}/{stem}" not in message:
            return f"does not name {name}: {answer['error']}: {message[:300]}"
        if mutant.want == REFUSED and mutant.field not in message:
            return f"does not name {mutant.field}: {message[:300]}"
        if len(message) > 20_000:
            return f"says {len(message)} characters"
        return None
    if mutant.want == REFUSED:
        return "is believed" + (
            "" if answer["digest"] == digest else ", and differs"
        )
    if mutant.want == SAME and answer["digest"] != digest:
        return "is another"
    if mutant.want == "said" and mutant.field not in answer["said"]:
        return f"is not said: {answer['said'][:200]}"
    return None


def judge(worker, attempt, good, mutants):
    """Yields each mutant with what is wrong about it, or `None`.

    Args:
        worker: `Worker`.
        attempt: str, one of `ATTEMPTS`.
        good: the folder of the good sample.
        mutants: of it.
    """
    digest = None
    for mutant in mutants:
        with tempfile.TemporaryDirectory() as folder:
            folder = os.path.join(folder, "folder")
            os.mkdir(folder)
            mutant.write(folder)
            if digest is None:
                digest = worker.ask(attempt, good)["digest"]
            answer = worker.ask(attempt, folder)
            yield mutant, answer, fault(mutant, answer, digest, folder)


class Table:
    """Counts, by attempt and kind."""

    def __init__(self):
        self.counts = collections.Counter()
        self.faults = []
        self.begin = time.time()

    def add(self, attempt, mutant, answer, wrong):
        outcome = "refused" if answer.get("error") else "opened"
        self.counts[attempt, mutant.kind, outcome] += 1
        if wrong is not None:
            self.faults.append(
                f"{attempt}: {mutant.kind}, {mutant.name}: {wrong}"
            )
