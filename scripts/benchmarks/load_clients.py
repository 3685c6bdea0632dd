"""Clients that ask a server for a while, and compare every answer."""

import dataclasses
import queue
import random
import threading
import time

import numpy as np

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError

TOLERANCE = 1e-5


@dataclasses.dataclass
class Text:
    """A text, the bucket that it runs in, and its right answer."""

    text: str
    bucket: int
    answer: dict[str, np.ndarray]


@dataclasses.dataclass
class Result:
    """What happened in one phase; latencies in seconds by bucket."""

    name: str
    seconds: float = 0.0
    latencies: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)

    def percentiles(self, bucket: int | None = None) -> np.ndarray:
        """50th, 95th and 99th percentile, in milliseconds."""
        chosen = [s for b, s in self.latencies if bucket in (None, b)]
        return 1e3 * np.percentile(chosen or [np.nan], [50, 95, 99])

    def count(self, bucket: int | None = None) -> int:
        """Answers."""
        return sum(bucket in (None, b) for b, _ in self.latencies)

    def rate(self, bucket: int | None = None) -> float:
        """Answers a second."""
        return self.count(bucket) / self.seconds


class Clients:
    """Threads with a client each, which ask texts of a model at random."""

    def __init__(
        self,
        address: str,
        model: str,
        protocol: str,
        texts: list[Text],
        num_clients: int = 4,
    ):
        self.address = address
        self.model = model
        self.protocol = protocol
        self.texts = texts
        self.num_clients = num_clients
        self._lock = threading.Lock()

    def make(self) -> ServingClient:
        """Returns a client that is patient enough for a restart."""
        return ServingClient(
            self.address,
            self.model,
            protocol=self.protocol,
            timeout_seconds=120.0,
            retries=12,
        )

    def closed(self, name: str, seconds: float, during=None) -> Result:
        """Each client asks again when it has its answer.

        Args:
            name: str, of the phase.
            seconds: float, how long they go on.
            during: called meanwhile; they go on until it returns.
        """
        result, stop = Result(name), threading.Event()

        def work(seed):
            chooser = random.Random(seed)
            with self.make() as client:
                while not stop.is_set():
                    text = chooser.choice(self.texts)
                    self.ask(client, text, result, time.perf_counter())

        threads = self._start(work)
        started = time.perf_counter()
        if during is not None:
            during()
        time.sleep(max(0.0, started + seconds - time.perf_counter()))
        stop.set()
        for thread in threads:
            thread.join()
        result.seconds = time.perf_counter() - started
        return result

    def open(self, name: str, seconds: float, rate: float) -> Result:
        """Requests come at random, `rate` a second, whatever is unanswered.

        A latency begins when the request was due, not when it was sent.
        """
        result, due = Result(name), queue.Queue()

        def work(_):
            with self.make() as client:
                while (item := due.get()) is not None:
                    self.ask(client, item[0], result, item[1])

        threads = self._start(work, 4 * self.num_clients)
        chooser = random.Random(7)
        started = now = time.perf_counter()
        while (now := now + chooser.expovariate(rate)) < started + seconds:
            time.sleep(max(0.0, now - time.perf_counter()))
            due.put((chooser.choice(self.texts), now))
        for _ in threads:
            due.put(None)
        for thread in threads:
            thread.join()
        result.seconds = time.perf_counter() - started
        return result

    def ask(
        self,
        client: ServingClient,
        text: Text,
        result: Result,
        started: float,
    ) -> None:
        """Asks, compares and notes."""
        try:
            got = client.predict([text.text])
        except ServingError as error:
            with self._lock:
                result.lost.append(str(error))
            return
        seconds = time.perf_counter() - started
        difference = compare(got, text.answer)
        with self._lock:
            result.latencies.append((text.bucket, seconds))
            if difference:
                result.wrong.append(difference)

    def _start(self, work, count=None):
        threads = [
            threading.Thread(target=work, args=(seed,), daemon=True)
            for seed in range(count or self.num_clients)
        ]
        for thread in threads:
            thread.start()
        return threads


def compare(got: dict, want: dict) -> str | None:
    """Returns how an answer differs, if it does."""
    if set(got) != set(want):
        return f"outputs {sorted(got)}, not {sorted(want)}"
    for name, value in want.items():
        if value.dtype.kind == "f":
            same = np.allclose(got[name], value, rtol=0, atol=TOLERANCE)
        else:
            same = got[name].tolist() == value.tolist()
        if not same:
            return f"{name} is {got[name].tolist()}, not {value.tolist()}"
    return None


# Requests that no well-meaning client sends: what is asked, and what must come,
# "answer" or a word of the error.
HOSTILE_TEXTS = {
    "empty text": ("", "answer"),
    "5 MB": ("good " * 1_000_000, "max_text_bytes"),
    "invalid UTF-8": (b"\xff\xfe \xc3 good", "answer"),
    "NUL bytes": ("go\0od" * 100, "answer"),
    "10,000 <mask>": ("<mask>" * 10_000, "answer"),
    "one word of 100 KB": ("x" * 100_000, "answer"),
}
HOSTILE_INPUTS = {
    "wrong dtype": ({"text": [1, 2]}, "serving_default", "string"),
    "wrong signature": ({"text": ["good"]}, "nonsense", "not found"),
    "wrong input": ({"texts": ["good"]}, "serving_default", "input"),
    "no rows": ({"text": []}, "serving_default", ""),
    "ids that are none": (
        {"token_ids": np.array([[0, -7, 2]], np.int32)},
        "tokens",
        "token id",
    ),
    "too many ids": (
        {"token_ids": np.full([1, 9000], 5, np.int32)},
        "tokens",
        "the model reads",
    ),
}


def send_hostile(client: ServingClient) -> dict[str, str]:
    """Returns what came of each request: "answer", an error, or, where that is
    not what must come, a line that begins with "WRONG"."""
    came = {}
    for name, (text, want) in HOSTILE_TEXTS.items():
        came[name] = _outcome(lambda t=text: client.predict([t]), want)
    for name, (inputs, signature, want) in HOSTILE_INPUTS.items():
        came[name] = _outcome(
            lambda i=inputs, s=signature: client.predict_inputs(i, signature=s),
            want,
        )
    return came


def _outcome(send, want):
    try:
        answer = send()
    except ServingError as error:
        came = str(error)
    else:
        errors = [x.decode() for x in answer.get("error", np.array([])) if x]
        came = errors[0] if errors else "answer"
    fine = came == "answer" if want == "answer" else want in came
    return came if fine else f"WRONG: {came}"
