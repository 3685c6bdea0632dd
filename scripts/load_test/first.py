"""The first requests to a version, beside later ones."""

import dataclasses
import os
import pathlib
import shutil
import time

import numpy as np

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError
from scripts.load_test import hostile
from scripts.load_test.load import Clients
from scripts.load_test.load import Text
from scripts.load_test.server import Server


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


def measure(
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
            hostile.send_all(client)
            number = publish(version)
            wait_until_alone(client, number)
            first = measure(client, clients.texts, server)
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
