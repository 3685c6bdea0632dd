"""Batching as the server's `BatchingSession` does it."""

import queue
import re
import threading
import time

import numpy as np

from tests.serving.stand_in.versions import Refused


class Parameters:
    """`batching_params.pbtxt`, of which only what is used is read."""

    def __init__(self, text):
        def number(name):
            return int(re.search(rf"{name} {{ value: (\d+) }}", text)[1])

        self.max_batch_size = number("max_batch_size")
        self.timeout_seconds = number("batch_timeout_micros") / 1e6
        self.max_enqueued_batches = number("max_enqueued_batches")
        self.allowed = [
            int(x) for x in re.findall(r"allowed_batch_sizes: (\d+)", text)
        ]
        self.pad = "pad_variable_length_inputs: true" in text
        if self.allowed != sorted(self.allowed) or (
            self.allowed[-1] != self.max_batch_size
        ):
            raise Refused(
                "INVALID_ARGUMENT",
                "allowed_batch_sizes must ascend and end in max_batch_size",
            )


class _Task:
    def __init__(self, inputs):
        self.inputs = inputs
        self.size = len(next(iter(inputs.values())))
        self.done = threading.Event()
        self.result = None

    def finish(self, result):
        self.result = result
        self.done.set()


class BatchingRunner:
    """Runs a version's requests together, one queue for each signature.

    What goes wrong in a batch goes wrong for each request in it, as on the
    server.
    """

    def __init__(self, version):
        self.version = version
        path = version.folder / "batching_params.pbtxt"
        self.parameters = Parameters(path.read_text("utf-8"))
        self.sizes = []  # Of the batches that were run.
        self._queues = {}
        self._lock = threading.Lock()
        self._threads = []
        self._closed = False

    def run(self, name, inputs):
        task = _Task(inputs)
        if task.size > self.parameters.max_batch_size:
            raise Refused(
                "INVALID_ARGUMENT",
                f"Task size {task.size} is larger than maximum input batch "
                f"size {self.parameters.max_batch_size}",
            )
        if any(len(x) != task.size for x in inputs.values()):
            raise Refused(
                "INVALID_ARGUMENT",
                "Batching session Run() input tensors must have equal 0th-"
                "dimension size",
            )
        try:
            self._queue(name).put_nowait(task)
        except queue.Full:
            raise Refused(
                "UNAVAILABLE",
                "The batch scheduling queue to which this task was submitted "
                "is full",
            ) from None
        task.done.wait()
        if isinstance(task.result, Refused):
            raise task.result
        return task.result

    def close(self):
        self._closed = True
        for thread in self._threads:
            thread.join()

    def _queue(self, name):
        with self._lock:
            if name not in self._queues:
                self._queues[name] = queue.Queue(
                    self.parameters.max_enqueued_batches
                    * self.parameters.max_batch_size
                )
                thread = threading.Thread(
                    target=self._work, args=(name,), daemon=True
                )
                thread.start()
                self._threads.append(thread)
            return self._queues[name]

    def _work(self, name):
        tasks, left_over = self._queues[name], None
        while not self._closed:
            try:
                first = left_over or tasks.get(timeout=0.05)
            except queue.Empty:
                continue
            left_over, batch, size = None, [first], first.size
            deadline = time.monotonic() + self.parameters.timeout_seconds
            while size < self.parameters.max_batch_size:
                wait = deadline - time.monotonic()
                try:
                    task = tasks.get(timeout=max(wait, 1e-4))
                except queue.Empty:
                    break
                if size + task.size > self.parameters.max_batch_size:
                    left_over = task
                    break
                batch.append(task)
                size += task.size
            self._run_batch(name, batch, size)

    def _run_batch(self, name, batch, size):
        try:
            merged = self._merge(batch, size)
            outputs = self.version.run(name, merged)
        except Refused as error:
            for task in batch:
                task.finish(error)
            return
        start = 0
        for task in batch:
            task.finish(
                {
                    key: x[start : start + task.size]
                    for key, x in outputs.items()
                }
            )
            start += task.size

    def _merge(self, batch, size):
        target = next(n for n in self.parameters.allowed if n >= max(size, 1))
        self.sizes.append(target)
        merged = {}
        for key in batch[0].inputs:
            tensors = [task.inputs[key] for task in batch]
            if size:  # By the first row of the last request.
                last = next(x for x in tensors[::-1] if len(x))
                tensors += [last[:1]] * (target - size)
            if tensors[0].ndim > 1:
                tensors = self._same_width(tensors)
            merged[key] = np.concatenate(tensors)
        return merged

    def _same_width(self, tensors):
        """Pads as `pad_variable_length_inputs`: with the first element."""
        widest = max(x.shape[1] for x in tensors)
        if not self.parameters.pad and any(
            x.shape[1] != widest for x in tensors
        ):
            raise Refused("FAILED_PRECONDITION", "Tensors have other shapes.")
        return [
            np.pad(
                x,
                [(0, 0), (0, widest - x.shape[1])],
                constant_values=x.flat[0] if x.size else 0,
            )
            for x in tensors
        ]
