"""How far a long run is, and how long the rest will take."""

import sys
import time

import keras


class Progress:
    """Writes a line to stderr that says how much is done and what is left.

    In a terminal the line is written over; elsewhere a new one comes every
    half a minute.

    Args:
        title: str, what is being done.
        total: int, how much there is to do.
        done: int, how much of it was done before.

    Attributes:
        note: str, what else there is to say, "" for nothing.

    Example:
    ```python
    with Progress("Counting", 3) as progress:
        for _ in range(3):
            progress(1)
    ```
    """

    def __init__(self, title: str, total: int, done: int = 0):
        self.title = title
        self.total = total
        self.note = ""
        self.done = self.before = done
        self.begin = time.monotonic()
        self.over = sys.stderr.isatty()
        self.wait = 0.2 if self.over else 30.0
        self.last = self.begin

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.done > self.before:
            self._write(end="\n")

    def __call__(self, count: int) -> None:
        """Notes that `count` more are done."""
        self.done += count
        now = time.monotonic()
        if now - self.last >= self.wait:
            self.last = now
            self._write(end="" if self.over else "\n")

    def line(self) -> str:
        """Returns what there is to say now."""
        seconds = time.monotonic() - self.begin
        share = self.done / max(self.total, 1)
        text = f"{self.title}: {self.done:,} of {self.total:,} ({share:.0%})"
        if self.note:
            text = f"{text}, {self.note}"
        new = self.done - self.before
        if 0 < new and self.done < self.total:
            left = seconds / new * (self.total - self.done)
            return f"{text}, {_time(left)} left"
        return f"{text}, {_time(seconds)}"

    def _write(self, end):
        start = "\r\x1b[K" if self.over else ""
        print(start + self.line(), end=end, file=sys.stderr, flush=True)


class FitProgress(keras.callbacks.Callback):
    """Shows how far an epoch of `fit` is by a `Progress`.

    Args:
        steps: int, the batches of an epoch.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_epoch_begin(self, epoch, logs=None):
        self.progress = Progress(f"Epoch {epoch + 1}", self.steps)

    def on_train_batch_end(self, batch, logs=None):
        if logs and "loss" in logs:
            self.progress.note = f"loss {float(logs['loss']):.4f}"
        self.progress(1)


def shown(steps: int) -> dict:
    """Returns `verbose` and `callbacks` of `fit`, which show how far it is.

    In a terminal that is Keras's bar. In a file the bar would be a line of many
    kilobytes, so there a line comes every half a minute, and Keras's at the end
    of each epoch.

    Args:
        steps: int, the batches of an epoch.
    """
    if sys.stdout.isatty():
        return {"verbose": 1, "callbacks": []}
    return {"verbose": 2, "callbacks": [FitProgress(steps)]}


def _time(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
