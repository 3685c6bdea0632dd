"""Which devices and machines train together, and what they agree on.

A cluster is described as TensorFlow has it, in the environment variable
`TF_CONFIG`, the same on all machines but for `index`:

    {"cluster": {"worker": ["a.lan:2222", "b.lan:2222"]},
     "task": {"type": "worker", "index": 0}}
"""

import contextlib
import functools
import json
import os
import re
import socket
import typing
import zlib

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as tf_context

STRATEGIES = ("auto", "mirrored", "multi_worker")
# What TensorFlow says of another worker that is gone, or left.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")
_SYMPTOMS = re.compile(
    r"heartbeat|coordination|collective|connect|socket|peer|/job:|GOAWAY",
    re.IGNORECASE,
)


# Of the lines of such an error, those that name the cause.
_TELLING = re.compile(r"abort|heartbeat|connect|unhealthy", re.IGNORECASE)


class WorkerLostError(RuntimeError):
    """Another machine of the cluster does not answer any more."""


class Cluster(typing.NamedTuple):
    """What `TF_CONFIG` says.

    Attributes:
        addresses: list of str, `host:port`, the chief's first.
        index: int, which of them this process is.
        job, task: str and int, the same as `TF_CONFIG` says it.
    """

    addresses: list
    index: int
    job: str
    task: int


def distribution_strategy(
    name: str | None = "auto",
) -> tf.distribute.Strategy:
    """Returns the strategy to make, compile and fit a model under.

    Call it first of all: a cluster must be joined before TensorFlow runs its
    first operation.

    Args:
        name: `"mirrored"`: all GPUs of this machine, or its logical CPUs;
            `"multi_worker"`: all machines of `TF_CONFIG`, with all their
            GPUs; `"auto"`: the latter where `TF_CONFIG` names several
            workers, the former where there are several GPUs, else none;
            `None`: none.

    Returns:
        A `tf.distribute.Strategy`; without any, TensorFlow's default one,
        whose scope changes nothing.

    Raises:
        ValueError: another name, a `TF_CONFIG` that cannot be read, or no
            second device.
        RuntimeError: TensorFlow has run before, or the port is taken.

    Example:
    ```python
    strategy = distribution_strategy()
    with strategy.scope():
        classifier = keras_longformer.LongformerTextClassifier.from_preset(
            "path/to/roberta-base", num_classes=2)
        classifier.compile()
    classifier.fit(["a text", "another"], [0, 1], batch_size=2)  # Of all.
    ```
    """
    if name is None:
        return tf.distribute.get_strategy()
    if name not in STRATEGIES:
        raise ValueError(
            f"`distribution` is one of {STRATEGIES} or None. Received: "
            f"{name!r}."
        )
    cluster = read_cluster() if name != "mirrored" else None
    if name == "auto":
        if cluster is not None and len(cluster.addresses) > 1:
            name = "multi_worker"
        elif len(tf.config.list_physical_devices("GPU")) > 1:
            name = "mirrored"
        else:
            return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored()
    if cluster is None:
        raise ValueError(
            'distribution="multi_worker" reads the machines from the '
            "environment variable TF_CONFIG, which is not set. For two: "
            + _example()
        )
    return _multi_worker(cluster)


