"""Versions of one model: loaded, warmed up, swapped and unloaded."""

import collections
import gc
import pathlib
import threading
import time

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

MAX_WARMUP_RECORDS = 1000


class Refused(Exception):
    """A request that gets an error; `status` is a gRPC code's name."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# TensorFlow's error codes are gRPC's.
CODES = {
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
}


class Version:
    """One loaded version: what TF Serving's `SavedModelBundle` holds."""

    def __init__(self, folder):
        self.number = int(folder.name)
        self.folder = folder
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.loader.load(
                self.session, ["serve"], str(folder)
            )
        self.signatures = dict(meta.signature_def)
        self.warm_up()

    def warm_up(self):
        """A record that fails, or too many, fail the load."""
        path = self.folder / "assets.extra" / "tf_serving_warmup_requests"
        if not path.exists():
            return
        records = tf.compat.v1.io.tf_record_iterator(str(path))
        for i, record in enumerate(records):
            if i == MAX_WARMUP_RECORDS:
                raise Refused("INVALID_ARGUMENT", "too many warm-up records")
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            name = request.model_spec.signature_name
            if name.endswith("_xla"):
                raise Refused(
                    "UNIMPLEMENTED",
                    "XLA compilation is off, which is the server's default",
                )
            inputs = {
                key: tf.make_ndarray(x) for key, x in request.inputs.items()
            }
            self.check(name, inputs)
            self.run(name, inputs)

    def check(self, name, inputs):
        """What `PreProcessPrediction` checks."""
        if name not in self.signatures:
            raise Refused(
                "FAILED_PRECONDITION",
                f'Serving signature key "{name}" not found.',
            )
        wanted = set(self.signatures[name].inputs)
        if wanted != set(inputs):
            raise Refused(
                "INVALID_ARGUMENT",
                "input size does not match signature. Sent extra: "
                f"{sorted(set(inputs) - wanted)}. Missing but required: "
                f"{sorted(wanted - set(inputs))}.",
            )
        for key, info in self.signatures[name].inputs.items():
            dtype = tf.as_dtype(info.dtype)
            got = inputs[key].dtype
            got = tf.string if got.kind in "OSU" else tf.as_dtype(got)
            if got != dtype:
                raise Refused(
                    "INVALID_ARGUMENT",
                    f"Expects {key} to be {dtype.name} but {got.name} is "
                    "provided",
                )
            if inputs[key].ndim != len(info.tensor_shape.dim):
                raise Refused(
                    "INVALID_ARGUMENT", f"{key} has rank {inputs[key].ndim}"
                )

    def run(self, name, inputs):
        signature = self.signatures[name]
        try:
            return self.session.run(
                {key: x.name for key, x in signature.outputs.items()},
                {signature.inputs[key].name: x for key, x in inputs.items()},
            )
        except tf.errors.OpError as error:
            status = CODES.get(error.error_code, "INTERNAL")
            raise Refused(status, error.message) from error


class Model:
    """The highest version in a folder, polled.

    A new version is loaded and warm before it takes requests, and the one
    before it is closed when its last request is answered.
    """

    def __init__(self, name, folder, poll_seconds=0.2, make_runner=None):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.poll_seconds = poll_seconds
        self.failed = {}
        self.old = {}  # State by number of versions that were served once.
        self._make_runner = make_runner or (lambda version: version)
        self._lock = threading.Condition()
        self._current = None
        self._users = collections.Counter()  # Requests under way.
        self._stop = threading.Event()
        self.poll()
        self._thread = threading.Thread(target=self._poll_on, daemon=True)
        self._thread.start()

    def poll(self):
        numbers = [
            int(child.name)
            for child in self.folder.iterdir()
            if child.name.isdigit() and int(child.name) not in self.failed
        ]
        highest = max(numbers, default=None)
        if highest is None or (
            self._current is not None
            and self._current.version.number == highest
        ):
            return
        try:
            version = Version(self.folder / str(highest))
        except (Refused, tf.errors.OpError, OSError, ValueError) as error:
            self.failed[highest] = str(error)
            return
        self._swap(_Served(version, self._make_runner(version)))

    def _swap(self, served):
        with self._lock:
            before, self._current = self._current, served
            if before is None:
                return
            number = before.version.number
            self.old[number] = "UNLOADING"
            self._lock.wait_for(lambda: before not in self._users, 60)
        before.close()
        before = None
        gc.collect()  # The objects of a graph in Python hold each other.
        self.old[number] = "END"

    def _poll_on(self):
        while not self._stop.wait(self.poll_seconds):
            self.poll()

    def close(self):
        self._stop.set()
        self._thread.join()
        if self._current is not None:
            self._current.close()

    def states(self):
        """Of each version, the highest first, as the server lists them."""
        states = dict.fromkeys(self.failed, "END") | self.old
        with self._lock:
            if self._current is not None:
                states[self._current.version.number] = "AVAILABLE"
        return sorted(states.items(), reverse=True)

    def signatures(self):
        """`SignatureDef` by name, of the version that is served."""
        served = self._current
        return {} if served is None else served.version.signatures

    def predict(self, name, inputs, number=None):
        """Returns the version's number and the outputs."""
        with self._lock:
            served = self._current
            if served is None or number not in (None, served.version.number):
                wanted = "Latest" if number is None else f"{number}"
                raise Refused(
                    "NOT_FOUND",
                    f"Servable not found for request: {wanted}({self.name})",
                )
            self._users[served] += 1
        try:
            name = name or "serving_default"
            served.version.check(name, inputs)
            return served.version.number, served.runner.run(name, inputs)
        finally:
            with self._lock:
                self._users[served] -= 1
                if not self._users[served]:
                    del self._users[served]
                self._lock.notify_all()


class _Served:
    def __init__(self, version, runner):
        self.version = version
        self.runner = runner

    def close(self):
        if self.runner is not self.version:
            self.runner.close()
        self.version.session.close()


def wait_for_version(model, number, state="AVAILABLE", seconds=60.0):
    deadline = time.monotonic() + seconds
    while (number, state) not in model.states():
        assert time.monotonic() < deadline, model.states()
        time.sleep(0.02)
