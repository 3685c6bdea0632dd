"""The stand-in server as a process that is measured, killed and restarted."""

import json
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]


class Server:
    """One process after another on the same ports.

    Attributes:
        ports: dict of "grpc" and "rest" to int.
        memory: list of (seconds since the start, resident MB).
        restarts: list of seconds since the start.
        moments: list of (name, seconds since the start) of phases.
    """

    def __init__(self, name: str, folder: str, max_seconds: float):
        self.name = name
        self.folder = folder
        self.max_seconds = max_seconds
        self.ports = {"grpc": 0, "rest": 0}
        self.memory = []
        self.restarts = []
        self.moments = []
        self.began = time.perf_counter()
        self._process = None
        self._closed = threading.Event()
        self.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self) -> None:
        """Starts it and returns when it takes requests."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.serving.stand_in"),
                *("--name", self.name, "--folder", self.folder, "--batching"),
                f"--grpc_port={self.ports['grpc']}",
                f"--rest_port={self.ports['rest']}",
                f"--max_seconds={self.max_seconds}",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The stand-in server did not start.")
        ready = json.loads(line)
        self.ports = {"grpc": ready["grpc"], "rest": ready["rest"]}
        self.load_seconds = ready["seconds"]

    def kill_and_restart(self) -> None:
        """Without a warning, as a machine dies."""
        self._kill()
        self.restarts.append(time.perf_counter() - self.began)
        self.start()

    def close(self) -> None:
        self._closed.set()
        self._kill()

    def resident_mb(self) -> float:
        """Returns the process' resident memory, NaN where there is none."""
        try:
            status = pathlib.Path(f"/proc/{self._process.pid}/status")
            found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        except OSError:
            found = None
        return int(found[1]) / 1024 if found else float("nan")

    def cpu_seconds(self) -> dict[str, float]:
        """Returns what each of its threads has computed so far."""
        seconds = {}
        for path in pathlib.Path(f"/proc/{self._process.pid}/task").glob("*"):
            try:
                nanoseconds = (path / "schedstat").read_text().split()[0]
            except OSError:
                continue  # It has ended.
            seconds[path.name] = int(nanoseconds) / 1e9
        return seconds

    def _kill(self):
        with self._process:  # Waits for it, and closes its output.
            self._process.kill()

    def _watch(self):
        while not self._closed.wait(0.25):
            megabytes = self.resident_mb()
            if megabytes == megabytes:  # Not between two processes.
                seconds = time.perf_counter() - self.began
                self.memory.append((seconds, megabytes))