def read_cluster(text: str | None = None) -> Cluster | None:
    """Reads and checks `TF_CONFIG`.

    Args:
        text: str, by default the environment's.

    Returns:
        The cluster, or `None`: it is not set, or names no machines.

    Raises:
        ValueError: what is wrong with it.
    """
    text = os.environ.get("TF_CONFIG", "") if text is None else text
    if not text.strip():
        return None
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(text, f"it is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise _wrong(text, "it is not a JSON object")
    jobs = config.get("cluster") or {}
    if not jobs:
        return None
    if not isinstance(jobs, dict) or not set(jobs) <= {"chief", "worker"}:
        raise _wrong(
            text,
            '"cluster" is an object of "worker" and, if you like, "chief"; '
            "parameter servers and evaluators are not supported",
        )
    addresses = []
    for job in ("chief", "worker"):
        listed = jobs.get(job, [])
        if not isinstance(listed, list):
            raise _wrong(text, f'"{job}" is a list of "host:port"')
        addresses += listed
    _check_addresses(text, jobs, addresses)
    task = config.get("task")
    if not isinstance(task, dict) or task.get("type") not in jobs:
        raise _wrong(
            text,
            'it does not say which machine this is: "task" is an object of '
            f'"type", one of {sorted(jobs)}, and "index"',
        )
    try:
        index = int(task.get("index"))
    except (TypeError, ValueError):
        index = -1
    number = len(jobs[task["type"]])
    if not 0 <= index < number:
        raise _wrong(
            text,
            f'"index" is {task.get("index")!r}, and of "{task["type"]}" there '
            f"are {number}: 0 to {number - 1}",
        )
    before = len(jobs.get("chief", [])) if task["type"] == "worker" else 0
    return Cluster(addresses, before + index, task["type"], index)


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether `strategy` is of several processes."""
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.extended._in_multi_worker_mode()
    )


def worker_of(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Returns which worker this process is, and how many there are."""
    if not is_multi_worker(strategy):
        return 0, 1
    cluster = read_cluster()
    return cluster.index, len(cluster.addresses)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the one that writes files."""
    return worker_of(strategy)[0] == 0


def gather(strategy: tf.distribute.Strategy, values) -> np.ndarray:
    """Returns what every worker says, the same on all; all must call it.

    Args:
        strategy: of one process or several.
        values: list of int, as many on each.

    Returns:
        int64 `(workers, values)`.
    """
    values = np.asarray(values, "int64").reshape(1, -1)
    if not is_multi_worker(strategy):
        return values

    @tf.function
    def ask():
        return strategy.gather(strategy.run(lambda: tf.constant(values)), 0)

    rows = ask().numpy()
    return rows[:: len(rows) // worker_of(strategy)[1]]


def share_batches(
    strategy: tf.distribute.Strategy, dataset: tf.data.Dataset, rows: int
):
    """Returns what `fit` takes of a worker's own part of each batch.

    Args:
        strategy: of one process or several.
        dataset: of this worker's parts alone, all of them of one size.
        rows: int, that size.

    Returns:
        `dataset`, or of several processes one of each device's rows.
    """
    if not is_multi_worker(strategy):
        return dataset
    devices = strategy.num_replicas_in_sync // worker_of(strategy)[1]
    if devices > 1:
        dataset = dataset.unbatch().batch(rows // devices, drop_remainder=True)
    return strategy.distribute_datasets_from_function(lambda _: dataset)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when all workers are here, such as at the end of a program."""
    gather(strategy, [0])


def agree(strategy: tf.distribute.Strategy, value: int, what: str) -> None:
    """Checks that all workers have the same number; all must call it.

    Raises:
        ValueError: they have not; says which worker has which.
    """
    values = gather(strategy, [value])[:, 0]
    if len(set(values.tolist())) > 1:
        raise ValueError(
            f"The workers differ in {what}: "
            + ", ".join(f"worker {i} has {x}" for i, x in enumerate(values))
            + "."
        )


def agree_on_order(strategy: tf.distribute.Strategy) -> None:
    """Lets all workers shuffle alike, so that they share each batch.

    Without a seed, they take one of the chief's. With one, from
    `keras.utils.set_random_seed`, they shuffle as one process does.

    Raises:
        ValueError: they have different seeds, or drew a different number of
            random numbers since.
    """
    if not is_multi_worker(strategy):
        return
    seed = tf_context.global_seed()
    mine = [-1 if seed is None else seed, int.from_bytes(os.urandom(3))]
    rows = gather(strategy, mine)
    if (rows[:, 0] == -1).all():
        tf.random.set_seed(int(rows[0, 1]))
        return
    agree(strategy, mine[0], "their random seed")
    state = repr(tf_context.context()._rng.getstate())
    agree(
        strategy,
        zlib.crc32(state.encode()),
        "how many random numbers they drew since `set_random_seed`, where all "
        "must run the same program. By digest",
    )


@contextlib.contextmanager
def worker_errors(strategy: tf.distribute.Strategy):
    """Says in a sentence that another worker is lost, and what to do."""
    if not is_multi_worker(strategy):
        yield
        return
    try:
        yield
    except _LOST as error:
        if not _SYMPTOMS.search(str(error)):
            raise
        raise WorkerLostError(_lost(error)) from None


def says_lost_workers(method):
    """Decorates a method of a model: errors as `worker_errors` says them."""

    @functools.wraps(method)
    def wrapped(self, *args, **kwargs):
        with worker_errors(self.distribute_strategy):
            return method(self, *args, **kwargs)

    return wrapped


def _lost(error):
    cluster = read_cluster()
    named = {
        (job, int(task))
        for job, task in _TASK.findall(str(error))
        if (job, int(task)) != (cluster.job, cluster.task)
    }
    who = "Another worker"
    if len(named) == 1:
        ((job, task),) = named
        index = task
        if job == "worker":
            index += cluster.job == "chief" or _has_chief()
        if index < len(cluster.addresses):
            who = f"Worker {index} ({cluster.addresses[index]})"
    return (
        f"{who} does not answer any more, and no worker can go on without "
        f"it; this is worker {cluster.index} of {len(cluster.addresses)}. End "
        "the processes that are left, on all machines, and start the same "
        "command on all again: a run that saves its state goes on from the "
        f"last one.\nTensorFlow says: {_reason(error)}"
    )


def _reason(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or [type(error).__name__])[0]


def _has_chief():
    return '"chief"' in os.environ["TF_CONFIG"]


def _mirrored():
    devices = [
        device.name.removeprefix("/device:")
        for kind in ("GPU", "CPU")
        for device in tf.config.list_logical_devices(kind)
    ]
    gpus = [device for device in devices if device.startswith("GPU")]
    devices = gpus or devices
    if len(devices) < 2:
        raise ValueError(
            'distribution="mirrored" needs two devices or more. TensorFlow '
            f"sees: {', '.join(devices)}."
        )
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker(cluster):
    _check_port(cluster)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise RuntimeError(
            "TensorFlow ran an operation before the cluster was joined. Call "
            '`distribution_strategy("multi_worker")` first of all: before any '
            "tensor, dataset, tokenizer or model is made."
        ) from error


def _check_port(cluster):
    host, _, port = cluster.addresses[cluster.index].rpartition(":")
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(port)))
        except OSError as error:
            raise RuntimeError(
                f"Port {port} of this machine ('{host}', worker "
                f"{cluster.index} of TF_CONFIG) cannot be opened: "
                f"{error.strerror}. End the process that has it, such as a "
                "worker of an earlier run, or name another port, on all "
                "workers."
            ) from None


def _check_addresses(text, jobs, addresses):
    if len(jobs.get("chief", [])) > 1:
        raise _wrong(text, 'there can be one "chief" only')
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise _wrong(text, f'{address!r} is not "host:port"')
    if len(set(addresses)) < len(addresses):
        raise _wrong(text, "an address is there twice")
    if not addresses:
        raise _wrong(text, "there are no addresses")


def _wrong(text, what):
    return ValueError(
        f"TF_CONFIG cannot be followed: {what}. Two machines have, but for "
        f"`index`: {_example()}\nReceived: {text}"
    )


def _example():
    return json.dumps(
        {
            "cluster": {"worker": ["first.host:2222", "second.host:2222"]},
            "task": {"type": "worker", "index": 0},
        }
    )
