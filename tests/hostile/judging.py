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

from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import SAME

MOST_SECONDS = 1.0  # Of CPU, for each.
# What makes a model, and that of a good file takes as long.
MAKING_SECONDS = {"own_preset": 3.0, "keras_file": 3.0}
MOST_BYTES = 200 << 20
PATIENCE_SECONDS = 40  # What does not answer by then hangs.
CLEAR = {
    "ValueError",
    "TypeError",
    "FileNotFoundError",
    "BrokenStateError",
    "ImportError",
}
# Readers of Keras's and TensorFlow's own, of whose errors we say nothing: they
# are to refuse in time, without a crash, and to run no code.
THEIRS = ("keras_file", "records")
ROOT = pathlib.Path(__file__).parents[2]


class Worker:
    """The process, started again when it has died."""

    def __init__(self):
        self.process = None
        self.warm = {}  # attempt: a good folder, to be opened first.

    def ask(self, attempt, folder, limited=True):
        """Returns the answer, or one that says how the process died."""
        if self.process is None:
            self._start()
            for known, good in self.warm.items():
                self.ask(known, good, limited=False)
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

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process_code = self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


def fault(mutant, answer, digest, folder, attempt):
    """Returns what is wrong with an answer, or `None`."""
    if "died" in answer:
        return answer["died"]
    if answer["seconds"] > MAKING_SECONDS.get(attempt, MOST_SECONDS):
        return f"takes {answer['seconds']:.1f} s"
    if answer["bytes"] > MOST_BYTES:
        return f"takes {answer['bytes'] >> 20} MB"
    if answer["error"] is not None:
        message = answer["message"]
        if attempt in THEIRS and mutant.want != SAME:
            return None
        if answer["error"] not in CLEAR:
            return f"{answer['error']}: {message[:300]}"
        if mutant.want == SAME:
            return f"is refused: {message[:300]}"
        name = pathlib.Path(mutant.file).name
        if not _is_named(mutant, folder, message):
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


def _is_named(mutant, folder, message):
    """Whether a message names a file: two may disagree, and it says either."""
    for file in mutant.files:
        path = pathlib.Path(file)
        prefix = pathlib.Path(folder, path.parent, path.name.split(".")[0])
        if path.name in message or str(prefix) in message:
            return True
    return False


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
                # What is loaded once is not counted, so twice.
                for _ in range(2):
                    first = worker.ask(attempt, good, limited=False)
                digest = first.get("digest")
                worker.warm[attempt] = good
                if digest is None:
                    raise AssertionError(f"the good {good} fails: {first}")
            answer = worker.ask(attempt, folder)
            yield mutant, answer, fault(mutant, answer, digest, folder, attempt)


class Table:
    """Counts, by what was opened and by what was done to it."""

    def __init__(self):
        self.counts = collections.Counter()
        self.faults = []
        self.seconds = self.bytes = 0

    def add(self, name, mutant, answer, wrong):
        outcome = "refused" if answer.get("error") else "opened"
        self.counts[name, mutant.kind, outcome] += 1
        if wrong is not None:
            self.faults.append(f"{name}: {mutant.kind}, {mutant.name}: {wrong}")
            print("-", self.faults[-1][:1000], flush=True)
            return
        self.seconds = max(self.seconds, answer["seconds"])
        self.bytes = max(self.bytes, answer["bytes"])

    def said(self):
        """One line of all."""
        return (
            f"{self.counts.total()} files, {len(self.faults)} not held; at "
            f"most {self.seconds:.2f} s and {self.bytes >> 20} MB"
        )

    def markdown(self):
        """A table of what was opened, refused and opened nevertheless."""
        lines = ["| files | tried | refused | opened |", "|---|---|---|---|"]
        for name in dict.fromkeys(key[0] for key in self.counts):
            of_name = {k: n for k, n in self.counts.items() if k[0] == name}
            refused = sum(n for k, n in of_name.items() if k[2] == "refused")
            tried = sum(of_name.values())
            lines.append(
                f"| {name} | {tried} | {refused} | {tried - refused} |"
            )
        return "\n".join([*lines, "", self.said()])
