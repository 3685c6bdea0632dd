"""The stand-in server as a process: started, measured, killed, updated."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import measure
import numpy as np
from load_clients import Clients
from load_clients import Text
from load_clients import send_hostile

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError

ROOT = pathlib.Path(__file__).parents[2]


class Server:
    """One process after another on the same ports.

    Attributes:
        ports: dict of "grpc" and "rest" to int.
        memory: list of (seconds since the start, resident MB).
        moments: list of (name, seconds since the start) of phases.
    """

    def __init__(self, name: str, folder: str, max_seconds: float):
        self.name, self.folder = name, folder
        self.max_seconds = max_seconds
        self.ports = {"grpc": 0, "rest": 0}
        self.memory = []
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

    def kill_and_restart(self) -> None:
        """Without a warning, as a machine dies."""
        self._kill()
        self.start()

    def close(self) -> None:
        self._closed.set()
        self._kill()

    def resident_mb(self) -> float:
        """Returns the process' resident memory, NaN where there is none."""
        try:
            return measure.status_bytes("VmRSS", self._process.pid) / 2**20
        except (OSError, RuntimeError):  # It is ending.
            return float("nan")

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


# The first requests to a version, beside later ones.


@dataclasses.dataclass
class First:
    """One bucket's first request and the median of those after it.

    Attributes:
        seconds: first and median, until the answer was there.
        cpu_seconds: first and median, of the server's threads. On a machine
            with other work this is the steadier of the two.
    """

    bucket: int
    seconds: tuple[float, float]
    cpu_seconds: tuple[float, float]

    def ratio(self) -> float:
        return self.seconds[0] / self.seconds[1]

    def cpu_ratio(self) -> float:
        return self.cpu_seconds[0] / self.cpu_seconds[1]


@dataclasses.dataclass
class Swap:
    """A version that took over from another."""

    version: int
    first: list[First]
    megabytes: float  # Resident, when the version before was gone.


def first_requests(
    client: ServingClient, texts: list[Text], server: Server, rounds: int = 7
) -> list[First]:
    """Asks one text of each bucket, `rounds` times, over one connection."""
    chosen = sorted({text.bucket: text for text in texts}.items())
    seen = {bucket: [] for bucket, _ in chosen}
    for _ in range(rounds):
        for bucket, text in chosen:
            before, started = server.cpu_seconds(), time.perf_counter()
            client.predict([text.text])
            seconds = time.perf_counter() - started
            after = server.cpu_seconds()
            # A thread that is new has begun with nothing.
            cpu = sum(s - before.get(thread, 0) for thread, s in after.items())
            seen[bucket].append((seconds, cpu))
    measured = []
    for bucket, values in seen.items():
        (seconds, cpu), rest = values[0], np.median(values[1:], axis=0)
        measured.append(First(bucket, (seconds, rest[0]), (cpu, rest[1])))
    return measured


def connect(client: ServingClient) -> None:
    """Makes the client's connection, and runs nothing on the server."""
    try:
        client.predict(["good"], signature="none")
    except ServingError:
        pass


def swap_often(clients: Clients, server: Server, version: str, count: int):
    """Yields a `Swap` for each of `count` new versions.

    Between them, hostile requests. The connection is warm, the version before
    is gone, and no others ask: what is slow in a first request is the
    version's own.
    """
    with clients.make() as client:
        connect(client)
        for _ in range(count):
            send_hostile(client)
            number = publish(version)
            wait_until_alone(client, number)
            first = first_requests(client, clients.texts, server)
            yield Swap(number, first, server.resident_mb())


def publish(version: str) -> int:
    """Copies a version under a temporary name and renames it to the next."""
    path = pathlib.Path(version).parent
    number = 1 + max(int(x) for x in os.listdir(path) if x.isdigit())
    copy = shutil.copytree(version, path / ".copying")
    os.rename(copy, path / str(number))
    return number


def wait_until_alone(client: ServingClient, number: int) -> None:
    """Until a version takes requests and all before it are unloaded."""
    while True:
        *others, last = client.status()
        if last == (number, "AVAILABLE") and all(
            state == "END" for _, state in others
        ):
            return
        time.sleep(0.1)
